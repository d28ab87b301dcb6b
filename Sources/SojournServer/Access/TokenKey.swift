import COpenSSL

/// A key that signs session tokens, or only checks them. It decides the algorithm; a token has no say in that.
public struct TokenKey: Sendable, Hashable {
    private enum Material: Sendable, Hashable {
        case hmac(secret: [UInt8])
        case ed25519Pair(seed: [UInt8])
        case ed25519Public([UInt8])
    }

    /// Its name, the `kid` of a token (RFC 7515 section 4.1.4).
    public let id: String
    private let material: Material

    /// For HS256 (RFC 7518 section 3.2), with a secret of at least 256 bits, in base64url. Nil when it is none.
    public init?(id: String, hs256 secret: String) {
        guard let bytes = Base64URL.bytes(of: secret), (32...512).contains(bytes.count) else { return nil }
        self.id = id
        self.material = .hmac(secret: bytes)
    }

    /// For EdDSA with Ed25519 (RFC 8037), by the 32 bytes of the private key in base64url. Nil when it is none.
    public init?(id: String, ed25519 seed: String) {
        guard let bytes = Base64URL.bytes(of: seed), bytes.count == 32 else { return nil }
        self.id = id
        self.material = .ed25519Pair(seed: bytes)
    }

    /// For EdDSA with Ed25519, by the 32 bytes of a public key in base64url: tokens that someone else signs. Nil when it
    /// is none.
    public init?(id: String, ed25519Public key: String) {
        guard let bytes = Base64URL.bytes(of: key), bytes.count == 32 else { return nil }
        self.id = id
        self.material = .ed25519Public(bytes)
    }

    /// The only `alg` that a token of this key may name.
    var algorithm: String {
        if case .hmac = self.material { return "HS256" }
        return "EdDSA"
    }

    var canSign: Bool {
        if case .ed25519Public = self.material { return false }
        return true
    }

    /// The signature; nil for a key that only checks.
    func signature(of bytes: [UInt8]) -> [UInt8]? {
        switch self.material {
        case .hmac(let secret): return Self.hmac(bytes, secret)
        case .ed25519Public: return nil
        case .ed25519Pair(let seed):
            guard let key = unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count),
                let context = unsafe EVP_MD_CTX_new()
            else { return nil }
            defer {
                unsafe EVP_MD_CTX_free(context)
                unsafe EVP_PKEY_free(key)
            }
            var signature = [UInt8](repeating: 0, count: 64)
            var length = 64
            guard unsafe EVP_DigestSignInit(context, nil, nil, nil, key) == 1,
                unsafe EVP_DigestSign(context, &signature, &length, bytes, bytes.count) == 1, length == 64
            else { return nil }
            return signature
        }
    }

    func verifies(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
        switch self.material {
        case .hmac(let secret):
            let expected = Self.hmac(bytes, secret)
            guard signature.count == expected.count else { return false }
            return unsafe CRYPTO_memcmp(signature, expected, expected.count) == 0
        case .ed25519Pair(let seed):
            guard let key = unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count) else {
                return false
            }
            defer { unsafe EVP_PKEY_free(key) }
            return unsafe Self.verify(signature, bytes, key)
        case .ed25519Public(let raw):
            guard let key = unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, raw, raw.count) else {
                return false
            }
            defer { unsafe EVP_PKEY_free(key) }
            return unsafe Self.verify(signature, bytes, key)
        }
    }

    private static func verify(_ signature: [UInt8], _ bytes: [UInt8], _ key: OpaquePointer) -> Bool {
        guard let context = unsafe EVP_MD_CTX_new() else { return false }
        defer { unsafe EVP_MD_CTX_free(context) }
        let isGood =
            unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, bytes, bytes.count) == 1
        // A wrong signature leaves an entry in this thread's error queue, which the TLS of another connection would find.
        ERR_clear_error()
        return isGood
    }

    private static func hmac(_ bytes: [UInt8], _ secret: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let ok = unsafe HMAC(EVP_sha256(), secret, CInt(secret.count), bytes, bytes.count, &digest, &length) != nil
        precondition(ok && length == 32, "OpenSSL refused HMAC-SHA-256")
        return digest
    }
}
