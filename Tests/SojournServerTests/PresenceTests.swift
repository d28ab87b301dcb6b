import SojournCore
import SojournRedis
import SojournTesting
import Testing

@testable import SojournServer
@testable import SojournStore

@Suite struct PresenceTests {
    /// The ids in a list of connections.
    private func ids(_ list: JSON?) -> Set<String> {
        Set((list?.array ?? []).compactMap { $0["connectionId"]?.string })
    }

    private func present(_ node: TestNode, _ id: String) throws -> Set<String> {
        let answer = try node.call("GET", "/\(id)/presence")
        #expect(answer.status == 200)
        #expect(answer["count"]?.int == answer["connections"]?.array?.count)
        return self.ids(answer["connections"])
    }

    /// Applies presence events to what a client knows, until `isRight`.
    private func follow(
        _ stream: StreamClient, _ known: inout Set<String>, until isRight: (Set<String>) -> Bool
    ) throws {
        while !isRight(known) {
            let event = try #require(try stream.next())
            guard event.event == "presence" else { continue }
            #expect(event.id == nil && event.seq == nil)
            let data = event.json["data"]
            if let present = data?["present"] { known = self.ids(present) }
            known.formUnion(self.ids(data?["joined"]))
            known.subtract(self.ids(data?["left"]))
        }
    }

