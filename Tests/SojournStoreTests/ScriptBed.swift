import SojournCore
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

/// The scripts alone, without a node, against a real server.
///
/// The server is a cluster of one, so a key in another slot is an error. Each call runs as a Redis user who may
/// touch exactly the declared keys and channels, so an undeclared one is an error too.
final class ScriptBed {
    static let partition = 3
    /// What `clk` says at the most about the length of an outage that is none.
    static let outage = 15_000
    static let replid = "feedfacefeedface"

    let server: RedisServer
    let redis: RawRedis
    let scripts: Scripts
    let space = Keyspace(namespace: "sj", partitions: 16)
    private let strict: RawRedis
    private var serial: UInt64 = 0

    static func start(testClock: Bool = true) async throws -> ScriptBed {
        let server = try await RedisServer.start([
            "--cluster-enabled", "yes", "--cluster-port", "\(TestListener.freePort())",
        ])
        let redis = try server.client()
        try redis.send("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        try await eventually("the cluster is up") {
            try redis.send("CLUSTER", "INFO").string?.contains("cluster_state:ok") == true
        }
        try redis.send("ACL", "SETUSER", "strict", "on", "nopass", "+@all")
        let strict = try server.client()
        try strict.send("AUTH", "strict", "any")
        return ScriptBed(server: server, redis: redis, strict: strict, testClock: testClock)
    }

    private init(server: RedisServer, redis: RawRedis, strict: RawRedis, testClock: Bool) {
        self.server = server
        self.redis = redis
        self.strict = strict
        self.scripts = Scripts(testClock: testClock)
    }

    deinit { self.server.stop() }

    private static func isChannel(_ key: String) -> Bool {
        [":ch:", ":aq:", ":aa:"].contains { key.contains($0) }
    }

    /// Calls a script with exactly the rights that its keys give.
    func call(_ script: Script, _ keys: [String], _ arguments: [String]) throws -> RawReply {
        #expect(keys.count >= script.keyCount, "\(script.name) declares \(script.keyCount) keys")
        let rights = keys.map { "~" + $0 } + keys.filter(Self.isChannel).map { "&" + $0 }
        try self.redis.send(["ACL", "SETUSER", "strict", "resetkeys", "resetchannels"] + rights)
        return try self.strict.send(["EVAL", script.source, "\(keys.count)"] + keys + arguments)
    }

    // MARK: What is there

    var clock: String { self.space.clock(Self.partition) }
    var due: String { self.space.due(Self.partition) }
    var arc: String { self.space.arc(Self.partition) }
    var all: String { self.space.all(Self.partition) }
    var behind: String { self.space.behind(Self.partition) }

    /// The first 16 digits of the server's real replication id.
    func realReplid() throws -> String {
        let info = try self.redis.send("INFO", "replication").string ?? ""
        let line = try #require(info.split(whereSeparator: \.isNewline).first { $0.hasPrefix("master_replid:") })
        return String(line.dropFirst("master_replid:".count).prefix(16))
    }

    /// Redis time in ms.
    func raw() throws -> Int {
        let time = try self.redis.send("TIME").array.compactMap { $0.string.flatMap { Int($0) } }
        return try #require(time.first) * 1000 + #require(time.last) / 1000
    }

    /// Moves the time that sessions see.
    func advance(_ milliseconds: Int) throws {
        try self.redis.send("HINCRBY", self.clock, "offset", "\(milliseconds)")
    }

    func hash(_ key: String) throws -> [String: String] {
        let flat = try self.redis.send("HGETALL", key).array.compactMap(\.string)
        return Dictionary(
            uniqueKeysWithValues: stride(from: 0, to: flat.count - 1, by: 2).map { (flat[$0], flat[$0 + 1]) })
    }

    func number(_ key: String, _ field: String) throws -> Int {
        try #require(try self.redis.send("HGET", key, field).string.flatMap { Int($0) })
    }

    func score(_ set: String, _ id: SessionID) throws -> Int? {
        try self.redis.send("ZSCORE", set, id.text).string.flatMap { Int($0) }
    }

    func exists(_ key: String) throws -> Bool { try self.redis.send("EXISTS", key) == 1 }

    func log(_ keys: SessionKeys) throws -> [String] {
        try self.redis.send("LRANGE", keys.log, "0", "-1").array.compactMap(\.string)
    }

