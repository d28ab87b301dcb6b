public import SojournHTTP
public import SojournLoop

/// How a node serves its sessions over HTTP. Durations are milliseconds.
public struct ServerConfiguration: Sendable {
    /// The address to listen on.
    public var host = "127.0.0.1"
    /// The port; 0 takes a free one, nil listens on none.
    public var port: Int? = 3000
    /// The path of a unix socket to listen on as well, always without TLS.
    public var unixSocket: String?
    /// Whose its file is, and for whom.
    public var unixSocketAccess = UnixSocket.Access()
    /// What admits clients, and what they know this node by; it may be renewed while the node runs.
    public var credentials = Credentials()
    /// The version that the description of the interface bears.
    public var version = "0"
    /// How often something may be asked.
    public var rateRules = RateRules()
    /// How many live sessions a user may have; nil is any number. Creates at the same moment may go one beyond.
    public var sessionsPerUser: Int?
    /// The most live streams of this node.
    public var streams = 100_000
    /// The most live streams of one client address on this node.
    public var streamsPerAddress = 10_000
    /// Web pages whose scripts may call this node, by origin; `*` is all.
    public var corsOrigins: [String] = []
    /// Proxies that are believed when they say whom they speak for.
    public var trustedProxies: [AddressRange] = []
    /// Whether `POST /test/clock` exists.
    public var testClock = false
    /// How long a message with transport `http` or `sse` waits for its answer.
    public var answerLimit = 30_000
    /// How often an idle stream says that it is alive.
    public var streamHeartbeat = 15_000
    /// How many bytes may wait for one reader before it is fed from the log instead.
    public var outboxBytes = 1 << 20
    /// How long a reader with waiting bytes may take none.
    public var outboxStall = 30_000
    /// The origins of pages that may open a WebSocket; `*` is every one, none is the host of the request.
    public var webSocketOrigins: [String] = []
    /// From ping to ping on a WebSocket, and how long the answer may take.
    public var webSocketPing = 25_000
    /// How long a WebSocket may take to authenticate, where keys are set.
    public var authenticationLimit = 5_000
    /// The most sessions that one WebSocket may subscribe to.
    public var subscriptionsPerSocket = 20_000
    /// How many operations of one WebSocket are under way at most; more are read when some are done.
    public var socketOperations = 256
    /// How long a drain may take; the streams are sent elsewhere over the first half of it.
    public var drainLimit = 20_000
    /// The largest request body.
    public var bodyBytes = 1 << 20
    /// The most connections of one loop.
    public var connections = 10_000

    /// Who may read `/metrics`.
    public var metrics = MetricsAccess.open
    /// From how long on an answer is told to the log as slow; nil tells none. Those that wait for something never are.
    public var slowRequest: Int? = 1_000
    /// How long a stopping node says that it is not ready before it takes no more connections.
    public var unreadyTime = 0

    /// The defaults.
    public init() {}
}

/// Who may read `/metrics`.
public enum MetricsAccess: String, Sendable, CaseIterable {
    /// Everyone who reaches the port; it holds figures only.
    case open
    /// Whoever has a key of role `admin`.
    case admin
    /// Nobody: there is no such route.
    case off
}

/// What admits clients, and what they know a node by.
public struct Credentials: Sendable {
    /// Protects the connections by TLS; nil leaves them plain.
    public var tls: TLSContext?
    /// The keys that open `/api`, each for its role. Without any, here or in ``apiKeys``, it is open.
    public var accessKeys: [AccessKey] = []
    /// Secrets that open all of `/api`, without a name or role.
    public var apiKeys: [String] = []
    /// The keys of session tokens: the first that can signs, all check.
    public var tokenKeys: [TokenKey] = []
    /// Whom session tokens are for, their `aud`.
    public var tokenAudience = "sojourn"

    /// Nothing: an open interface without TLS and tokens.
    public init() {}
}

extension ServerConfiguration {
    /// See ``Credentials/accessKeys``.
    public var accessKeys: [AccessKey] {
        get { self.credentials.accessKeys }
        set { self.credentials.accessKeys = newValue }
    }
    /// See ``Credentials/apiKeys``.
    public var apiKeys: [String] {
        get { self.credentials.apiKeys }
        set { self.credentials.apiKeys = newValue }
    }
    /// See ``Credentials/tokenKeys``.
    public var tokenKeys: [TokenKey] {
        get { self.credentials.tokenKeys }
        set { self.credentials.tokenKeys = newValue }
    }
}
