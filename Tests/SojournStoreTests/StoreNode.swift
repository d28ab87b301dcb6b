import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

/// A node's store on a loop of its own, for tests.
final class StoreNode: Sendable {
    let loops: [EventLoop]
    let store: SessionStore
    let archive: Archive?
    private let server: RedisServer

    /// Starts a node on `server`; with `archivePath` it is an archivist.
    static func start(
        on server: RedisServer, name: String = "node-a", archivePath: String? = nil, loops: Int = 1,
        log: Log = .silent, _ change: (inout StoreConfiguration) -> Void = { _ in }
    ) async throws -> StoreNode {
        var configuration = StoreConfiguration(redis: server.topology, nodeName: name)
        if let login = SecureRun.login { (configuration.user, configuration.password) = login }
        configuration.testClock = true
        configuration.partitions = 16
        change(&configuration)
        let threads = (0..<loops).map { EventLoop(name: "\(name)-\($0)") }
        var archive: Archive?
        if let archivePath { archive = try await Archive.open(path: archivePath, log: log) }
        let store = try await SessionStore.start(
            configuration: configuration, loops: threads, archive: archive, log: log)
        KeyspaceWalk.nodeStarted(on: server)
        return StoreNode(loops: threads, store: store, archive: archive, server: server)
    }

    private init(loops: [EventLoop], store: SessionStore, archive: Archive?, server: RedisServer) {
        self.server = server
        self.loops = loops
        self.store = store
        self.archive = archive
    }

    /// Shuts the node down cleanly. After the last node of a server every key must have a TTL or an owner.
    func stop() async {
        await self.store.shutdown()
        await self.archive?.close()
        let violations = KeyspaceWalk.nodeStopped(on: self.server)
        #expect(violations.isEmpty, "law 7: \(violations)")
    }

    static let agent = "11111111-1111-4111-8111-111111111111"
    static let user = "22222222-2222-4222-8222-222222222222"

    /// Creates a session with a timeout of `minutes`.
    func session(minutes: Int64 = 30, autoRenew: Bool = true, max: Int64 = 720, key: String? = nil) async throws
        -> Session
    {
        let policy = TimeoutPolicy(
            timeout: minutes * 60_000, autoRenew: autoRenew, maxDuration: max * 60_000, warning: 5 * 60_000)
        return try await self.store.create(
            SessionRequest(agentID: Self.agent, userID: Self.user, policy: policy, conversationKey: key)
        ).session
    }

    /// Sends a user message.
    @discardableResult
    func say(_ text: String, in session: Session) async throws -> SentMessage {
        try await self.store.send(MessageDraft(authorID: Self.user, content: text), to: session.id.text)
    }
}

extension RedisServer {
    /// How nodes reach it in this run.
    var topology: RedisTopology {
        if let sentinel = self.sentinel { return .sentinel([sentinel], master: SentinelBed.name) }
        return self.members.isEmpty ? .standalone(self.endpoint) : .cluster(self.members)
    }
}
