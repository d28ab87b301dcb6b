public import SojournCore
import SojournHTTP
import SojournLoop
public import SojournStore

/// A node: it serves the sessions of a store over HTTP, on every loop of the store.
public final class Server: Sendable {
    /// The port it listens on; 0 when it listens on none.
    public let port: Int
    /// The unix socket it listens on as well.
    private let socket: UnixSocket?
    private let store: SessionStore
    let parts: [(loop: EventLoop, node: Confined<NodeServer>)]
    private let configuration: ServerConfiguration

    private init(
        port: Int, socket: UnixSocket?, store: SessionStore,
        parts: [(loop: EventLoop, node: Confined<NodeServer>)], configuration: ServerConfiguration
    ) {
        self.port = port
        self.socket = socket
        self.store = store
        self.parts = parts
        self.configuration = configuration
    }

    /// Listens on every loop of the store; the kernel spreads the connections.
    ///
    /// - Throws: an error with a sentence when the address cannot be listened on.
    public static func start(
        configuration: ServerConfiguration, store: SessionStore, log: Log = .silent
    ) async throws -> Server {
        if let port = configuration.port { try HTTPServer.ensureUnused(host: configuration.host, port: port) }
        let socket = try configuration.unixSocket.map { path throws(HTTPListenError) in
            try UnixSocket(path: path, access: configuration.unixSocketAccess)
        }
        do {
            return try await Self.start(configuration, socket, store, log)
        } catch {
            socket?.remove()
            throw error
        }
    }

    private static func start(
        _ configuration: ServerConfiguration, _ socket: UnixSocket?, _ store: SessionStore, _ log: Log
    ) async throws -> Server {
        var parts: [(loop: EventLoop, node: Confined<NodeServer>)] = []
        var port = configuration.port
        let duties = store.duties
        let census = StreamCensus(most: configuration.streams, mostByAddress: configuration.streamsPerAddress)
        for (loop, shard) in zip(store.loops, store.shards) {
            let wanted = port
            let (node, bound) = try await loop.run {
                let node = NodeServer(loop: loop, shard: shard.value, configuration: configuration, log: log)
                node.archiveTrouble = { try? await store.loops[0].run { duties.value.archiveTrouble } ?? nil }
                node.census = census
                node.hurry = { store.loops[0].execute { duties.value.hurry() } }
                return (Confined(node, to: loop), try node.start(port: wanted, socket: socket))
            }
            // The first loop may take a free port; the others share it.
            if port != nil { port = bound }
            parts.append((loop, node))
        }
        let all = parts
        for (loop, node) in parts {
            try await loop.run {
                node.value.reports = {
                    var reports: [LoopReport] = []
                    for (loop, node) in all {
                        if let report = try? await loop.run({ node.value.report }) { reports.append(report) }
                    }
                    return reports
                }
                node.value.duties = { try? await store.loops[0].run { duties.value.report } }
            }
        }
        return Server(
            port: port ?? 0, socket: socket, store: store, parts: parts, configuration: configuration)
    }

    /// Takes other keys and another certificate, on every loop. What is open goes on; a token that was signed by a key
    /// that is gone is refused from now on.
    public func renew(_ credentials: Credentials) async {
        for (loop, node) in self.parts { try? await loop.run { node.value.renew(credentials) } }
    }

    /// Stops accepting, tells the streams to reconnect elsewhere, finishes requests. The store goes on.
    public func drain() async {
        self.socket?.remove()
        let limit = self.configuration.drainLimit
        if self.configuration.unreadyTime > 0 {
            for (loop, node) in self.parts { try? await loop.run { node.value.isLeaving = true } }
            let (loop, time) = (self.parts[0].loop, self.configuration.unreadyTime)
            try? await loop.run { await loop.sleep(milliseconds: time) }
        }
        await withTaskGroup(of: Void.self) { group in
            for (loop, node) in self.parts {
                group.addTask { try? await loop.run { await node.value.drain(limit: limit) } }
            }
        }
    }
}
