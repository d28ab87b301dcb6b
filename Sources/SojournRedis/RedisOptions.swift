public import SojournLoop

/// How many replicas are to have a write before it is answered, and for how long that may take (`WAIT`).
public struct RedisWait: Sendable, Hashable {
    /// How many replicas.
    public var replicas: Int
    /// For how long, in milliseconds; then the write is answered with what was reached.
    public var milliseconds: Int

    /// A wait for at least one replica, for at least a millisecond.
    public init(replicas: Int, milliseconds: Int) {
        precondition(replicas > 0 && milliseconds > 0, "a wait without an end, or for nobody")
        self.replicas = replicas
        self.milliseconds = milliseconds
    }
}

/// How to talk to one Redis server.
public struct RedisOptions: Sendable {
    /// Protects the connection by TLS; nil is plain.
    public var tls: TLSContext?
    /// The ACL user; nil is the default user.
    public var user: String?
    /// The password; nil sends no AUTH.
    public var password: String?
    /// The ACL user of the sentinels, where they have one; nil is the default user.
    public var sentinelUser: String?
    /// The password of the sentinels; nil sends no AUTH to them.
    public var sentinelPassword: String?
    /// The database number.
    public var database = 0
    /// What `CLIENT LIST` shows; no spaces.
    public var clientName: String?
    /// Limit in milliseconds for a connection to be made, and again for its handshake.
    public var connectTimeoutMs = 2_000
    /// Limit in milliseconds for each command that sets none of its own, waiting for a connection included.
    public var commandTimeoutMs = 3_000
    /// What ``RedisRouter/callDurably(_:keys:arguments:orderKey:file:line:)`` waits for; nil waits for nothing.
    public var wait: RedisWait?
    /// Whether the server is to be a member of a cluster; one that is none, or is one unexpectedly, is refused.
    var isClusterMember = false
    /// A reply older than this many milliseconds means that the connection is dead.
    public var stallLimitMs = 6_000
    /// How often, in milliseconds, role and `master_replid` are read again.
    public var refreshIntervalMs = 1_000
    /// The shortest and longest pause in milliseconds between two attempts to connect.
    public var backoffMs = 50...1_000
    /// Commands that may wait at most; more fail at once as unavailable.
    public var maxWaiting = 20_000
    /// Loaded on each new connection, before any command is sent.
    public var scripts: [Script] = []

    /// The defaults.
    public init() {}
}
