import Foundation
import SojournLoop
import SojournTesting
import Testing

/// Serves every connection on `loop` by sending back what arrives.
private final class EchoServer: Sendable {
    let listener: TestListener

    init(loop: EventLoop, unixPath: String? = nil) {
        self.listener = TestListener(unixPath: unixPath) { fd in
            _ = fcntl(fd, F_SETFL, O_NONBLOCK)
            loop.execute { serve(fd, on: loop) }
        }
    }
}

private func serve(_ fd: CInt, on loop: EventLoop) {
    final class Holder { var stream: ByteStream? }
    let holder = Holder()
    holder.stream = ByteStream(
        accepted: fd, loop: loop,
        handlers: .init(
            received: { holder.stream?.write($0) },
            closed: { _ in holder.stream = nil }))
}

/// What the handlers of one client stream saw.
private final class Client {
    var stream: ByteStream?
    var connected = 0
    var bytes: [UInt8] = []
    var closed: [ByteStream.CloseReason] = []
    var onBytes: () -> Void = {}

    init(_ endpoint: Endpoint, loop: EventLoop, timeoutMs: Int = 5_000) {
        self.stream = ByteStream.connect(
            to: endpoint, loop: loop, timeoutMs: timeoutMs,
            handlers: .init(
                connected: { self.connected += 1 },
                received: {
                    self.bytes += $0
                    self.onBytes()
                },
                closed: { self.closed.append($0) }))
    }
}

@Suite struct ByteStreamTests {
    @Test(arguments: [false, true])
    func `bytes come back whole and in order over TCP and Unix sockets`(unix: Bool) async throws {
        let folder = TemporaryFolder()
        let loop = EventLoop(name: "echo")
        defer { loop.stop() }
        let server = EchoServer(loop: loop, unixPath: unix ? folder.file("s") : nil)
        let sent = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let same = try await loop.run {
            let client = Client(server.listener.endpoint, loop: loop)
            client.stream?.write(Array(sent[..<10]))
            try await eventually { client.connected == 1 }
            for start in stride(from: 10, to: sent.count, by: 299_999) {
                client.stream?.write(Array(sent[start..<min(start + 299_999, sent.count)]))
            }
            try await eventually { client.bytes.count >= sent.count }
            let drained = client.stream?.pendingBytes == 0
            client.stream?.close()
            return client.bytes == sent && drained && client.closed == [.local] && client.connected == 1
        }
        #expect(same)
        server.listener.stop()
    }

