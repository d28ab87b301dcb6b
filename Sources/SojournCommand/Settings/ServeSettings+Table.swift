import SojournCore
import SojournStore

extension ServeSettings {
    /// Every setting there is, in the order of the help.
    static let table: [Setting] =
        network + trust + storage + operation + timeoutTable

    private static let network: [Setting] = [
        Setting(
            name: "host", placeholder: "ADDRESS", standard: "127.0.0.1",
            help: "the numeric address to listen on, or localhost; 0.0.0.0 or :: for all"
        ) { $0.host = try Rule.address($1) },
        Setting(
            name: "port", placeholder: "NUMBER", standard: "3000",
            help: "the port to listen on; 0 takes a free one, none is for --listen alone"
        ) { $0.port = $1 == "none" ? nil : try Rule.integer($1, 0...65_535) },
        Setting(
            name: "listen", placeholder: "unix:/PATH", standard: "none",
            help: "a unix socket to listen on as well, always without TLS; what a dead node has left there is replaced"
        ) { $0.unixSocket = try UnixSocketSettings.path($1) },
        Setting(
            name: "listen-owner", placeholder: "USER[:GROUP]", standard: "who runs the node",
            help: "whose that socket is, by name or number; :GROUP is the group alone"
        ) { try UnixSocketSettings.setOwner(&$0.unixSocketAccess, $1) },
        Setting(
            name: "listen-mode", placeholder: "OCTAL", standard: "660",
            help: "who may connect to it: 600 is its user, 660 also its group, 666 everyone on this machine"
        ) { try UnixSocketSettings.setMode(&$0.unixSocketAccess, $1) },
        Setting(
            name: "websocket-origins", placeholder: "ORIGIN,…", standard: "the host that a page was loaded from",
            help: "web pages that may open a WebSocket; * is every one"
        ) { settings, text in
            let origins = text.split(separator: ",").map { $0.trimmed }
            guard !origins.isEmpty, origins.allSatisfy({ $0 == "*" || $0.contains("://") }) else {
                throw Rule("origins such as https://chat.example with commas between them, or *")
            }
            settings.webSocketOrigins = origins
        },
        Setting(
            name: "loops", placeholder: "NUMBER", standard: "the cores this process may use",
            help: "how many event loops, each with its own thread and Redis connections"
        ) { $0.loops = try Rule.integer($1, 1...1024) },
        Setting(
            name: "node-name", placeholder: "NAME", standard: "<host name>:<port>",
            help: "what this node calls itself among the others"
        ) { $0.nodeName = try Rule.word($1, upTo: 64, alsoAllowed: "._:-") },
    ]

