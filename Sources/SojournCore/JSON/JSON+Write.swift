extension JSON {
    /// The value as compact JSON: no white space, slashes unescaped, one line.
    public var bytes: [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(JSONWriter.usual)
        self.write(to: &output)
        return output
    }

    /// The value as compact JSON text.
    public var text: String { String(decoding: self.bytes, as: UTF8.self) }

    /// Appends the value as compact JSON.
    public func write(to output: inout [UInt8]) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let truth): output.append(contentsOf: (truth ? "true" : "false").utf8)
        case .number(let literal): output.append(contentsOf: literal.utf8)
        case .string(let text): Self.write(text, to: &output)
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for (position, element) in elements.enumerated() {
                if position > 0 { output.append(UInt8(ascii: ",")) }
                element.write(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let object):
            output.append(UInt8(ascii: "{"))
            for (position, member) in object.members.enumerated() {
                if position > 0 { output.append(UInt8(ascii: ",")) }
                Self.write(member.name, to: &output)
                output.append(UInt8(ascii: ":"))
                member.value.write(to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    /// Appends a string with its quotes and the escapes that RFC 8259 section 7 demands.
    public static func write(_ text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        defer { output.append(UInt8(ascii: "\"")) }
        if Self.isPlain(text) { return output.append(contentsOf: text.utf8) }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): output.append(contentsOf: #"\""#.utf8)
            case UInt8(ascii: "\\"): output.append(contentsOf: #"\\"#.utf8)
            case 0x0A: output.append(contentsOf: #"\n"#.utf8)
            case 0x0D: output.append(contentsOf: #"\r"#.utf8)
            case 0x09: output.append(contentsOf: #"\t"#.utf8)
            case 0x08: output.append(contentsOf: #"\b"#.utf8)
            case 0x0C: output.append(contentsOf: #"\f"#.utf8)
            case 0..<0x20:
                output.append(contentsOf: #"\u00"#.utf8)
                output.append(contentsOf: Hex.encode([byte]).utf8)
            default: output.append(byte)
            }
        }
    }

    /// Whether a string needs no escapes, as almost all do.
    private static func isPlain(_ text: String) -> Bool {
        unsafe text.utf8.withContiguousStorageIfAvailable { unsafe Self.isPlain($0.span.bytes) } ?? false
    }

    /// Looks at eight bytes at a time: subtracting sets the top bit of a byte that was smaller, and what differs from a
    /// character by nothing is smaller than one.
    private static func isPlain(_ text: RawSpan) -> Bool {
        let (ones, tops): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
        func has(_ word: UInt64, below limit: UInt64) -> Bool { (word &- ones &* limit) & ~word & tops != 0 }
        var place = 0
        while place + 8 <= text.byteCount {
            let word = unsafe text.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self)
            if has(word, below: 0x20) || has(word ^ ones &* 0x22, below: 1) || has(word ^ ones &* 0x5c, below: 1) {
                return false
            }
            place += 8
        }
        while place < text.byteCount {
            let byte = unsafe text.unsafeLoad(fromByteOffset: place, as: UInt8.self)
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return false }
            place += 1
        }
        return true
    }
}
