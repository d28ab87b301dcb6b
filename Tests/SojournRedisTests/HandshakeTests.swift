import SojournLoop
import Testing

@testable import SojournRedis

private func text(_ lines: String...) -> RESPValue { .bulk(ArraySlice(lines.joined(separator: "\r\n").utf8)) }

private func outcome(
    version: String = "7.0.15", role: String = "master", config: RESPValue = .array([]),
    memory: String = "noeviction", auth: RESPValue = .simple("OK")
) -> Handshake.Outcome {
    var options = RedisOptions()
    options.password = "secret"
    var handshake = Handshake(options, checks: true)
    let replies: [RESPValue] = [
        auth, text("# Server", "redis_version:\(version)"), text("# Replication", "role:\(role)", "master_replid:abc"),
        config, text("# Memory", "maxmemory_policy:\(memory)"),
    ]
    var last = handshake.begin
    for reply in replies where last == .more { last = handshake.receive(reply) }
    return last
}

@Suite struct HandshakeTests {
    @Test func `a server that fits is ready, with its role and replication id`() {
        #expect(outcome() == .ready(isMaster: true, replid: "abc"))
        #expect(outcome(role: "slave") == .ready(isMaster: false, replid: "abc"))
    }

    @Test(arguments: ["6.2.14", "2.8.0", "nonsense"])
    func `an older server is refused in words`(version: String) {
        #expect(outcome(version: version) == .refused("Redis 7.0 or newer is needed; this server is \(version)"))
    }

    @Test func `newer servers are welcome`() {
        #expect(outcome(version: "10.1.0") == .ready(isMaster: true, replid: "abc"))
    }

    @Test func `the eviction policy counts as CONFIG tells it, else as INFO does`() throws {
        let lru: RESPValue = .array([.simple("maxmemory-policy"), .simple("allkeys-lru")])
        guard case .refused(let sentence) = outcome(config: lru) else {
            Issue.record("not refused")
            return
        }
        #expect(sentence.contains("noeviction") && sentence.hasSuffix("allkeys-lru"))
        let forbidden = RESPValue.error(RESPErrorReply(message: "NOPERM no CONFIG for you"))
        #expect(outcome(config: forbidden) == .ready(isMaster: true, replid: "abc"))
        if case .refused = outcome(config: forbidden, memory: "volatile-ttl") {} else { Issue.record("not refused") }
    }

    @Test func `a wrong password is refused and a loading server is asked later`() {
        let wrong = RESPValue.error(RESPErrorReply(message: "WRONGPASS invalid username-password pair"))
        guard case .refused(let sentence) = outcome(auth: wrong) else {
            Issue.record("not refused")
            return
        }
        #expect(sentence.contains("WRONGPASS"))
        let loading = RESPValue.error(RESPErrorReply(message: "LOADING Redis is loading the dataset in memory"))
        #expect(outcome(auth: loading) == .later("LOADING Redis is loading the dataset in memory"))
    }
}