    private static let storage: [Setting] = [
        Setting(
            name: "data", placeholder: "FOLDER", standard: "./sojourn-data",
            help: "where the private Redis and the archive live"
        ) { $0.data = try Rule.path($1) },
        Setting(
            name: "redis", placeholder: "URL", standard: "a private redis-server in the data folder",
            help: "redis[s]://[user:password@]host[:port][/db], unix:/path[?db=0&user=…&password=…], "
                + "redis[s]+sentinel://[user:password@]host[:port][,host…]/master[/db], or "
                + "redis[s]+cluster://[user:password@]host[:port][,host…]",
            shown: RedisAddress.redacted
        ) { $0.redis = try RedisAddress($1) },
        Setting(
            name: "redis-appendfsync", placeholder: "WHEN", standard: "always",
            help: "when the private Redis writes to disk: always, everysec or no"
        ) { $0.redisAppendfsync = try Rule.choice($1) },
        Setting(
            name: "namespace", placeholder: "WORD", standard: "sj",
            help: "the first part of every Redis key; one tenant"
        ) { $0.namespace = try Rule.word($1, upTo: 32, alsoAllowed: "._-") },
        Setting(
            name: "partitions", placeholder: "NUMBER", standard: "256",
            help: "how many partitions the keyspace has; fixed at its first start"
        ) { settings, text in
            guard let count = Int(text), PartitionTags.isValid(count: count) else {
                throw Rule("a power of two from 1 to 4096")
            }
            settings.partitions = count
        },
        Setting(
            name: "wait-replicas", placeholder: "NUMBER", standard: "0",
            help: "how many replicas are to have a message before it is acknowledged; answers tell how many have it"
        ) { $0.waitReplicas = try Rule.integer($1, 0...16) },
        Setting(
            name: "wait-ms", placeholder: "NUMBER", standard: "100",
            help: "how long a message waits for them at the most, in milliseconds"
        ) { $0.waitMilliseconds = try Rule.integer($1, 1...5_000) },
        Setting(
            name: "archive", placeholder: "FILE",
            standard: "<data>/archive.sqlite; with --redis another node's business",
            help: "the SQLite file for ended sessions; none deletes them"
        ) { $0.archive = $1 == "none" ? .nobody : .file(try Rule.path($1)) },
        Setting(
            name: "archive-retention", placeholder: "TIME", standard: "forever",
            help: "how long the archive keeps an ended session: 90d, 12h; an agent's archiveRetention counts more"
        ) { settings, text in
            guard let time = RetentionTime(text) else { throw Rule("a time such as 90d or 12h, or forever") }
            settings.archiveRetention = time
        },
        Setting(
            name: "archive-follow", placeholder: "true|false", standard: "true",
            help: "whether the archive also gets what live sessions log, within a second"
        ) { $0.archiveFollows = try Rule.truth($1) },
        Setting(
            name: "log-window", placeholder: "EVENTS", standard: "1000",
            help: "how many events of a live session stay in Redis once an archive has the older ones; all keeps all"
        ) { $0.logWindow = $1 == "all" ? nil : try Rule.integer($1, 100...1_000_000) },
    ]

