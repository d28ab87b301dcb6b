/// Why some bytes are not JSON.
public struct JSONSyntaxError: Error, Sendable, CustomStringConvertible {
    /// What was wrong.
    public let reason: String
    /// The offset of the first offending byte.
    public let offset: Int

    /// The text form, for logs.
    public var description: String { "\(self.reason) at byte \(self.offset)" }
}

extension JSON {
    /// How deep arrays and objects may nest.
    public static let maximumDepth = 128

    /// Parses one JSON text (RFC 8259): UTF-8, nothing but white space around it.
    ///
    /// An escaped lone surrogate becomes U+FFFD, since no Swift string can hold it.
    /// - Throws: ``JSONSyntaxError`` for anything else, nesting over ``maximumDepth`` included.
    public static func parse(_ bytes: [UInt8]) throws(JSONSyntaxError) -> JSON {
        var parser = JSONParser(bytes: bytes)
        return try parser.document()
    }

    /// Parses the JSON text in a string.
    public static func parse(_ text: String) throws(JSONSyntaxError) -> JSON { try Self.parse(Array(text.utf8)) }
}

/// A recursive-descent parser over bytes that are all there.
struct JSONParser {
    private let bytes: [UInt8]
    private var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(JSONSyntaxError) -> JSON {
        self.skipSpace()
        let value = try self.value(depth: 0)
        self.skipSpace()
        guard self.at == self.bytes.count else { throw self.error("unexpected text after the JSON value") }
        return value
    }

    private var next: UInt8? { self.at < self.bytes.count ? self.bytes[self.at] : nil }

    private func error(_ reason: String) -> JSONSyntaxError { JSONSyntaxError(reason: reason, offset: self.at) }

    private mutating func skipSpace() {
        while let byte = self.next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { self.at += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.next == byte else { return false }
        self.at += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONSyntaxError) -> JSON {
        guard let byte = self.next else { throw self.error("unexpected end") }
        switch byte {
        case UInt8(ascii: "{"): return .object(try self.object(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try self.array(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try self.string())
        case UInt8(ascii: "t"): return try self.literal("true", .bool(true))
        case UInt8(ascii: "f"): return try self.literal("false", .bool(false))
        case UInt8(ascii: "n"): return try self.literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try self.number())
        default: throw self.error("unexpected character")
        }
    }

    private mutating func literal(_ word: StaticString, _ value: JSON) throws(JSONSyntaxError) -> JSON {
        for scalar in "\(word)".utf8 where !self.take(scalar) { throw self.error("unexpected character") }
        return value
    }

    private mutating func object(depth: Int) throws(JSONSyntaxError) -> JSONObject {
        guard depth <= JSON.maximumDepth else { throw self.error("nested deeper than \(JSON.maximumDepth)") }
        self.at += 1
        var object = JSONObject()
        self.skipSpace()
        if self.take(UInt8(ascii: "}")) { return object }
        while true {
            self.skipSpace()
            guard self.next == UInt8(ascii: "\"") else { throw self.error("a member name was expected") }
            let name = try self.string()
            self.skipSpace()
            guard self.take(UInt8(ascii: ":")) else { throw self.error("':' was expected") }
            self.skipSpace()
            object[name] = try self.value(depth: depth)
            self.skipSpace()
            if self.take(UInt8(ascii: "}")) { return object }
            guard self.take(UInt8(ascii: ",")) else { throw self.error("',' or '}' was expected") }
        }
    }

    private mutating func array(depth: Int) throws(JSONSyntaxError) -> [JSON] {
        guard depth <= JSON.maximumDepth else { throw self.error("nested deeper than \(JSON.maximumDepth)") }
        self.at += 1
        var elements: [JSON] = []
        self.skipSpace()
        if self.take(UInt8(ascii: "]")) { return elements }
        while true {
            self.skipSpace()
            elements.append(try self.value(depth: depth))
            self.skipSpace()
            if self.take(UInt8(ascii: "]")) { return elements }
            guard self.take(UInt8(ascii: ",")) else { throw self.error("',' or ']' was expected") }
        }
    }

    private mutating func number() throws(JSONSyntaxError) -> String {
        let start = self.at
        _ = self.take(UInt8(ascii: "-"))
        if !self.take(UInt8(ascii: "0")) { try self.digits() }
        if self.take(UInt8(ascii: ".")) { try self.digits() }
        if self.take(UInt8(ascii: "e")) || self.take(UInt8(ascii: "E")) {
            if !self.take(UInt8(ascii: "+")) { _ = self.take(UInt8(ascii: "-")) }
            try self.digits()
        }
        return String(decoding: self.bytes[start..<self.at], as: UTF8.self)
    }

    private mutating func digits() throws(JSONSyntaxError) {
        let start = self.at
        while let byte = self.next, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { self.at += 1 }
        guard self.at > start else { throw self.error("a digit was expected") }
    }

    private mutating func string() throws(JSONSyntaxError) -> String {
        self.at += 1
        let start = self.at
        // Most strings have no escape and are one slice.
        while let byte = self.next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
            self.at += 1
        }
        if self.next == UInt8(ascii: "\"") {
            defer { self.at += 1 }
            return try self.text(self.bytes[start..<self.at])
        }
        var text = Array(self.bytes[start..<self.at])
        while true {
            guard let byte = self.next else { throw self.error("a string is not closed") }
            self.at += 1
            switch byte {
            case UInt8(ascii: "\""): return try self.text(text[...])
            case UInt8(ascii: "\\"): try self.escape(into: &text)
            case 0..<0x20:
                self.at -= 1
                throw self.error("a control character in a string must be escaped")
            default: text.append(byte)
            }
        }
    }

    private func text(_ slice: ArraySlice<UInt8>) throws(JSONSyntaxError) -> String {
        guard let text = String(validating: slice, as: UTF8.self) else {
            throw self.error("a string is not valid UTF-8")
        }
        return text
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONSyntaxError) {
        guard let byte = self.next else { throw self.error("a string is not closed") }
        self.at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            let unit = try self.hexUnit()
            var scalar = Unicode.Scalar(UInt32(unit))
            if unit & 0xFC00 == 0xD800, self.at + 1 < self.bytes.count, self.bytes[self.at] == UInt8(ascii: "\\"),
                self.bytes[self.at + 1] == UInt8(ascii: "u")
            {
                let mark = self.at
                self.at += 2
                let low = try self.hexUnit()
                if low & 0xFC00 == 0xDC00 {
                    scalar = Unicode.Scalar(0x10000 + (UInt32(unit & 0x3FF) << 10 | UInt32(low & 0x3FF)))
                } else {
                    self.at = mark
                }
            }
            text.append(contentsOf: String(Character(scalar ?? "\u{FFFD}")).utf8)
        default:
            self.at -= 1
            throw self.error("unknown escape")
        }
    }

    private mutating func hexUnit() throws(JSONSyntaxError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = self.next, let digit = Hex.value(byte) else {
                throw self.error("four hexadecimal digits were expected")
            }
            unit = unit << 4 | UInt16(digit)
            self.at += 1
        }
        return unit
    }
}
