import COpenSSL

/// Digests for keys that clients choose: nobody can make two that collide.
enum Digest {
    /// The first 128 bits of SHA-256 (FIPS 180-4).
    static func sha256Prefix(_ text: String) -> [UInt8] { self.sha256Prefix(Array(text.utf8)) }

    /// The first 128 bits of SHA-256 (FIPS 180-4).
    static func sha256Prefix(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let ok = unsafe EVP_Digest(bytes, bytes.count, &digest, &length, EVP_sha256(), nil)
        precondition(ok == 1 && length == 32, "OpenSSL refused SHA-256")
        return Array(digest.prefix(16))
    }
}
