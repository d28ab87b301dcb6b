package import SojournArchive
public import SojournCore
public import SojournLoop

/// Conversations that live across nodes: what a Swift chat backend imports.
///
/// Every node that has a store on the same Redis and namespace answers for every session. A store holds no
/// session itself; a node that dies loses nothing.
///
/// Calls may come from any task. Errors are ``StoreError``; one with the code `OUTCOME_UNKNOWN` means that the
/// connection was lost with a write in flight.
public final class SessionStore: Sendable {
    /// How it works.
    public let configuration: StoreConfiguration
    /// The archive of this node, if it is an archivist.
    package let archive: Archive?
    /// One part a loop.
    package let shards: [Confined<StoreShard>]
    /// What this node does for all; it lives on the first loop.
    package let duties: Confined<NodeDuties>
    /// Its loops, in the order of the shards.
    package let loops: [EventLoop]
    private let turn = Locked(0)

    private init(
        configuration: StoreConfiguration, archive: Archive?, loops: [EventLoop], shards: [Confined<StoreShard>],
        duties: Confined<NodeDuties>
    ) {
        self.configuration = configuration
        self.archive = archive
        self.loops = loops
        self.shards = shards
        self.duties = duties
    }

    /// Connects to Redis, agrees with the keyspace, and begins this node's duties: sweeping, and archiving if
    /// it has an archive.
    ///
    /// - Parameters:
    ///   - loops: at least one; they must run for longer than the store.
    /// - Throws: ``StoreError`` with a sentence that says why the node cannot serve this Redis.
    package static func start(
        configuration: StoreConfiguration, loops: [EventLoop], archive: Archive? = nil, log: Log = .silent
    ) async throws -> SessionStore {
        precondition(!loops.isEmpty, "a store needs an event loop")
        var shards: [Confined<StoreShard>] = []
        do {
            for loop in loops {
                let shard = try await loop.run {
                    Confined(
                        StoreShard(
                            loop: loop, configuration: configuration, archive: archive, log: log),
                        to: loop)
                }
                shards.append(shard)
                try await loop.run { try await shard.value.start() }
            }
        } catch {
            await Self.close(shards, on: loops)
            throw error
        }
        let first = shards[0]
        let duties = try await loops[0].run {
            let duties = NodeDuties(shard: first.value, archive: archive)
            await duties.start()
            return Confined(duties, to: loops[0])
        }
        for (loop, shard) in zip(loops, shards) {
            try await loop.run {
                shard.value.withPresenceBook = { body in loops[0].execute { body(duties.value.presence) } }
            }
        }
        return SessionStore(
            configuration: configuration, archive: archive, loops: loops, shards: shards, duties: duties)
    }

    /// Connects to Redis and begins this node's sweeping; ended sessions wait for an archivist elsewhere.
    ///
    /// - Throws: ``StoreError`` with a sentence that says why the node cannot serve this Redis.
    public static func start(
        configuration: StoreConfiguration, loops: [EventLoop], log: Log = .silent
    ) async throws -> SessionStore {
        try await Self.start(configuration: configuration, loops: loops, archive: nil, log: log)
    }

    /// Leaves the registry, finishes sweeping and archiving what was begun, and closes the connections.
    public func shutdown() async {
        let duties = self.duties
        try? await self.loops[0].run { await duties.value.stop() }
        await Self.close(self.shards, on: self.loops)
    }

    private static func close(_ shards: [Confined<StoreShard>], on loops: [EventLoop]) async {
        for (loop, shard) in zip(loops, shards) { try? await loop.run { shard.value.close() } }
    }

    /// Runs `body` on the next loop in turn, with its shard.
    func onShard<Answer: Sendable>(_ body: @escaping @Sendable (StoreShard) async throws -> Answer) async throws
        -> Answer
    {
        let place = self.turn.withLock { turn -> Int in
            turn = (turn + 1) % self.shards.count
            return turn
        }
        let shard = self.shards[place]
        return try await self.loops[place].run { try await body(shard.value) }
    }

    /// Runs `body` on the loop of the node's duties.
    func onFirstLoop<Answer: Sendable>(_ body: @escaping @Sendable () async throws -> Answer) async throws -> Answer {
        try await self.loops[0].run(body)
    }

    /// The archivists that take sessions, as this node's archivist sees them.
    package func archivistsAtWork() async throws -> [String] {
        let duties = self.duties
        return try await self.onFirstLoop { duties.value.archivistsAtWork }
    }

    /// A loop and its shard, for a reader that stays on it.
    func place() -> (EventLoop, Confined<StoreShard>) {
        let place = self.turn.withLock { turn -> Int in
            turn = (turn + 1) % self.shards.count
            return turn
        }
        return (self.loops[place], self.shards[place])
    }
}
