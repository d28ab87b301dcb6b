import SojournCore
import SojournHTTP
import SojournServer
import SojournStore

/// Everything that `sojourn serve` can be told, as typed values. Durations are milliseconds.
struct ServeSettings: Sendable {
    /// The address to listen on.
    var host = "127.0.0.1"
    /// The port to listen on; 0 lets the system choose, nil is none.
    var port: Int? = 3000
    /// The path of a unix socket to listen on as well.
    var unixSocket: String?
    /// Whose its file is, and for whom.
    var unixSocketAccess = UnixSocket.Access()
    /// The folder of the private Redis and of the default archive.
    var data = "./sojourn-data"
    /// The Redis to use; nil starts a private one in the data folder.
    var redis: RedisAddress?
    /// The first part of every Redis key.
    var namespace = "sj"
    /// How many partitions a new keyspace gets: a power of two from 1 to 4096.
    var partitions = 256
    /// How many replicas are to have a message before it is acknowledged.
    var waitReplicas = 0
    /// How long it waits for them, in milliseconds.
    var waitMilliseconds = 100
    /// Where ended sessions go.
    var archive = Archive.unset
    /// Whether the archive is written behind live sessions.
    var archiveFollows = true
    /// How many events of a live session Redis keeps when an archive has the older ones; nil keeps all.
    var logWindow: Int? = 1_000
    /// How many event loops run.
    var loops = Cores.available
    /// The keys of which every request needs one; none means no keys.
    var apiKeys: [AccessKey] = []
    /// The file with more of them.
    var apiKeyFile: String?
    /// The keys of session tokens.
    var tokenKeys: [TokenKey] = []
    /// The file with more of them.
    var tokenKeyFile: String?
    /// Whom session tokens are for.
    var tokenAudience = "sojourn"
    /// How often something may be asked.
    var rateRules = RateRules()
    /// How many live sessions a user may have; nil is any number.
    var sessionsPerUser: Int?
    /// The most live streams of this node.
    var streams = 100_000
    /// The most of one client address.
    var streamsPerAddress = 10_000
    /// The most connections of one loop.
    var connections = 10_000
    /// The largest request body.
    var bodyBytes = 1 << 20
    /// The certificate chain of this node, if clients are served over TLS.
    var tlsCertificate: String?
    /// Its private key; nil is in the same file.
    var tlsKey: String?
    /// Who may sign the certificate of Redis; nil is whom the system trusts.
    var redisAuthority: String?
    /// What this node shows to Redis.
    var redisCertificate: String?
    /// Its private key; nil is in the same file.
    var redisKey: String?
    /// Web pages whose scripts may call this node.
    var corsOrigins: [String] = []
    /// The origins of web pages that may open a WebSocket; none is the host they were loaded from.
    var webSocketOrigins: [String] = []
    /// Proxies that are believed.
    var trustedProxies: [AddressRange] = []
    /// The least urgent events that are logged.
    var logLevel = LogLevel.info
    /// How log lines look.
    var logFormat = LogFormat.logfmt
    /// Whether time can be moved over HTTP, for tests of clients.
    var testClock = false
    /// From how many milliseconds on an answer is slow; nil is never.
    var slowRequest: Int? = 1_000
    /// Who may read the figures.
    var metrics = MetricsAccess.open
    /// How long a stopping node says that it is not ready before it takes no more connections.
    var unready: Int64 = 0
    /// How long a stopping node waits for its connections.
    var drain: Int64 = 20_000
    /// How long Redis must have been away for sessions to get a grace.
    var outageThreshold: Int64 = 15_000
    /// How long that grace lasts.
    var outageHold: Int64 = 60_000
    /// How long an ended session is remembered.
    var tombstone: Int64 = 24 * 3_600_000
    /// How long an archivist may take for a batch before another one may take over.
    var archiveLease: Int64 = 30_000
    /// How long the archive keeps a session after its end.
    var archiveRetention = RetentionTime.forever
    /// How long a client counts as attached at the most after its node was killed.
    var presence: Int64 = 30_000
    /// How many turns may wait in a session.
    var turnQueue = 100
    /// How often a turn is given to a worker before it has failed.
    var turnAttempts = 3
    /// When the private Redis writes to disk.
    var redisAppendfsync = Appendfsync.always
    /// What this node calls itself among the others; nil until it is derived from host name and port.
    var nodeName: String?
    /// The file that names agents to register at the start.
    var agents: String?
    /// The agent for which this node runs the demonstration worker.
    var echoAgent: String?
    /// Timeouts of single agents from the environment, in the form of a `timeoutConfig`.
    var agentTimeouts: [String: JSONObject] = [:]
    /// Defaults and bounds for the timeouts of all sessions.
    var timeouts = TimeoutSettings()

    /// Where ended sessions go.
    enum Archive: Sendable, Hashable {
        /// Nothing was said: `archive.sqlite` in the data folder beside a private Redis, else another node's business.
        case unset
        /// To this SQLite file.
        case file(String)
        /// Nowhere: ended sessions are deleted, and no node of this namespace may archive.
        case nobody
    }

    /// When an append-only file reaches the disk; the words are those of `appendfsync` in redis.conf.
    enum Appendfsync: String, Sendable, CaseIterable {
        case always
        case everysec
        case no
    }
}
