package import SojournArchive
package import SojournCore
package import SojournLoop
package import SojournRedis

/// One loop's part of a store: its Redis connections, its subscriptions, and the operations on sessions.
///
/// Loop-confined. Every operation is one script call, or a few for reads; it answers with values.
package final class StoreShard {
    package let loop: EventLoop
    package let configuration: StoreConfiguration
    package let redis: RedisRouter
    package let log: Log
    /// The archive of this node, if it is an archivist.
    package let archive: Archive?
    package let feed: Feed
    let keyspace: Keyspace
    let scripts: Scripts
    let clock = ServerClock()
    let doorbells: Doorbells
    /// The registered agents.
    package private(set) lazy var agents = AgentBook(shard: self)
    /// The rate limits as this loop sees them.
    package private(set) lazy var rates = RateBook(shard: self)
    /// Questions to archivists.
    package private(set) lazy var archives = ArchiveLine(shard: self)
    /// Who answers questions to this node's archive.
    package private(set) lazy var desk = self.archive.map { ArchiveDesk(shard: self, archive: $0) }
    /// Where this process is to kill itself; for tests only.
    var crashPoint: CrashPoint?
    /// Agents that are known to work by turns.
    var enlisted = EnlistedAgents()
    /// Those that are being enlisted, and who waits for that.
    var enlisting: [UUIDBits: [CheckedContinuation<Result<Void, StoreError>, Never>]] = [:]
    /// Whether this shard rings for turns that wait; tests turn it off, as a crash would.
    var ringsDoorbells = true
    var knownSessions = KnownSessions()
    private(set) lazy var heartbeats = HeartbeatQueue(shard: self)
    /// What was done here.
    package var counters = StoreCounters()
    /// Runs something with the node's book of attached connections; set by the store.
    var withPresenceBook: (@escaping @Sendable (PresenceBook) -> Void) -> Void = { _ in }
    private(set) lazy var archiveMode = ArchiveMode(shard: self)
    /// Whether ended sessions wait for an archivist; what the keyspace says, once it was asked.
    var archiving: Bool { self.archiveMode.keepsEnded }

    /// A shard; it connects when it is started.
    package init(
        loop: EventLoop, configuration: StoreConfiguration, archive: Archive?, log: Log
    ) {
        self.loop = loop
        self.configuration = configuration
        self.archive = archive
        self.crashPoint = configuration.crashPoint
        self.log = log
        self.keyspace = Keyspace(namespace: configuration.namespace, partitions: configuration.partitions)
        self.scripts = Scripts(testClock: configuration.testClock)
        var options = RedisOptions()
        options.tls = configuration.tls
        options.user = configuration.user
        options.password = configuration.password
        options.sentinelUser = configuration.sentinelUser
        options.sentinelPassword = configuration.sentinelPassword
        options.database = configuration.database
        options.clientName = "sojourn-\(configuration.nodeName)"
        options.commandTimeoutMs = configuration.commandTimeout
        options.scripts = self.scripts.all
        if configuration.waitReplicas > 0 {
            options.wait = RedisWait(
                replicas: configuration.waitReplicas, milliseconds: max(1, configuration.waitMilliseconds))
        }
        self.redis = RedisRouter(
            loop: loop, topology: configuration.redis, options: options,
            probes: self.keyspace.probes("\(configuration.nodeName):\(loop.name)"), log: log)
        let subscriber = self.redis.subscriber
        self.feed = Feed(loop: loop, subscriber: subscriber, lingering: configuration.lingering, log: log)
        self.doorbells = Doorbells(loop: loop, subscriber: subscriber, feed: self.feed)
        self.feed.reader = { [weak self] id, from, delta in
            // A reader may outlive the store by a moment when a node stops.
            await self?.logStretch(id, from: from, deltasAfter: delta)
                ?? .failure(StoreError(.storeUnavailable, "The node has stopped; nothing was done", retryAfter: 1))
        }
        self.feed.channel = { [keyspace] id in keyspace.keys(of: id).channel }
    }

    /// Connects, and agrees with the keyspace on schema, partitions and archive mode.
    ///
    /// - Throws: ``StoreError`` with a sentence for the person who starts the node.
    package func start() async throws(StoreError) {
        self.redis.start()
        try await self.reach { () throws(StoreError) in try await self.archiveMode.check() }
        let agreed = try await self.reach { () throws(StoreError) in try await self.agree(setsArchiveMode: true) }
        try Schema.check(schema: agreed.schema, partitions: agreed.partitions, keyspace: self.keyspace)
        self.archiveMode.take(archives: agreed.archives)
        // Ids need an idea of Redis time before the first session is made.
        _ = try await self.call(
            self.scripts.tick, keys: [self.keyspace.due(0), self.keyspace.clock(0)],
            args: [
                .integer(Int(self.configuration.outageThreshold)), .integer(Int(self.configuration.outageHold)),
                .integer(0),
            ],
            timed: true)
        try await self.agents.start()
        self.feed.start()
        self.archives.own = self.desk
        self.answerSearches()
    }

    /// Makes the first call; a Redis that cannot be used is told with the reason.
    private func reach<Answer>(_ call: () async throws(StoreError) -> Answer) async throws(StoreError) -> Answer {
        do throws(StoreError) {
            return try await call()
        } catch {
            if let trouble = self.redis.trouble { throw StoreError(.storeUnavailable, trouble) }
            guard self.redis.state != .ready else { throw error }
            let reason = self.redis.reason.map { " (\($0))" } ?? ""
            throw StoreError(
                .storeUnavailable,
                "redis at \(self.configuration.redis) does not answer\(reason): start it, or see --redis")
        }
    }

    /// An estimate of the time that sessions see, for naming things; it decides nothing.
    package var now: Instant { self.clock.now }

    /// Whether commands leave at once.
    package var isConnected: Bool { self.redis.state == .ready }

    /// Closes the connections; what is in flight fails.
    package func close() {
        self.withPresenceBook = { _ in }
        self.archiveMode.close()
        self.agents.close()
        self.feed.close()
        self.redis.close()
    }
}