    /// What is published on a channel while the body runs.
    func published(_ channel: String, _ body: () throws -> Void) throws -> [String] {
        let subscriber = try self.server.client()
        try subscriber.send("SSUBSCRIBE", channel)
        try body()
        try self.redis.send("SPUBLISH", channel, "over")
        var heard: [String] = []
        while let payload = try subscriber.read().array.last?.string, payload != "over" { heard.append(payload) }
        return heard
    }

    // MARK: Sessions

    func newID() -> SessionID {
        self.serial += 1
        return SessionID(at: Instant(milliseconds: 1), partition: Self.partition, random: self.serial)
    }

    func keys(_ id: SessionID) -> SessionKeys { self.space.keys(of: id) }

    func conversation(_ hash: String) -> String {
        self.space.conversation(Self.partition, agent: "agent", hash: hash)
    }

    /// The reply of `create`; `hash` is a conversation key, `seen` the holder it is thought to have.
    func create(
        _ id: SessionID, hash: String = "", seen: String = "", timeout: Int = 600_000, warning: Int = 60_000,
        max: Int = 3_600_000, auto: Bool = true, blob: String = "", replid: String = ScriptBed.replid
    ) throws -> RawReply {
        let keys = self.keys(id)
        return try self.call(
            self.scripts.create,
            [
                keys.session, keys.clock, keys.blob, keys.log, keys.due, keys.all,
                self.space.agent(Self.partition, "agent"), self.space.user(Self.partition, "user"),
                hash.isEmpty ? keys.session : self.conversation(hash),
                seen.isEmpty ? keys.session : keys.prefix + "s:" + seen, keys.channel, keys.session, keys.behind,
            ],
            [
                id.text, "AAAAAAAAAAAAAAAAUUUUUUUUUUUUUUUU", replid, hash, seen, "\(timeout)", "\(warning)", "\(max)",
                auto ? "1" : "0", blob, #""type":"session.created","sessionId":"\#(id.text)","data":{"agentId":"a""#,
            ])
    }

    /// A session that is there.
    func made(
        hash: String = "", timeout: Int = 600_000, warning: Int = 60_000, max: Int = 3_600_000, auto: Bool = true,
        blob: String = "", replid: String = ScriptBed.replid
    ) throws -> SessionID {
        let id = self.newID()
        let reply = try self.create(
            id, hash: hash, timeout: timeout, warning: warning, max: max, auto: auto, blob: blob, replid: replid)
        #expect(reply.array.first == 1, "\(reply)")
        return id
    }

