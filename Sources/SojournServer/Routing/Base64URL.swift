/// Base64 for URLs, without padding (RFC 4648 section 5).
enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    static func encode(_ text: String) -> String { Self.encode(Array(text.utf8)) }

    static func encode(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        var buffer: UInt32 = 0
        var count = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                output.append(Self.alphabet[Int(buffer >> UInt32(count) & 63)])
            }
        }
        if count > 0 { output.append(Self.alphabet[Int(buffer << UInt32(6 - count) & 63)]) }
        return String(decoding: output, as: UTF8.self)
    }

    /// The text, or nil when it is not the encoding of valid UTF-8.
    static func decode(_ text: String) -> String? {
        Self.bytes(of: text).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The bytes, or nil when it is no such encoding. One value has one encoding: bits left over must be 0.
    static func bytes(of text: some StringProtocol) -> [UInt8]? {
        var output: [UInt8] = []
        var buffer: UInt32 = 0
        var count = 0
        for byte in text.utf8 {
            guard let value = Self.values[Int(byte)] else { return nil }
            buffer = buffer << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                output.append(UInt8(truncatingIfNeeded: buffer >> UInt32(count)))
            }
        }
        guard count < 6, buffer & (1 << UInt32(count) - 1) == 0 else { return nil }
        return output
    }

    private static let values: [UInt32?] = {
        var values = [UInt32?](repeating: nil, count: 256)
        for (value, byte) in Self.alphabet.enumerated() { values[Int(byte)] = UInt32(value) }
        return values
    }()
}
