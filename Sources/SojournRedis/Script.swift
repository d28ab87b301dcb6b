import COpenSSL

/// A Lua script: called by its SHA-1 (`EVALSHA`), loaded on each new connection.
public struct Script: Sendable, Hashable {
    /// What errors and logs call it.
    public let name: String
    /// The whole text, whose first line is `#!lua` with optional flags.
    public let source: String
    /// SHA-1 of `source`, 40 lower-case hex digits.
    public let sha1: String
    /// How many keys each call passes.
    public let keyCount: Int
    /// Whether the first line says `no-writes`; such a call counts as a read.
    public let isReadOnly: Bool

    /// A script of this text.
    public init(name: String, source: String, keyCount: Int) {
        self.name = name
        self.source = source
        self.keyCount = keyCount
        self.sha1 = Self.sha1(of: source)
        let firstLine = source.prefix { $0 != "\n" }
        self.isReadOnly = firstLine.hasPrefix("#!") && firstLine.contains("no-writes")
    }

    private static func sha1(of text: String) -> String {
        let bytes = Array(text.utf8)
        var digest = [UInt8](repeating: 0, count: 20)
        let code = unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha1(), nil)
        precondition(code == 1, "OpenSSL refused to compute a SHA-1")
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
