import Glibc

/// A short blocking conversation with a redis-server on a unix socket: is it there, is it ours, is it ready?
@safe final class RedisProbe {
    /// What a conversation may end with.
    enum Failure: Error {
        /// Nobody listens.
        case absent
        /// The server answered with an error, such as `LOADING …`.
        case refused(String)
        /// It did not answer in time, or not in RESP.
        case silent
    }

    private let descriptor: CInt
    private var pending: [UInt8] = []

    /// Connects. Each answer must come within `timeout` seconds.
    init(path: String, timeout: Int = 1) throws(Failure) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else { throw .absent }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        self.descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard self.descriptor >= 0 else { throw .absent }
        var limit = timeval(tv_sec: timeout, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        unsafe setsockopt(self.descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        let code = unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else { throw .absent }
    }

    deinit { close(self.descriptor) }

    /// Sends a command and returns the strings of its answer, flattened.
    @discardableResult
    func ask(_ words: String...) throws(Failure) -> [String] {
        let request = words.reduce("*\(words.count)\r\n") { $0 + "$\($1.utf8.count)\r\n\($1)\r\n" }
        let bytes = Array(request.utf8)
        // These requests are far smaller than a socket's buffer, so one call takes them whole.
        guard unsafe send(self.descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count else {
            throw .silent
        }
        return try self.answer()
    }

    /// The value of one field of INFO.
    func info(_ section: String, _ field: String) throws(Failure) -> String? {
        try self.ask("INFO", section).first?.split(separator: "\r\n").first { $0.hasPrefix(field + ":") }
            .map { String($0.dropFirst(field.count + 1)) }
    }

    private func answer() throws(Failure) -> [String] {
        let line = try self.line()
        let rest = String(line.dropFirst())
        switch line.first {
        case "+", ":": return [rest]
        case "-": throw .refused(rest)
        case "$":
            guard let count = Int(rest) else { throw .silent }
            return count < 0 ? [] : [try self.bulk(count)]
        case "*":
            guard let count = Int(rest) else { throw .silent }
            var strings: [String] = []
            for _ in 0..<max(0, count) { strings += try self.answer() }
            return strings
        default: throw .silent
        }
    }

    private func line() throws(Failure) -> String {
        while true {
            if let end = self.pending.firstIndex(of: 13), end + 1 < self.pending.count {
                defer { self.pending.removeFirst(end + 2) }
                return String(decoding: self.pending[..<end], as: UTF8.self)
            }
            try self.more()
        }
    }

    private func bulk(_ count: Int) throws(Failure) -> String {
        while self.pending.count < count + 2 { try self.more() }
        defer { self.pending.removeFirst(count + 2) }
        return String(decoding: self.pending[..<count], as: UTF8.self)
    }

    private func more() throws(Failure) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let count = unsafe read(self.descriptor, &buffer, buffer.count)
        guard count > 0 else {
            if count < 0, errno == EINTR { return }
            throw .silent
        }
        self.pending += buffer[..<count]
    }
}
