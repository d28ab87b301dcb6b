import SojournCore
import SojournLoop

/// One HTTP/1.1 request on a connection of its own. Loop-confined.
///
/// It is for a worker that talks to a node; it speaks HTTP and expects answers with a length or an end.
final class HTTPCall {
    /// Why there is no answer.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The address of a node, from `http[s]://host[:port]` or `unix:/path`.
    struct Address: Sendable, CustomStringConvertible {
        let endpoint: Endpoint
        var tls: TLSContext?

        /// Nil when the text is no such URL.
        init?(url: String) {
            if url.hasPrefix("unix:") {
                guard let path = try? UnixSocketSettings.path(url) else { return nil }
                self.init(.unix(path: path))
                return
            }
            let isSecure = url.hasPrefix("https://")
            guard isSecure || url.hasPrefix("http://") else { return nil }
            let authority = url.dropFirst(isSecure ? 8 : 7).prefix { $0 != "/" }
            let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard let host = parts.first, !host.isEmpty else { return nil }
            guard let port = parts.count == 2 ? Int(parts[1]) : isSecure ? 443 : 80, (1...65_535).contains(port) else {
                return nil
            }
            self.init(.tcp(host: String(host), port: port))
            if isSecure {
                guard let tls = try? TLSContext() else { return nil }
                self.tls = tls
            }
        }

        init(_ endpoint: Endpoint, tls: TLSContext? = nil) {
            self.endpoint = endpoint
            self.tls = tls
        }

        /// What a request calls the node.
        var description: String {
            if case .unix = self.endpoint { return "localhost" }
            return self.endpoint.description
        }

        /// The name that its certificate must have.
        var name: String {
            if case .tcp(let host, _) = self.endpoint { return host }
            return "localhost"
        }
    }

    private var stream: ByteStream?
    private var bytes: [UInt8] = []
    private var continuation: CheckedContinuation<Result<[UInt8], Failure>, Never>?
    private var timer: LoopTimer?

    /// Sends JSON with POST and returns status and body of the answer.
    static func post(
        _ path: String, _ body: JSON, to address: Address, key: String?, on loop: EventLoop, timeoutMs: Int = 60_000
    ) async throws(Failure) -> (status: Int, body: JSON?) {
        let payload = body.bytes
        var head = "POST \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n"
        head += "Content-Type: application/json\r\nContent-Length: \(payload.count)\r\n"
        if let key { head += "X-API-KEY: \(key)\r\n" }
        let call = HTTPCall()
        let answer = await call.run(Array((head + "\r\n").utf8) + payload, address, loop, timeoutMs)
        return try Self.parse(try answer.get())
    }

    private func run(
        _ request: [UInt8], _ address: Address, _ loop: EventLoop, _ timeoutMs: Int
    ) async -> Result<[UInt8], Failure> {
        await withCheckedContinuation { continuation in
            self.continuation = continuation
            let timer = LoopTimer(loop: loop) { [weak self] in self?.end("no answer in time") }
            timer.start(afterMilliseconds: timeoutMs)
            self.timer = timer
            self.stream = ByteStream.connect(
                to: address.endpoint, loop: loop,
                security: address.tls.map { .tls($0, serverName: address.name) } ?? .plain, timeoutMs: 5000,
                handlers: unsafe ByteStream.Handlers(
                    connected: { [weak self] in self?.stream?.write(request) },
                    received: { [weak self] in unsafe self?.bytes.append(contentsOf: $0) },
                    closed: { [weak self] reason in self?.end("\(reason)") }))
        }
    }

    /// The end of the connection; whether the answer is whole is for the parser to see.
    private func end(_ reason: String) {
        guard let continuation else { return }
        self.continuation = nil
        self.timer?.stop()
        continuation.resume(
            returning: self.bytes.isEmpty ? .failure(Failure(description: reason)) : .success(self.bytes))
        self.stream?.close()
    }

    private static func parse(_ bytes: [UInt8]) throws(Failure) -> (status: Int, body: JSON?) {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else {
            throw Failure(description: "the answer was cut off")
        }
        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
        let words = head.prefix { $0 != "\r\n" }.split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else {
            throw Failure(description: "the answer is not HTTP")
        }
        let body = Array(bytes[end.upperBound...])
        for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix("content-length:") {
            guard body.count == Int(line.dropFirst(15).trimmed) else {
                throw Failure(description: "the answer was cut off")
            }
        }
        return (status, try? JSON.parse(body))
    }
}
