import Foundation
public import SojournLoop

/// Stands between a client and a server, counts what passes, and breaks things on request.
public final class TestProxy: Sendable {
    private struct State {
        var open: [CInt] = []
        var reads: [Int] = []
        var connections = 0
        var muted = false
        var refuses = false
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
            let upstream = shared.state.withLock { $0.refuses ? nil : $0.upstream }
            guard let server = upstream.flatMap({ TestListener.connect(to: $0) }) else {
                close(client)
                return
            }
            shared.state.withLock {
                $0.open += [client, server]
                $0.connections += 1
            }
            let left = Countdown(2) {
                shared.state.withLock { $0.open.removeAll { $0 == client || $0 == server } }
                for fd in [client, server] { close(fd) }
            }
            Self.pump(from: client, to: server, left) { count in
                shared.state.withLock { $0.reads.append(count) }
                return true
            }
            Self.pump(from: server, to: client, left) { _ in shared.state.withLock { !$0.muted } }
        }
    }

    deinit {
        self.listener.stop()
        self.cut()
    }

    /// Where clients connect.
    public var endpoint: Endpoint { self.listener.endpoint }

    /// The port of that.
    public var port: Int { if case .tcp(_, let port) = self.endpoint { port } else { 0 } }

    /// The sizes of the reads from clients so far.
    public var reads: [Int] { self.shared.state.withLock { $0.reads } }

    /// Connections made so far.
    public var connections: Int { self.shared.state.withLock { $0.connections } }

    /// Forgets the reads so far.
    public func forgetReads() { self.shared.state.withLock { $0.reads = [] } }

    /// While muted, what the server says is thrown away.
    public func mute(_ muted: Bool) { self.shared.state.withLock { $0.muted = muted } }

    /// While it refuses, there is no connection: those that are open break, and new ones end at once.
    public func refuse(_ refuses: Bool) {
        self.shared.state.withLock { $0.refuses = refuses }
        if refuses { self.cut() }
    }

    /// Forwards new connections to another server, and breaks those that are open.
    public func redirect(to upstream: Endpoint) {
        self.shared.state.withLock { $0.upstream = upstream }
        self.cut()
    }

    /// Breaks all connections.
    public func cut() {
        // While it is locked, nobody closes one and gets its number for something else.
        self.shared.state.withLock { state in for fd in state.open { shutdown(fd, CInt(SHUT_RDWR)) } }
    }

    private static func pump(
        from source: CInt, to sink: CInt, _ left: Countdown, passes: @escaping @Sendable (Int) -> Bool
    ) {
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
            shutdown(source, CInt(SHUT_RDWR))
            shutdown(sink, CInt(SHUT_RDWR))
            left.step()
        }
    }
}

/// Does something when several have come to their end.
private final class Countdown: Sendable {
    private let left: Locked<Int>
    private let done: @Sendable () -> Void

    init(_ count: Int, _ done: @escaping @Sendable () -> Void) {
        self.left = Locked(count)
        self.done = done
    }

    func step() {
        let isLast = self.left.withLock { left -> Bool in
            left -= 1
            return left == 0
        }
        if isLast { self.done() }
    }
}
