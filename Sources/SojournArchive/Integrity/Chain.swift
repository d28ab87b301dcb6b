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

    init(session id: String) {
        self.link = Self.digest(Array("sojourn chain 1\n\(id)".utf8))
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
        self.link = Self.digest(self.buffer)
    }

    /// Adds the next event.
    mutating func append(_ event: TranscriptEvent) {
        self.append(seq: event.seq, epoch: event.epoch, at: event.at, type: event.type, body: event.body)
    }

    private mutating func add(_ number: Int64) {
        for shift in stride(from: 56, through: 0, by: -8) {
            self.buffer.append(UInt8(truncatingIfNeeded: number >> Int64(shift)))
        }
    }

    private static func digest(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        let ok = unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
        precondition(ok == 1, "OpenSSL refused SHA-256")
        return digest
    }
}
