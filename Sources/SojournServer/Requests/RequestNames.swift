/// Names for requests, by which a client, a proxy and a log speak of the same one (`X-Request-Id`).
struct RequestNames {
    static let field = "X-Request-Id"
    static let longest = 128

    /// The state of SplitMix64 (Steele, Lea and Flood 2014): names need not be secret, and a random number of the system
    /// would cost each request a system call.
    private var state = UInt64.random(in: .min ... .max)

    /// A new name: 13 characters at the most, so short that it takes no memory of its own.
    mutating func next() -> String {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return String(z ^ z >> 31, radix: 36)
    }

    /// The name that a client gave; nil when it gave none, or one that does not fit into a line of a log as it is.
    static func accepted(_ text: String?) -> String? {
        guard let text, (1...Self.longest).contains(text.utf8.count) else { return nil }
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case 48...57, 65...90, 97...122: true
            default: "-_.:/+=@".utf8.contains(byte)
            }
        }
        return isPlain ? text : nil
    }
}