    @Test func `writes of one pass leave in one packet`() async throws {
        let loop = EventLoop(name: "coalesce")
        defer { loop.stop() }
        let reads = Locked<[Int]>([])
        let listener = TestListener { fd in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(fd, &buffer, buffer.count)
                if count <= 0 { break }
                reads.withLock { $0.append(count) }
            }
            close(fd)
        }
        try await loop.run {
            let client = Client(listener.endpoint, loop: loop)
            try await eventually { client.connected == 1 }
            for _ in 0..<100 { client.stream?.write([UInt8](repeating: 7, count: 10)) }
            try await eventually { reads.withLock { $0.reduce(0, +) } == 1_000 }
            client.stream?.close()
        }
        #expect(reads.withLock { $0 } == [1_000])
    }

    @Test func `a host name is resolved off the loop and its addresses are tried in turn`() async throws {
        let loop = EventLoop(name: "resolve")
        defer { loop.stop() }
        let server = EchoServer(loop: loop)
        guard case .tcp(_, let port) = server.listener.endpoint else { throw NotInTime(description: "no port") }
        let echoed = try await loop.run {
            let client = Client(.tcp(host: "localhost", port: port), loop: loop)
            client.stream?.write(Array("hello".utf8))
            try await eventually { client.bytes.count == 5 || !client.closed.isEmpty }
            client.stream?.close()
            return String(decoding: client.bytes, as: UTF8.self)
        }
        #expect(echoed == "hello")
    }

    @Test func `failures to connect are told once, in words`() async throws {
        let folder = TemporaryFolder()
        let loop = EventLoop(name: "refused")
        defer { loop.stop() }
        let nobody = TestListener.freePort()
        let reasons = try await loop.run {
            var reasons: [[ByteStream.CloseReason]] = []
            for endpoint: Endpoint in [
                .tcp(host: "127.0.0.1", port: nobody), .unix(path: folder.file("none")),
                .unix(path: String(repeating: "x", count: 200)),
            ] {
                let client = Client(endpoint, loop: loop)
                let early = client.closed.count
                try await eventually { !client.closed.isEmpty }
                client.stream?.close()
                reasons.append(client.closed + (early == 0 ? [] : [.local]))
            }
            return reasons
        }
        #expect(
            reasons == [
                [.failed(ECONNREFUSED)], [.failed(ENOENT)], [.unresolved("a socket path has 1 to 107 bytes")],
            ])
        #expect("\(reasons[0][0])" == "Connection refused")
    }

    @Test func `an unknown host name is told`() async throws {
        let loop = EventLoop(name: "unknown")
        defer { loop.stop() }
        let told = try await loop.run {
            let client = Client(.tcp(host: "no-such-host.invalid", port: 1), loop: loop, timeoutMs: 60_000)
            try await eventually(within: 60) { !client.closed.isEmpty }
            if case .unresolved = client.closed[0] { return client.closed.count == 1 }
            return false
        }
        #expect(told)
    }

    @Test func `a connection that nobody accepts runs into its time limit`() async throws {
        let loop = EventLoop(name: "timeout")
        defer { loop.stop() }
        // A TCP socket with a full backlog swallows further connection requests.
        let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(fd) }
        let port = try #require(TestListener.bindLoopback(fd))
        listen(fd, 0)
        let fillers = (0..<4).map { _ in TestListener.startConnecting(port: port) }
        defer { for filler in fillers { close(filler) } }
        let closed = try await loop.run {
            let client = Client(.tcp(host: "127.0.0.1", port: port), loop: loop, timeoutMs: 50)
            try await eventually { !client.closed.isEmpty }
            return client.closed
        }
        #expect(closed == [.connectTimeout])
    }

    @Test func `closing and letting go inside the own callbacks is safe`() async throws {
        let loop = EventLoop(name: "inside")
        defer { loop.stop() }
        let server = EchoServer(loop: loop)
        let reasons = try await loop.run {
            var reasons: [ByteStream.CloseReason] = []
            for _ in 0..<100 {
                let client = Client(server.listener.endpoint, loop: loop)
                client.stream?.write([1, 2, 3])
                client.onBytes = {
                    client.stream?.close()
                    client.stream = nil
                }
                try await eventually { !client.closed.isEmpty }
                reasons += client.closed
            }
            return reasons
        }
        #expect(reasons == [ByteStream.CloseReason](repeating: .local, count: 100))
    }

    @Test func `a stream that its owner lets go of closes without a word`() async throws {
        let loop = EventLoop(name: "dropped")
        defer { loop.stop() }
        let ended = Locked(false)
        let listener = TestListener { fd in
            var byte: UInt8 = 0
            while read(fd, &byte, 1) > 0 {}
            ended.withLock { $0 = true }
            close(fd)
        }
        let words = try await loop.run {
            let client = Client(listener.endpoint, loop: loop)
            try await eventually { client.connected == 1 }
            client.stream = nil
            try await eventually { ended.withLock { $0 } }
            return client.closed
        }
        #expect(words.isEmpty)
    }

    @Test func `the peer's end is told once`() async throws {
        let loop = EventLoop(name: "eof")
        defer { loop.stop() }
        let listener = TestListener { fd in
            _ = send(fd, "bye", 3, 0)
            close(fd)
        }
        let (bytes, closed) = try await loop.run {
            let client = Client(listener.endpoint, loop: loop)
            try await eventually { !client.closed.isEmpty }
            client.stream?.write([1])
            client.stream?.close()
            return (client.bytes, client.closed)
        }
        #expect(bytes == Array("bye".utf8))
        #expect(closed == [.endOfFile])
    }
}