    private static let operation: [Setting] = [
        Setting(
            name: "log-level", placeholder: "LEVEL", standard: "info",
            help: "the least urgent events to log; SIGUSR1 goes on to debug, trace and back: "
                + LogLevel.allCases.map { "\($0)" }.joined(separator: ", ")
        ) { settings, text in
            guard let level = LogLevel(name: text) else {
                throw Rule("one of " + LogLevel.allCases.map { "\($0)" }.joined(separator: ", "))
            }
            settings.logLevel = level
        },
        Setting(
            name: "log-format", placeholder: "FORMAT", standard: "logfmt", help: "how log lines look: logfmt or json"
        ) {
            $0.logFormat = try Rule.choice($1)
        },
        Setting(
            name: "slow-request-ms", placeholder: "NUMBER", standard: "1000",
            help: "from how long on an answer is logged as slow, at level warning; 0 never"
        ) { settings, text in
            let limit = try Rule.integer(text, 0...3_600_000)
            settings.slowRequest = limit == 0 ? nil : limit
        },
        Setting(
            name: "metrics", placeholder: "WHOM", standard: "open",
            help: "who may read /metrics: open for all, admin for keys of that role, off for nobody"
        ) { $0.metrics = try Rule.choice($1) },
        Setting(
            name: "unready-seconds", placeholder: "NUMBER", standard: "0",
            help: "how long a stopping node answers 503 on /readyz before it takes no more connections"
        ) { $0.unready = try Rule.duration($1, unit: 1000, "seconds", 0...600) },
        Setting(
            name: "drain-seconds", placeholder: "NUMBER", standard: "20",
            help: "how long a stopping node waits for its connections"
        ) { $0.drain = try Rule.duration($1, unit: 1000, "seconds", 0...3600) },
        Setting(
            name: "outage-threshold-seconds", placeholder: "NUMBER", standard: "15",
            help: "for how long Redis, or every node, must be away for sessions to get a grace"
        ) { $0.outageThreshold = try Rule.duration($1, unit: 1000, "seconds", 1...86_400) },
        Setting(
            name: "outage-hold-seconds", placeholder: "NUMBER", standard: "60",
            help: "how long that grace lasts; two heartbeat intervals of the clients"
        ) { $0.outageHold = try Rule.duration($1, unit: 1000, "seconds", 0...86_400) },
        Setting(
            name: "tombstone-hours", placeholder: "NUMBER", standard: "24",
            help: "how long an ended session answers 410"
        ) { $0.tombstone = try Rule.duration($1, unit: 3_600_000, "hours", 0.001...87_600) },
        Setting(
            name: "agents", placeholder: "FILE", standard: "none",
            help: "a JSON file with agents to register at the start"
        ) { $0.agents = try Rule.path($1) },
        Setting(
            name: "echo-agent", placeholder: "ID", standard: "none",
            help: "an agent for which this node answers every message itself, as a demonstration"
        ) { settings, text in
            guard let id = UUIDBits(text) else { throw Rule("a UUID") }
            settings.echoAgent = id.text
        },
        Setting(
            name: "turn-queue", placeholder: "NUMBER", standard: "100",
            help: "how many turns may wait in a session; a message beyond is refused"
        ) { $0.turnQueue = try Rule.integer($1, 1...10_000) },
        Setting(
            name: "turn-attempts", placeholder: "NUMBER", standard: "3",
            help: "how often a turn is given to a worker before it has failed"
        ) { $0.turnAttempts = try Rule.integer($1, 1...1000) },
        Setting(
            name: "archive-lease-seconds", placeholder: "NUMBER", standard: "30",
            help: "how long an archiving node may take for a batch before another may take over"
        ) { $0.archiveLease = try Rule.duration($1, unit: 1000, "seconds", 0.1...3600) },
        Setting(
            name: "presence-seconds", placeholder: "NUMBER", standard: "30",
            help: "how long a client may count as attached after its node was killed"
        ) { $0.presence = try Rule.duration($1, unit: 1000, "seconds", 0.1...3600) },
        Setting(
            name: "test-clock", placeholder: nil, standard: "off",
            help: "lets POST /test/clock move time, for tests of clients; never in production"
        ) { $0.testClock = try Rule.truth($1) },
    ]

    private static let timeoutTable: [Setting] = [
        minutes("default-timeout", "30", "the timeout of a session that asks for none") {
            $0.timeouts.defaults.timeout = $1
        },
        minutes("min-timeout", "5", "the shortest timeout a client may ask for") { $0.timeouts.minimumTimeout = $1 },
        minutes("max-timeout", "1440", "the longest timeout a client may ask for") { $0.timeouts.maximumTimeout = $1 },
        minutes("max-duration", "720", "how long a session may live in all, unless it asks") {
            $0.timeouts.defaults.maxDuration = $1
        },
        minutes("warning-threshold", "5", "how long before the deadline a session is warned") {
            $0.timeouts.defaults.warning = $1
        },
        minutes("cleanup-interval", "none", "accepted and not used: the sweeper never pauses") { _, _ in },
        Setting(
            name: "session-auto-renew", aliases: ["SESSION_AUTO_RENEW"], placeholder: "true|false", standard: "true",
            help: "whether messages and heartbeats renew a session that does not say"
        ) { $0.timeouts.defaults.autoRenew = try Rule.truth($1) },
    ]

    /// A number of minutes with the name that it has in the Sessions API's environment.
    private static func minutes(
        _ name: String, _ standard: String, _ help: String,
        store: @escaping @Sendable (inout ServeSettings, Int64) -> Void
    ) -> Setting {
        let name = "session-\(name)-minutes"
        let variable = name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
        return Setting(name: name, aliases: [variable], placeholder: "NUMBER", standard: standard, help: help) {
            store(&$0, try Rule.duration($1, unit: 60_000, "minutes", 0.001...5_256_000))
        }
    }
}
