import SojournCore

/// Signs and checks session tokens. The first key that can signs; every key checks, so a new key goes in front of the
/// old one, which stays until the last token it signed has expired.
struct TokenBook: Sendable {
    private static let lengthLimit = 4096

    private let keys: [TokenKey]
    private let audience: String

    init(keys: [TokenKey], audience: String) {
        self.keys = keys
        self.audience = audience
    }

    var isEmpty: Bool { self.keys.isEmpty }

    /// Whether a text looks like a token: it counts as nothing else then.
    static func isToken(_ text: String) -> Bool { text.utf8.count { $0 == UInt8(ascii: ".") } == 2 }

    /// The signed text; nil without a key that signs.
    func sign(_ token: SessionToken) -> String? {
        guard let key = self.keys.first(where: \.canSign) else { return nil }
        let header: JSON = ["alg": .string(key.algorithm), "typ": "JWT", "kid": .string(key.id)]
        let signed =
            Base64URL.encode(header.bytes) + "." + Base64URL.encode(token.payload(audience: self.audience).bytes)
        return key.signature(of: Array(signed.utf8)).map { signed + "." + Base64URL.encode($0) }
    }

    /// The token of a text that one of the keys has signed, for us and for now; nil for any other, without a reason: who
    /// is not admitted learns none.
    func token(_ text: String, at now: Instant) -> SessionToken? {
        guard text.utf8.count <= Self.lengthLimit else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.json(parts[0]), header["crit"] == nil,
            let key = self.keys.first(where: { $0.id == header["kid"]?.string }),
            // RFC 8725 section 3.1: the key knows its algorithm; "none" and every other one are refused.
            header["alg"]?.string == key.algorithm,
            let signature = Base64URL.bytes(of: parts[2]),
            key.verifies(signature, of: Array((parts[0] + "." + parts[1]).utf8)),
            let claims = Self.json(parts[1])
        else { return nil }
        let audiences = claims["aud"]?.array ?? claims["aud"].map { [$0] } ?? []
        guard audiences.contains(.string(self.audience)), let expiresAt = Self.milliseconds(claims["exp"]),
            now.milliseconds < expiresAt
        else { return nil }
        if let notBefore = claims["nbf"] {
            guard let start = Self.milliseconds(notBefore), start <= now.milliseconds else { return nil }
        }
        return SessionToken(claims: claims, expiresAt: Int(expiresAt / 1000))
    }

    /// A time of a claim, whole seconds since 1970 (RFC 7519 section 2); nil when it is none.
    private static func milliseconds(_ claim: JSON?) -> Int64? {
        guard let seconds = claim?.int, (0..<1 << 40).contains(seconds) else { return nil }
        return Int64(seconds) * 1000
    }

    private static func json(_ part: Substring) -> JSON? {
        guard let bytes = Base64URL.bytes(of: part), let json = try? JSON.parse(bytes), json.object != nil else {
            return nil
        }
        return json
    }
}
