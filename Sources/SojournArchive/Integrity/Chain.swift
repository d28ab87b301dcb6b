import COpenSSL

/// The hash chain over a session's events: each link is SHA-256 (FIPS 180-4) of the link before it and one event. The
/// last link vouches for every byte of the session's log.
///
///     link(0) = SHA-256("sojourn chain 1\n" id)
///     link(n) = SHA-256(link(n - 1) seq at epoch-length epoch type-length type body)     integers of 64 bits, big endian
struct Chain {
    /// The last link: 32 bytes.
    private(set) var link: [UInt8]
    private var buffer: [UInt8] = []
    private let digest = Digest()

    init(session id: String) {
        self.link = [UInt8](repeating: 0, count: 32)
        self.digest.make(of: Array("sojourn chain 1\n\(id)".utf8), into: &self.link)
    }

    /// Adds the next event.
    mutating func append(seq: Int, epoch: String, at: Int64, type: String, body: [UInt8]) {
        self.buffer.removeAll(keepingCapacity: true)
        self.buffer += self.link
        self.add(Int64(seq))
        self.add(at)
        self.add(Int64(epoch.utf8.count))
        self.buffer += epoch.utf8
        self.add(Int64(type.utf8.count))
        self.buffer += type.utf8
        self.buffer += body
        self.digest.make(of: self.buffer, into: &self.link)
    }

    /// Adds the next event.
    mutating func append(_ event: TranscriptEvent) {
        self.append(seq: event.seq, epoch: event.epoch, at: event.at, type: event.type, body: event.body)
    }

    private mutating func add(_ number: Int64) {
        unsafe withUnsafeBytes(of: number.bigEndian) { unsafe self.buffer.append(contentsOf: $0) }
    }
}

/// SHA-256, made again and again. OpenSSL's function for a single one looks the algorithm up, makes a context and frees it
/// each time, which takes longer than the hash of an event.
@safe private final class Digest {
    // Never written after it is made; OpenSSL's algorithms are made for many threads.
    private nonisolated(unsafe) static let algorithm = unsafe EVP_MD_fetch(nil, "SHA256", nil)
    private let context: OpaquePointer

    init() {
        guard let context = unsafe EVP_MD_CTX_new() else { preconditionFailure("OpenSSL has no memory for a digest") }
        unsafe self.context = context
    }

    deinit { unsafe EVP_MD_CTX_free(self.context) }

    /// Puts the digest of `bytes` into the 32 bytes of `link`.
    func make(of bytes: [UInt8], into link: inout [UInt8]) {
        let isMade =
            unsafe EVP_DigestInit_ex2(self.context, Self.algorithm, nil) == 1
            && EVP_DigestUpdate(self.context, bytes, bytes.count) == 1
            && EVP_DigestFinal_ex(self.context, &link, nil) == 1
        precondition(isMade, "OpenSSL refused SHA-256")
    }
}
