import Foundation
public import SojournLoop

/// Stands between a client and a server, counts what passes, and breaks things on request.
public final class TestProxy: Sendable {
    private struct State {
        var open: [CInt] = []
        var reads: [Int] = []
        var connections = 0
        var muted = false
        var upstream: Endpoint?
    }

    private final class Shared: Sendable {
        let state = Locked(State())
    }

    private let shared = Shared()
    private let listener: TestListener

    /// Forwards to `upstream`.
    public init(to upstream: Endpoint) {
        let shared = self.shared
        shared.state.withLock { $0.upstream = upstream }
        self.listener = TestListener { client in
            let upstream = shared.state.withLock { $0.upstream }
            guard let server = upstream.flatMap({ TestListener.connect(to: $0) }) else {
                close(client)
                return
            }
            shared.state.withLock {
                $0.open += [client, server]
                $0.connections += 1
            }
            Self.pump(from: client, to: server) { count in
                shared.state.withLock { $0.reads.append(count) }
                return true
            }
            Self.pump(from: server, to: client) { _ in shared.state.withLock { !$0.muted } }
        }
    }

    deinit {
        self.listener.stop()
        self.cut()
    }

    /// Where clients connect.
    public var endpoint: Endpoint { self.listener.endpoint }

    /// The sizes of the reads from clients so far.
    public var reads: [Int] { self.shared.state.withLock { $0.reads } }

    /// Connections made so far.
    public var connections: Int { self.shared.state.withLock { $0.connections } }

    /// Forgets the reads so far.
    public func forgetReads() { self.shared.state.withLock { $0.reads = [] } }

    /// While muted, what the server says is thrown away.
    public func mute(_ muted: Bool) { self.shared.state.withLock { $0.muted = muted } }

    /// Forwards new connections to another server, and breaks those that are open.
    public func redirect(to upstream: Endpoint) {
        self.shared.state.withLock { $0.upstream = upstream }
        self.cut()
    }

    /// Breaks all connections.
    public func cut() {
        let open = self.shared.state.withLock { state -> [CInt] in
            defer { state.open = [] }
            return state.open
        }
        for fd in open { shutdown(fd, CInt(SHUT_RDWR)) }
    }

    private static func pump(from source: CInt, to sink: CInt, passes: @escaping @Sendable (Int) -> Bool) {
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 262_144)
            while true {
                let count = read(source, &buffer, buffer.count)
                if count <= 0 { break }
                guard passes(count) else { continue }
                var sent = 0
                while sent < count {
                    let more = buffer[sent..<count].withUnsafeBytes {
                        send(sink, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                    }
                    if more <= 0 { break }
                    sent += more
                }
            }
            // Descriptors are left to the end of the process, so that none is closed under the other pump.
            shutdown(source, CInt(SHUT_RDWR))
            shutdown(sink, CInt(SHUT_RDWR))
        }
    }
}
