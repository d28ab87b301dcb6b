import Foundation
import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

/// What a handler saw, for the test's thread.
final class Seen: Sendable {
    private let list = Locked<[String]>([])

    func add(_ text: String) { self.list.withLock { $0.append(text) } }
    var all: [String] { self.list.withLock { $0 } }
}

/// A server on a loop of its own.
struct TestServer: Sendable {
    let loop: EventLoop
    let server: Confined<HTTPServer>
    let port: Int

    func connect(receiveBuffer: CInt? = nil) throws -> RawHTTP {
        try RawHTTP(port: self.port, receiveBuffer: receiveBuffer)
    }

    /// One request on a connection of its own.
    func request(_ text: String) throws -> RawResponse {
        let client = try self.connect()
        try client.send(text)
        return try client.readResponse()
    }

    /// Runs on the server's loop.
    func onLoop<Result: Sendable>(_ body: @escaping @Sendable (HTTPServer) -> Result) async throws -> Result {
        try await self.loop.run { body(self.server.value) }
    }

    /// Asks on the loop until the condition holds, for 10 s at most; whether it did.
    func eventually(_ condition: @escaping @Sendable (HTTPServer) -> Bool) async throws -> Bool {
        try await self.loop.run {
            for _ in 0..<2000 {
                if condition(self.server.value) { return true }
                await self.loop.sleep(milliseconds: 5)
            }
            return false
        }
    }
}

/// Runs a test against a fresh server.
func withServer(
    limits: HTTPLimits = HTTPLimits(), handler: @escaping @Sendable (HTTPExchange) -> Void,
    test body: (TestServer) async throws -> Void
) async throws {
    try await withServer(limits: limits, onLoop: { exchange, _ in handler(exchange) }, test: body)
}

/// Runs a test against a fresh server whose handler is given its loop, too.
func withServer(
    limits: HTTPLimits = HTTPLimits(), onLoop handler: @escaping @Sendable (HTTPExchange, EventLoop) -> Void,
    test body: (TestServer) async throws -> Void
) async throws {
    let loop = EventLoop(name: "http test")
    let server = try await loop.run {
        Confined(HTTPServer(loop: loop, limits: limits) { handler($0, loop) }, to: loop)
    }
    let port = try await loop.run { try server.value.listen(host: "127.0.0.1", port: 0) }
    var failure: (any Error)?
    do {
        try await body(TestServer(loop: loop, server: server, port: port))
    } catch {
        failure = error
    }
    try await loop.run { server.value.close() }
    loop.stop()
    if let failure { throw failure }
}

/// Runs a test against a server that records `METHOD path body` and answers `ok <path>`.
func withRecorder(
    limits: HTTPLimits = HTTPLimits(), _ body: (TestServer, Seen) async throws -> Void
) async throws {
    let seen = Seen()
    try await withServer(limits: limits) { exchange in
        seen.add("\(exchange.method.rawValue) \(exchange.path) \(String(decoding: exchange.body, as: UTF8.self))")
        exchange.respond(
            status: 200, headers: [("Content-Type", "text/plain")], body: Array("ok \(exchange.path)".utf8))
    } test: { server in
        try await body(server, seen)
    }
}

/// The resident memory of this process in bytes.
func residentBytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return (status.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
}