    @Test func `every node knows who is attached on any node, and says so to those who ask`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis, loops: 2), try await TestNode.start(on: redis, name: "b"))
        let id = try a.create()
        let watcher = try StreamClient(a, id, "?presence=1&client=the%20watcher")
        var known: Set<String> = []
        try self.follow(watcher, &known) { $0.count == 1 }
        let others = try (0..<6).map { number in
            try StreamClient(number.isMultiple(of: 2) ? a : b, id, "?client=c\(number)")
        }
        for other in others { _ = try other.read(through: "stream.ready") }
        try self.follow(watcher, &known) { $0.count == 7 }
        #expect(try self.present(b, id) == known)
        let list = try #require(try b.call("GET", "/\(id)/presence")["connections"]?.array)
        #expect(Set(list.compactMap { $0["client"]?.string }) == Set(["the watcher"] + (0..<6).map { "c\($0)" }))
        #expect(Set(list.compactMap { $0["node"]?.string }) == ["a", "b"])
        #expect(list.allSatisfy { $0["transport"]?.string == "sse" && ($0["since"]?.int ?? 0) > 1_700_000_000_000 })
        #expect(list.compactMap { $0["since"]?.int }.sorted() == list.compactMap { $0["since"]?.int })
        for other in others.prefix(4) { other.http.close() }
        try self.follow(watcher, &known) { $0.count == 3 }
        #expect(try self.present(a, id) == known)
        // Nobody who did not ask gets any of it, and it is not in the log.
        try a.say("the next event", in: id)
        #expect(try others[5].next()?.event == "user.message")
        #expect(try a.call("GET", "/\(id)/events").text.contains("presence") == false)
        // A node that is stopped takes its own off.
        await b.stop()
        try self.follow(watcher, &known) { $0.count == 2 }
        #expect(try self.present(a, id) == known)
        await a.stop()
    }

    @Test func `what is asked of presence must make sense`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        #expect(try node.call("GET", "/\(id)/presence").json == ["connections": [], "count": 0])
        #expect(try node.call("GET", "/no-session/presence").code == "SESSION_NOT_FOUND")
        #expect(try node.call("POST", "/\(id)/presence").code == "METHOD_NOT_ALLOWED")
        for client in ["%07", String(repeating: "x", count: 65)] {
            let answer = try node.call("GET", "/\(id)/stream?client=\(client)")
            #expect(answer.status == 400 && answer.message?.contains("Invalid client") == true)
        }
        let bad = try node.call(
            "POST", "", #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)","aliveWhileWatched":"yes"}"#)
        #expect(bad.status == 400 && bad.message == "Invalid aliveWhileWatched: Must be true or false")
        #expect(try node.call("DELETE", "/\(id)").status == 200)
        #expect(try node.call("GET", "/\(id)/presence").status == 404)
        await node.stop()
    }

    @Test func `the connections of a node that died are gone within the presence life`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let life = 3000
        let a = try await TestNode.start(on: redis, store: { $0.presenceLife = life })
        let b = try await TestNode.start(on: redis, name: "b", store: { $0.presenceLife = life })
        let id = try a.create()
        let watcher = try StreamClient(a, id, "?presence=1")
        let doomed = try (0..<3).map { _ in try StreamClient(b, id) }
        var known: Set<String> = []
        try self.follow(watcher, &known) { $0.count == 4 }
        let redisTime = { try redis.client().send("TIME").array.compactMap { $0.string.flatMap { Int($0) } } }
        let start = try redisTime()
        try await b.crash()
        try self.follow(watcher, &known) { $0.count == 1 }
        let end = try redisTime()
        #expect(try self.present(a, id) == known)
        // Nobody took them off: they lapsed. The time is that of Redis, and the limit is the promise.
        let took = (end[0] - start[0]) * 1000 + (end[1] - start[1]) / 1000
        #expect(took <= life + 1000, "\(took) ms")
        withExtendedLifetime(doomed) {}
        await a.stop()
    }

    @Test func `a session lives while it is watched, if it or its agent says so`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, loops: 2, store: { $0.presenceLife = 400 })
        let config = #"{"timeoutMinutes":5}"#
        let watched = try node.create(config: config, more: #","aliveWhileWatched":true"#)
        let plain = try node.create(config: config)
        let off = try node.create(config: config, more: #","aliveWhileWatched":false"#)
        #expect(try node.call("GET", "/\(watched)")["aliveWhileWatched"] == true)
        #expect(try node.call("GET", "/\(plain)")["aliveWhileWatched"] == nil)
        let streams = try [watched, plain, off].map { try StreamClient(node, $0) }
        for stream in streams { _ = try stream.read(through: "stream.ready") }
        let unwatched = try node.create(config: config)
        for round in 1...4 {
            let before = try node.call("GET", "/\(watched)")["renewalCount"]?.int ?? 0
            try node.advance(minutes: 2)
            try await eventually("the watched session is renewed") {
                try node.call("GET", "/\(watched)")["renewalCount"]?.int ?? 0 > before
            }
            if round == 1 { for id in [plain, off] { #expect(try node.call("GET", "/\(id)").status == 200) } }
        }
        for id in [plain, off, unwatched] { #expect(try node.call("GET", "/\(id)").status == 410) }
        #expect(try node.call("GET", "/\(watched)").status == 200)
        // Without a client it ends like any other.
        streams[0].http.close()
        try await eventually("nobody watches") { try self.present(node, watched).isEmpty }
        try node.advance(minutes: 6)
        #expect(try node.call("GET", "/\(watched)").status == 410)
        // The agent's word counts where the session has none.
        try await node.store.register(Agent(id: TestNode.agent, settings: ["aliveWhileWatched": true]))
        let byAgent = try node.create(config: config)
        let refused = try node.create(config: config, more: #","aliveWhileWatched":false"#)
        let two = try [byAgent, refused].map { try StreamClient(node, $0) }
        for stream in two { _ = try stream.read(through: "stream.ready") }
        for _ in 1...3 {
            let before = try node.call("GET", "/\(byAgent)")["renewalCount"]?.int ?? 0
            try node.advance(minutes: 2)
            try await eventually("its agent keeps it") {
                try node.call("GET", "/\(byAgent)")["renewalCount"]?.int ?? 0 > before
            }
        }
        #expect(try node.call("GET", "/\(refused)").status == 410)
        await node.stop()
    }

    @Test func `a node tells Redis of all its clients with one call a partition and interval`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(
            on: redis, loops: 2,
            store: {
                $0.partitions = 2
                $0.presenceLife = 2000
            })
        let ids = try (0..<20).map { _ in try node.create(more: #","aliveWhileWatched":true"#) }
        let streams = try ids.flatMap { id in try (0..<6).map { _ in try StreamClient(node, id) } }
        for id in ids {
            try await eventually("all are seen") { try self.present(node, id).count == 6 }
        }
        let client = try redis.client()
        for (name, value) in [("slowlog-max-len", "100000"), ("slowlog-log-slower-than", "0")] {
            #expect(try client.send("CONFIG", "SET", name, value) == "OK")
        }
        let renewals = { try node.call("GET", "/\(ids[0])")["renewalCount"]?.int ?? 0 }
        let before = try renewals()
        try await eventually("three intervals pass") { try renewals() >= before + 3 }
        try client.send("CONFIG", "SET", "slowlog-log-slower-than", "-1")
        let intervals = try renewals() - before
        let commands = try client.send("SLOWLOG", "GET", "100000").array.map { $0.array[3].array }
        func calls(_ script: Script) -> Int {
            commands.count { $0.first == "EVALSHA" && $0.dropFirst().first == .text(script.sha1) }
        }
        let scripts = Scripts(testClock: true)
        // Whole intervals (three, or more where the machine is slow to ask) and what lies at both ends, in two
        // partitions; not 120 clients, and not 20 sessions.
        for script in [scripts.presence, scripts.beat] {
            let count = calls(script)
            #expect(count >= 3 && count <= 2 * (intervals + 2), "\(script.name): \(count) in \(intervals) intervals")
        }
        withExtendedLifetime(streams) {}
        await node.stop()
    }
}
