/// One reply of a Redis server (RESP2).
public enum RESPValue: Sendable, Hashable {
    /// Nothing: a null bulk string or null array.
    case null
    /// An integer.
    case integer(Int)
    /// A simple string, such as `OK`.
    case simple(String)
    /// A bulk string: any bytes. The strings of one reply share their memory.
    case bulk(ArraySlice<UInt8>)
    /// Several replies.
    case array([RESPValue])
    /// An error; at the top of a reply it is thrown instead, so callers meet it only inside arrays.
    case error(RESPErrorReply)

    /// The text of a simple or bulk string (invalid UTF-8 is repaired) or the digits of an integer; else nil.
    public var string: String? {
        switch self {
        case .simple(let text): text
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        case .integer(let number): String(number)
        case .null, .array, .error: nil
        }
    }

    /// An integer, also when it came as decimal digits; else nil.
    public var int: Int? {
        switch self {
        case .integer(let number): number
        case .simple(let text): Int(text)
        case .bulk(let bytes): Self.integer(bytes)
        case .null, .array, .error: nil
        }
    }

    /// Decimal digits as a number, without a detour through text; what is longer than any time in ms takes it.
    private static func integer(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard !bytes.isEmpty, bytes.count <= 18 else { return Int(String(decoding: bytes, as: UTF8.self)) }
        var number = 0
        for byte in bytes {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else {
                return Int(String(decoding: bytes, as: UTF8.self))
            }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return number
    }

    /// The bytes of a simple or bulk string; else nil.
    public var bytes: [UInt8]? {
        switch self {
        case .simple(let text): Array(text.utf8)
        case .bulk(let bytes): Array(bytes)
        case .null, .integer, .array, .error: nil
        }
    }

    /// The elements of an array; else nil.
    public var array: [RESPValue]? { if case .array(let elements) = self { elements } else { nil } }
}

/// An error that the server sent, in its own words.
public struct RESPErrorReply: Sendable, Hashable {
    /// The first word, such as `OOM`, `NOSCRIPT`, `READONLY` or `ERR`.
    public let code: String
    /// The whole line, code word included.
    public let message: String

    /// Takes the line apart.
    public init(message: String) {
        self.message = message
        self.code = message.split(separator: " ", maxSplits: 1).first.map(String.init) ?? ""
    }
}