    func append(
        _ id: SessionID, _ bodies: [String] = [#""type":"user.message","data":{}}"#], messages: Int = 1,
        replid: String = ScriptBed.replid
    ) throws -> RawReply {
        let keys = self.keys(id)
        return try self.call(
            self.scripts.append,
            [keys.session, keys.clock, keys.log, keys.due, keys.channel, keys.deltas, keys.behind],
            [id.text, replid, "\(messages)"] + bodies)
    }

    func beat(_ ids: SessionID..., whole: Bool = false) throws -> RawReply { try self.beat(ids, whole: whole) }

    func beat(_ ids: [SessionID], whole: Bool = false) throws -> RawReply {
        try self.call(
            self.scripts.beat,
            [self.clock] + ids.map(self.keys).flatMap { whole ? [$0.session, $0.blob] : [$0.session] },
            [whole ? "1" : ""])
    }

    func touch(_ cause: String, _ id: SessionID) throws -> RawReply {
        let keys = self.keys(id)
        return try self.call(
            self.scripts.touch, [keys.session, keys.clock, keys.blob, keys.log, keys.due, keys.channel, keys.behind],
            [id.text, Self.replid, cause])
    }

    func patch(
        _ id: SessionID, timeout: Int? = nil, auto: Bool? = nil, max: Int? = nil, warning: Int? = nil
    ) throws -> RawReply {
        let keys = self.keys(id)
        func text(_ value: Int?) -> String { value.map { "\($0)" } ?? "" }
        return try self.call(
            self.scripts.patch, [keys.session, keys.clock, keys.blob, keys.log, keys.due, keys.channel, keys.behind],
            [
                id.text, Self.replid, text(timeout), auto.map { $0 ? "1" : "0" } ?? "", text(max), text(warning),
                "\(1440 * 60_000)",
            ])
    }

    func fire(_ id: SessionID) throws -> RawReply {
        try #require(self.fire([id]).first)
    }

    func fire(_ ids: [SessionID]) throws -> [RawReply] {
        try self.call(
            self.scripts.fire,
            [self.clock, self.due, self.behind]
                + ids.map(self.keys).flatMap {
                    [$0.session, $0.log, $0.channel, $0.turns, $0.queue, $0.deltas]
                }, [Self.replid, "3"] + ids.map(\.text)
        ).array
    }

    func end(
        _ id: SessionID, _ reason: String, hash: String = "", mode: String = "archive", owner: String = ""
    ) throws -> RawReply {
        try #require(self.end([id], reason, hash: hash, mode: mode, owner: owner).first)
    }

    func end(
        _ ids: [SessionID], _ reason: String, hash: String = "", mode: String = "archive", owner: String = ""
    ) throws -> [RawReply] {
        try self.call(
            self.scripts.end,
            [self.clock, self.due, self.arc, self.all, self.behind]
                + ids.map(self.keys).flatMap { keys in
                    [
                        keys.session, keys.blob, keys.log, self.space.agent(Self.partition, "agent"),
                        self.space.user(Self.partition, "user"), hash.isEmpty ? keys.session : self.conversation(hash),
                        keys.tombstone, keys.channel, keys.deltas, keys.turns, keys.queue,
                    ]
                }, [reason, Self.replid, mode, "100000", owner, "0123456789abcdef", "30000"] + ids.map(\.text)
        ).array
    }

    func tick(outage: Int = ScriptBed.outage, hold: Int = 60_000, limit: Int = 100) throws -> RawReply {
        try self.call(self.scripts.tick, [self.due, self.clock], ["\(outage)", "\(hold)", "\(limit)"])
    }

    func read(_ id: SessionID) throws -> RawReply {
        let keys = self.keys(id)
        return try self.call(self.scripts.read, [keys.session, keys.clock, keys.blob, keys.tombstone], [])
    }

    /// `script` is claim or steal.
    func claim(
        _ script: Script, _ id: SessionID, owner: String, random: String, live: String = ""
    ) throws -> RawReply {
        try #require(self.claim(script, [id], owner: owner, random: random, live: live).array.first)
    }

    func claim(
        _ script: Script, _ ids: [SessionID], owner: String, random: String, live: String = ""
    ) throws -> RawReply {
        try self.call(
            script, [self.clock, self.arc] + ids.map(self.keys).flatMap { [$0.session, $0.log] },
            [owner, random, "30000", live] + ids.map(\.text))
    }

    func ack(_ id: SessionID, owner: String, major: String, random: String) throws -> RawReply {
        try self.ack([(id, major, random)], owner: owner)
    }

    /// What is answered for each session; checks the time that comes before.
    func ack(_ sessions: [(id: SessionID, major: String, random: String)], owner: String) throws -> RawReply {
        let seconds = try self.redis.send("TIME").array.first?.string.flatMap { Int($0) } ?? 0
        let answer = try self.call(
            self.scripts.ack,
            [self.arc] + sessions.map { self.keys($0.id) }.flatMap { [$0.session, $0.blob, $0.log, $0.tombstone] },
            [owner, "100000"] + sessions.flatMap { [$0.id.text, $0.major, $0.random] })
        let now = try #require(answer.array.first?.string.flatMap { Int($0) })
        #expect(now >= seconds * 1000 && now < (seconds + 600) * 1000)
        return .array(Array(answer.array.dropFirst()))
    }

    /// What is read of ended sessions: of each its fields, its blob, its events, and the first that can be had.
    func gather(_ ids: [SessionID], owner: String) throws -> [RawReply] {
        Array(
            try self.call(
                self.scripts.gather,
                [self.clock] + ids.map(self.keys).flatMap { [$0.session, $0.blob, $0.log] }, [owner]
            ).array.dropFirst())
    }
}

/// An event of a log, parsed.
func parsed(_ text: String?) throws -> (event: Event, data: JSON) {
    let event = try #require(Event(bytes: Array((text ?? "").utf8)))
    return (event, try #require(try event.json()["data"]))
}
