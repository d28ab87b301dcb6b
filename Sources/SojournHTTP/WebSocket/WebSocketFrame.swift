/// A frame from server to client (RFC 6455 section 5.2), ready for the wire: encoded once, written to many.
public struct WebSocketFrame: Sendable {
    /// The frame's bytes, header and payload.
    public let bytes: [UInt8]

    /// The kinds of frames that a server sends; a message is never fragmented.
    enum Opcode: UInt8 {
        case text = 1
        case binary = 2
        case close = 8
        case ping = 9
    }

    init(_ opcode: Opcode, _ payload: some Collection<UInt8>) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(payload.count + 10)
        bytes.append(0x80 | opcode.rawValue)
        switch payload.count {
        case ..<126: bytes.append(UInt8(payload.count))
        case ..<65_536:
            bytes.append(126)
            Self.append(payload.count, bytes: 2, to: &bytes)
        default:
            bytes.append(127)
            Self.append(payload.count, bytes: 8, to: &bytes)
        }
        bytes.append(contentsOf: payload)
        self.bytes = bytes
    }

    /// A frame that was encoded before.
    public init(encoded bytes: [UInt8]) { self.bytes = bytes }

    private static func append(_ number: Int, bytes count: Int, to bytes: inout [UInt8]) {
        for place in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: number >> (place * 8))) }
    }

    /// A text message; the bytes must be UTF-8.
    public static func text(_ utf8: some Collection<UInt8>) -> WebSocketFrame { WebSocketFrame(.text, utf8) }

    /// A binary message.
    public static func binary(_ bytes: some Collection<UInt8>) -> WebSocketFrame { WebSocketFrame(.binary, bytes) }

    static let ping = WebSocketFrame(.ping, [])

    /// The reason is cut to the 123 bytes that fit, between two characters.
    static func close(_ code: WebSocketCloseCode, _ reason: String) -> WebSocketFrame {
        var text = reason[...]
        while text.utf8.count > 123 { text = text.dropLast() }
        return WebSocketFrame(.close, [UInt8(code.number >> 8), UInt8(code.number & 255)] + text.utf8)
    }
}
