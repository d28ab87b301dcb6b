/// Where a request stands in a trace that spans programs: a `traceparent` of W3C Trace Context, section 3.2.
///
/// Sojourn takes no part in the trace; it only carries the text to whoever reads the events.
public struct TraceParent: Sendable, Hashable, CustomStringConvertible {
    /// `00-<trace>-<parent>-<flags>`, 55 lower-case characters.
    public let description: String

    /// The field's text; nil when it is none. Of a newer version the parts that are known are taken.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 55, bytes.count == 55 || bytes[55] == UInt8(ascii: "-") else { return nil }
        for (place, byte) in bytes[..<55].enumerated() {
            let isDash = place == 2 || place == 35 || place == 52
            let isHex = (48...57).contains(byte) || (97...102).contains(byte)
            guard isDash ? byte == UInt8(ascii: "-") : isHex else { return nil }
        }
        let version = bytes[..<2]
        guard !version.elementsEqual("ff".utf8), bytes.count == 55 || !version.elementsEqual("00".utf8),
            bytes[3..<35].contains(where: { $0 != 48 }), bytes[36..<52].contains(where: { $0 != 48 })
        else { return nil }
        self.description = "00" + String(decoding: bytes[2..<55], as: UTF8.self)
    }

    /// What names the whole trace: 32 digits.
    public var traceID: String { String(self.description.dropFirst(3).prefix(32)) }
}
