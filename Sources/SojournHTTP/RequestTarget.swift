/// A request target (RFC 9112 section 3.2) taken apart: path, and query items in order.
struct RequestTarget {
    /// The path as it was sent, without query and fragment; `/` when an absolute target has none.
    let rawPath: String
    /// What follows the first `?`, as it was sent.
    let rawQuery: String?

    /// Takes a target of any form; an absolute one loses its scheme and authority.
    init(_ target: String) {
        var rest = target.utf8[...]
        let special = rest.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }
        if special == nil, rest.first == UInt8(ascii: "/") {
            (self.rawPath, self.rawQuery) = (target, nil)
            return
        }
        // Almost every target is a path; searching it for a scheme would cost more than all the rest.
        if rest.first != UInt8(ascii: "/"), let scheme = rest.firstRange(of: "://".utf8) {
            rest = rest[scheme.upperBound...]
            rest = rest[(rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex)...]
        }
        if let fragment = rest.firstIndex(of: UInt8(ascii: "#")) { rest = rest[..<fragment] }
        if let mark = rest.firstIndex(of: UInt8(ascii: "?")) {
            self.rawQuery = String(Substring(rest[rest.index(after: mark)...]))
            rest = rest[..<mark]
        } else {
            self.rawQuery = nil
        }
        self.rawPath = rest.isEmpty ? "/" : String(Substring(rest))
    }

    /// The path with `%XX` decoded; a `+` stays a plus.
    var path: String { percentDecoded(self.rawPath.utf8[...], plusIsSpace: false) }

    /// The segments of the path, each decoded by itself, so that an escaped slash separates nothing. A slash at the end
    /// adds none; two in a row enclose an empty one.
    var segments: [String] {
        var segments: [String] = []
        segments.reserveCapacity(8)
        var rest = self.rawPath.utf8[...]
        if rest.first == UInt8(ascii: "/") { rest.removeFirst() }
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            segments.append(percentDecoded(rest[..<end], plusIsSpace: false))
            rest = rest[end...].dropFirst()
        }
        return segments
    }

    /// The query's items in order, names and values decoded, `+` as a space. An item without `=` has an empty
    /// value; empty items are left out; nothing is ever an error.
    var queryItems: [(name: String, value: String)] {
        guard let rawQuery = self.rawQuery else { return [] }
        return rawQuery.utf8.split(separator: UInt8(ascii: "&")).map { item in
            let equals = item.firstIndex(of: UInt8(ascii: "=")) ?? item.endIndex
            return (
                name: percentDecoded(item[..<equals], plusIsSpace: true),
                value: percentDecoded(item[equals...].dropFirst(), plusIsSpace: true)
            )
        }
    }
}

/// Decodes `%XX`; what is not a valid escape stays as it is, what is not UTF-8 becomes U+FFFD.
private func percentDecoded(_ text: Substring.UTF8View, plusIsSpace: Bool) -> String {
    guard text.contains(where: { $0 == UInt8(ascii: "%") || (plusIsSpace && $0 == UInt8(ascii: "+")) }) else {
        return String(Substring(text))
    }
    var bytes: [UInt8] = []
    var rest = text
    while let byte = rest.popFirst() {
        switch byte {
        case UInt8(ascii: "+") where plusIsSpace:
            bytes.append(UInt8(ascii: " "))
        case UInt8(ascii: "%"):
            let digits = rest.prefix(2).compactMap(hexValue)
            if digits.count == 2 {
                bytes.append(digits[0] << 4 | digits[1])
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        default:
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

/// The value of a hexadecimal digit.
func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
