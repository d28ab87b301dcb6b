import COpenSSL

/// An API key: who has it, what it is for, and the digest of its secret. The secret itself is not kept.
public struct AccessKey: Sendable, Hashable {
    /// Who has it, for logs and limits.
    public let name: String
    /// What it is for.
    public let role: Role
    /// SHA-256 of the secret.
    let digest: [UInt8]

    private static let scheme = "sha256:"

    /// A key by its secret.
    public init(name: String, role: Role, secret: String) {
        self.name = name
        self.role = role
        self.digest = Self.sha256(secret)
    }

    /// A key by the digest of its secret, `sha256:` and 64 hexadecimal digits, which is what a key file holds. Nil when
    /// it is none.
    public init?(name: String, role: Role, digest text: String) {
        guard text.hasPrefix(Self.scheme) else { return nil }
        let digits = Array(text.utf8.dropFirst(Self.scheme.utf8.count))
        guard digits.count == 64 else { return nil }
        var digest: [UInt8] = []
        for place in stride(from: 0, to: 64, by: 2) {
            let pair = String(decoding: digits[place..<place + 2], as: UTF8.self)
            guard pair.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                let byte = UInt8(pair, radix: 16)
            else { return nil }
            digest.append(byte)
        }
        self.name = name
        self.role = role
        self.digest = digest
    }

    /// The digest of a secret in the form of a key file.
    public static func digest(of secret: String) -> String {
        Self.scheme + Self.sha256(secret).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// A secret of 256 random bits, which nobody can guess from its digest. The prefix tells people what it is.
    public static func newSecret(prefix: String = "sjk_") -> String {
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        return prefix + Base64URL.encode(bytes)
    }

    static func sha256(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let ok = unsafe EVP_Digest(bytes, bytes.count, &digest, &length, EVP_sha256(), nil)
        precondition(ok == 1 && length == 32, "OpenSSL refused SHA-256")
        return digest
    }
}

/// The keys that open the interface. Without any, it is open.
struct KeyRing: Sendable {
    private let keys: [AccessKey]

    init(_ keys: [AccessKey]) { self.keys = keys }

    var isEmpty: Bool { self.keys.isEmpty }

    /// The key with this secret. Every key is compared, over its whole digest, so the time tells nothing of them.
    func key(for secret: String) -> AccessKey? {
        let given = AccessKey.sha256(secret)
        var found: AccessKey?
        for key in self.keys where unsafe CRYPTO_memcmp(given, key.digest, given.count) == 0 { found = key }
        return found
    }
}
