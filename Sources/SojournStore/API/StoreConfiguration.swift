public import SojournCore
public import SojournLoop
public import SojournRedis

/// How a node's store works. Durations are milliseconds.
public struct StoreConfiguration: Sendable {
    /// How Redis is found.
    public var redis: RedisTopology
    /// Protects the connections to Redis by TLS; nil leaves them plain.
    public var tls: TLSContext?
    /// The Redis user, if ACLs name one.
    public var user: String?
    /// The Redis password, if there is one.
    public var password: String?
    /// The user of the sentinels, where ACLs name one.
    public var sentinelUser: String?
    /// The password of the sentinels, where there is one.
    public var sentinelPassword: String?
    /// The Redis database; 0 unless set.
    public var database = 0
    /// The prefix of every key; one namespace is one tenant.
    public var namespace = "sj"
    /// How many partitions the keyspace has: a power of two up to 4096, fixed at the first start.
    public var partitions = 256
    /// Defaults and bounds of session timeouts.
    public var timeouts = TimeoutSettings()
    /// For how long nobody may have swept before sessions get a grace.
    public var outageThreshold: Int64 = 15_000
    /// How long the grace after an outage lasts: two heartbeat intervals.
    public var outageHold: Int64 = 60_000
    /// How long a tombstone answers for an ended session.
    public var tombstoneLife: Int64 = 24 * 3_600_000
    /// How long an archivist may take for a batch before another one may take over.
    public var archiveLease: Int64 = 30_000
    /// Whether this node's archive writes behind sessions that live, so that a lost Redis costs a second of them.
    public var archiveFollows = true
    /// How many events of a live session Redis keeps, once an archive has the older ones; nil keeps all.
    public var logWindow: Int? = 1_000
    /// Whether ended sessions wait for an archivist; nil takes what the keyspace says.
    public var archiving: Bool?
    /// How long the archive of this node keeps a session after its end; nil is for ever. Agents may have their own.
    public var archiveRetention: Int64?
    /// Timeouts of single agents, by `AgentBook.variable` of their ids or names, in the form of a `timeoutConfig`.
    public var agentTimeouts: [String: JSONObject] = [:]
    /// How many turns may wait in a session.
    public var turnQueue = 100
    /// How often a turn is given to a worker before it has failed.
    public var turnAttempts = 3
    /// How long a connection counts as attached at the most after its node was killed.
    public var presenceLife = 30_000
    /// Whether sessions live by the test clock.
    public var testClock = false
    /// This node's name; unique among the nodes of the namespace.
    public var nodeName: String
    /// How long a Redis command may take.
    public var commandTimeout = 5_000
    /// How many replicas are to have a message before it is acknowledged; 0 waits for none. What was reached is told.
    public var waitReplicas = 0
    /// For how long a message waits for them at the most; up to 5000.
    public var waitMilliseconds = 100
    /// Where the node is to crash; for tests only.
    public var crashPoint: CrashPoint?
    /// How long a subscription outlives its last reader, so that a reload does not subscribe anew.
    public var lingering = 10_000

    /// A configuration with the defaults of the design.
    public init(endpoint: Endpoint, nodeName: String) {
        self.init(redis: .standalone(endpoint), nodeName: nodeName)
    }

    /// A configuration with the defaults of the design, for a Redis of any topology.
    public init(redis: RedisTopology, nodeName: String) {
        self.redis = redis
        self.nodeName = nodeName
    }
}
