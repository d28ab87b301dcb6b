import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournServer
@testable import SojournStore

@Suite struct RateTests {
    /// Microseconds of Redis time.
    private static func redisTime(_ redis: RawRedis) throws -> Int {
        let parts = try redis.send("TIME").array.compactMap(\.string).compactMap { Int($0) }
        return parts[0] * 1_000_000 + parts[1]
    }

    private final class Tally: Sendable {
        let counts = Locked((allowed: 0, asked: 0))
    }

    /// Asks one node as fast as it answers, until a time of Redis.
    private static func flood(_ node: TestNode, _ limit: RateLimit, until end: Int, _ tally: Tally) async throws {
        let (loop, part) = node.server.parts[0]
        try await loop.run {
            while part.value.shard.now.milliseconds * 1000 < Int64(end) {
                let isAllowed = await part.value.shard.rates.take("key.read flood", limit)?.isAllowed == true
                tally.counts.withLock { $0 = ($0.allowed + (isAllowed ? 1 : 0), $0.asked + 1) }
                await loop.sleep(milliseconds: 1)
            }
        }
    }

    @Test func `a limit holds over three nodes within five percent`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let limit = RateLimit(count: 50, period: 1000, burst: 25)
        var nodes: [TestNode] = []
        for name in ["a", "b", "c"] { nodes.append(try await TestNode.start(on: redis, name: name)) }
        let clock = try redis.client()
        let begin = try Self.redisTime(clock)
        let tally = Tally()
        // Each node is asked as fast as it answers, by eight at once, for four seconds of Redis time.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in nodes {
                for _ in 0..<8 {
                    group.addTask { try await Self.flood(node, limit, until: begin + 4_000_000, tally) }
                }
            }
            try await group.waitForAll()
        }
        let seconds = Double(try Self.redisTime(clock) - begin) / 1_000_000
        // The flood lasts four seconds; what is under way at its end may come a little later.
        let least = Double(limit.burst + 4 * limit.count)
        let most = Double(limit.burst) + seconds * Double(limit.count)
        let (allowed, asked) = tally.counts.withLock { $0 }
        #expect(asked > allowed * 2, "asked \(asked), allowed \(allowed)")
        #expect(Double(allowed) <= most * 1.01, "allowed \(allowed) of \(most)")
        #expect(Double(allowed) >= least * 0.95, "allowed \(allowed) of \(least), asked \(asked)")
        // A flood here is not a flood there: at most about one call for each that passes or is newly refused.
        var calls = 0
        for node in nodes {
            let (loop, part) = node.server.parts[0]
            calls += try await loop.run { part.value.shard.rates.calls }
        }
        #expect(calls < asked / 2, "\(calls) calls for \(asked) requests")
        for node in nodes { await node.stop() }
    }

    @Test func `who asks too often is told when to come back, and each kind is counted apart`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(
            on: redis,
            server: {
                $0.accessKeys = [AccessKey(name: "b", role: .backend, secret: "backend")]
                _ = $0.rateRules.add("key.read=2/h, session.write=3/h:1,user.heartbeat=1/h,address.read=2/h")
            })
        let key = ["X-API-KEY": "backend"]
        func create() throws -> String {
            let body = #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#
            return try #require(try node.call("POST", "", body, headers: key)["sessionId"]?.string)
        }
        let (first, second) = (try create(), try create())
        // Two reads an hour with this key, whichever the session.
        let answers = try [first, second, first].map { try node.call("GET", "/\($0)", headers: key) }
        #expect(answers.map(\.status) == [200, 200, 429])
        #expect(answers.map { $0.header("RateLimit-Limit") } == ["2", "2", "2"])
        #expect(answers.map { $0.header("RateLimit-Remaining") } == ["1", "0", "0"])
        #expect(answers[2].header("RateLimit-Policy") == "2;w=3600")
        #expect(answers[2].code == "RATE_LIMIT_EXCEEDED")
        let wait = try #require(answers[2].header("Retry-After").flatMap { Int($0) })
        #expect((1...1800).contains(wait))
        #expect(answers[2].header("RateLimit-Reset") == String(wait))
        // One write at once in each session.
        func say(_ id: String) throws -> Int {
            try node.call("POST", "/\(id)/messages", #"{"content":"x"}"#, headers: key).status
        }
        #expect(try [say(first), say(first), say(second), say(second)] == [201, 429, 201, 429])
        // One heartbeat for both sessions of the user, and it is no write.
        let beats = try [first, second].map { try node.call("POST", "/\($0)/heartbeat", headers: key).status }
        #expect(beats == [200, 429])
        // Without a key: refused twice, then told to wait.
        #expect(try (0..<3).map { _ in try node.call("GET", "/\(first)").status } == [401, 401, 429])
        await node.stop()
    }

    @Test func `a limit stands in nobody's way while Redis is away`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(
            on: redis, store: { $0.commandTimeout = 300 }, server: { _ = $0.rateRules.add("session.read=1/h") })
        let id = try node.create()
        #expect(try node.call("GET", "/\(id)").status == 200)
        #expect(try node.call("GET", "/\(id)").status == 429)
        redis.kill9()
        let other = String(id.dropLast(4)) + "ffff"
        #expect(try node.call("GET", "/\(other)").status == 503)
        await node.stop()
    }

    @Test func `rules that are none are told from others`() {
        for text in [
            "x", "key.read", "key.read=", "key.read=5", "key.read=0/s", "key.read=5/d", "key.read=-1/s", "all.read=5/s",
            "key.all=5/s", "key.read=5/s:0", "key.read=5/s:1:1", "key.read=5/s,,", "key.read=5/s=6/s",
        ] {
            var rules = RateRules()
            let isTaken = rules.add(text)
            #expect(!isTaken || text.hasSuffix(",,"), "\(text)")
        }
        var rules = RateRules()
        let isTaken = rules.add(" key.read = 5/s:2 , user.write=60/m")
        #expect(isTaken)
        #expect(rules[.key, .read] == RateLimit(count: 5, period: 1000, burst: 2))
        #expect(rules[.user, .write] == RateLimit(count: 60, period: 60_000))
        #expect(rules[.user, .read] == nil)
    }

    @Test func `a user has so many sessions and no more, but may come back to one`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.sessionsPerUser = 3 })
        func create(_ more: String = "", user: String = TestNode.user) throws -> HTTPAnswer {
            try node.call("POST", "", #"{"agentId":"\#(TestNode.agent)","userId":"\#(user)"\#(more)}"#)
        }
        let keyed = try create(#","conversationKey":"k""#)
        let id = try #require(try create()["sessionId"]?.string)
        #expect(try create().status == 201)
        let refused = try create()
        #expect(refused.status == 429 && refused.code == "RATE_LIMIT_EXCEEDED")
        #expect(try create(#","conversationKey":"k2""#).status == 429)
        let again = try create(#","conversationKey":"k""#)
        #expect(again.status == 200 && again["sessionId"] == keyed["sessionId"])
        #expect(try create(user: "99999999-9999-4999-8999-999999999999").status == 201)
        #expect(try node.call("DELETE", "/\(id)").status == 200)
        #expect(try create().status == 201)
        await node.stop()
    }

    @Test func `streams are counted over the loops, by address and in all`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(
            on: redis, loops: 2,
            server: {
                ($0.streams, $0.streamsPerAddress) = (4, 3)
                $0.trustedProxies = [AddressRange("127.0.0.1")].compactMap { $0 }
            })
        let id = try node.create()
        func open(_ address: String) throws -> (client: RawHTTP, status: Int) {
            let client = try node.send(
                "GET", target: TestNode.base + "/\(id)/stream", headers: ["X-Forwarded-For": address])
            return (client, try client.readHead().status)
        }
        let ours = try (0..<3).map { _ in try open("192.0.2.1") }
        #expect(ours.map(\.status) == [200, 200, 200])
        #expect(try open("192.0.2.1").status == 429)
        let other = try open("192.0.2.2")
        #expect(other.status == 200)
        #expect(try open("192.0.2.3").status == 503)
        ours[0].client.close()
        try await eventually(within: 20, "a place is free again") { try open("192.0.2.3").status == 200 }
        await node.stop()
    }

    @Test func `only trusted proxies say whom they speak for`() throws {
        let proxies = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"].compactMap { AddressRange($0) }
        #expect(proxies.count == 3)
        let addresses = ClientAddress(proxies: proxies)
        let rows: [(peer: String, forwarded: [String], client: String)] = [
            ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"), ("10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
            ("10.1.2.3", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.1.2.3", ["1.1.1.1", "203.0.113.9, 192.0.2.7"], "203.0.113.9"), ("10.1.2.3", [], "10.1.2.3"),
            ("10.1.2.3", ["10.9.9.9"], "10.9.9.9"), ("10.1.2.3", ["203.0.113.9, garbage"], "10.1.2.3"),
            ("::ffff:10.1.2.3", ["203.0.113.9"], "203.0.113.9"), ("2001:db8::1", ["2001:db9::1"], "2001:db9::1"),
            ("192.0.2.7", ["203.0.113.9/8"], "192.0.2.7"), ("unix", ["203.0.113.9"], "unix"),
            ("192.0.2.7", ["unix"], "192.0.2.7"),
        ]
        for row in rows {
            #expect(addresses.of(peer: row.peer, forwarded: row.forwarded) == row.client, "\(row)")
        }
        let local = ClientAddress(proxies: ["unix"].compactMap { AddressRange($0) })
        #expect(local.of(peer: "unix", forwarded: ["1.1.1.1, 203.0.113.9"]) == "203.0.113.9")
        #expect(local.of(peer: "unix", forwarded: ["unix"]) == "unix")
        #expect(local.of(peer: "127.0.0.1", forwarded: ["203.0.113.9"]) == "127.0.0.1")
        #expect(AddressRange.network(of: "2001:db8:0:1::5") == AddressRange.network(of: "2001:db8:0:1:ffff::"))
        #expect(AddressRange.network(of: "2001:db8:0:2::5") != AddressRange.network(of: "2001:db8:0:1::5"))
        #expect(AddressRange.network(of: "192.0.2.1") == "192.0.2.1")
        for text in ["", "10", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0.0/8/8", "host"] {
            #expect(AddressRange(text) == nil, "\(text)")
        }
    }
}
