import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// Where a turn and its session stand, as their user sees it.
@Suite struct TurnStatusTests {
    @Test func `without a worker turns are there as soon as somebody looks`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis) { $0.turnQueue = 3 }
        let id = try await node.create()
        for text in ["one", "two"] { #expect(try await node.say(text, in: id).status == 201) }
        let turns = try await node.call("GET", "/sessions/\(id)/turns").body["turns"]?.array ?? []
        #expect(turns.map { $0["status"]?.string } == ["queued", "queued"])
        #expect(try await node.say("three", in: id).body["turnId"]?.string == "\(id).3")
        let full = try await node.say("four", in: id)
        #expect(full.status == 429 && full.body["error"]?["code"] == "RATE_LIMIT_EXCEEDED", "\(full)")
        #expect(try await node.say("five", in: id, ["ifBusy": "reject"]).status == 409)
        let entry = try await node.call("DELETE", "/sessions/\(id)/queue/\(id).2")
        #expect(entry.status == 200 && entry.body["queued"]?.int == 2, "\(entry)")
        #expect(try await node.call("DELETE", "/sessions/\(id)/queue/2").status == 404)
        let stopped = try await node.call("POST", "/sessions/\(id)/interrupt", ["queue": "clear"])
        #expect(stopped.body["interrupted"] == true && stopped.body["turns"]?.array?.count == 2, "\(stopped)")
        // One that says what to do when busy, and one of an agent that is registered, have turns at once.
        let other = try await node.create()
        #expect(try await node.say("one", in: other, ["ifBusy": "reject"]).body["turnId"]?.string == "\(other).1")
        #expect(try await node.say("two", in: other, ["ifBusy": "reject"]).status == 409)
        #expect(try await node.call("PUT", "/agents/\(TurnNode.agent)", JSON.object(JSONObject())).status == 200)
        let third = try await node.create()
        #expect(try await node.say("one", in: third).body["turnId"]?.string == "\(third).1")
        await node.stop()
    }

    @Test func `an answer that does not come in time leaves a pending turn, and no answer is lost`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis, answerLimit: 100)
        let id = try await node.create()
        let sent = try await node.say("hello", in: id, ["transport": "http"])
        #expect(sent.status == 201 && sent.body["pending"] == true && sent.body["agentResponse"] == nil)
        #expect(sent.body["turnId"]?.string == "\(id).1", "\(sent)")
        let turn = try #require(try await node.claim().first)
        #expect(turn["turnId"] == sent.body["turnId"])
        #expect(try await node.work(turn, "complete", ["message": "late"]).status == 200)
        let history = try await node.call("GET", "/sessions/\(id)/messages").body["messages"]?.array ?? []
        #expect(history.map { $0["content"]?.string } == ["late", "hello"])
        await node.stop()
    }

    @Test func `who waits gets the answer to his own message`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis, answerLimit: 30_000)
        let id = try await node.create()
        // The first worker comes while the second message waits for its answer.
        _ = try await node.say("one", in: id)
        async let second = node.say("two", in: id, ["transport": "http"])
        try await eventually("it was sent") { try await node.store.session(id).messageCount == 2 }
        for text in ["one", "two"] {
            let turn = try #require(try await node.claim().first)
            #expect(turn["messages"]?.array?.map { $0["content"]?.string } == [text])
            _ = try await node.work(turn, "complete", ["message": .string("to " + text)])
        }
        #expect(try await second.body["agentResponse"]?["text"] == "to two")
        // A client that has lost the answer gets it again, and asks nobody twice.
        let patient: JSON = ["content": "once", "transport": "http"]
        async let first = node.call("POST", "/sessions/\(id)/messages", patient, key: "k")
        _ = try await node.work(try #require(try await node.claim().first), "complete", ["message": "answered"])
        let again = try await node.call("POST", "/sessions/\(id)/messages", patient, key: "k")
        #expect(again.body["agentResponse"]?["text"] == "answered")
        #expect(try await first.body == again.body)
        // A message that the running turn was to take, and did not.
        _ = try await node.say("three", in: id)
        let third = try #require(try await node.claim().first)
        async let steered = node.say("four", in: id, ["transport": "http", "ifBusy": "steer"])
        try await eventually("it was sent") {
            try await node.call("GET", "/sessions/\(id)/queue").body["queue"]?.array?.first?["steered"] == true
        }
        _ = try await node.work(third, "complete", ["message": "to three"])
        let fourth = try #require(try await node.claim().first)
        _ = try await node.work(fourth, "complete", ["message": "to four"])
        let answer = try await steered
        #expect(answer.body["agentResponse"]?["text"] == "to four", "\(answer)")
        await node.stop()
    }

    @Test func `a turn that waits for a human keeps its session, and stands as waiting`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis) { $0.testClock = true }
        _ = try await node.claim("wait=0")
        let id = try await node.create([
            "timeoutConfig": ["timeoutMinutes": 10, "autoRenew": false, "maxDurationMinutes": 120]
        ])
        func info() async throws -> JSON { try await node.call("GET", "/sessions/\(id)").body }
        func deadline() async throws -> Instant {
            try #require(try await info()["expiresAt"]?.string.flatMap { Instant(iso8601: $0) })
        }
        let idle = try await deadline()
        /// How much later than without the turn the session ends, in minutes.
        func held() async throws -> Double { Double(try await deadline() - idle) / 60_000 }
        #expect(try await info()["status"] == "idle")
        _ = try await node.say("may I?", in: id)
        let turn = try #require(try await node.claim("wait=40s&lease=10m").first)
        #expect(try await info()["status"] == "running")
        #expect(try await node.work(turn, "extend", ["waitMs": 0]).status == 400)
        // Law 1: the interaction's deadline holds the session, and no more than the cap.
        let waiting = try await node.work(turn, "extend", ["waitMs": 3_600_000, "leaseMs": 600_000])
        #expect(waiting.body["stop"] == false)
        #expect(try await info()["status"] == "waiting")
        #expect(try await node.call("GET", "/sessions/\(id)/turns/1").body["status"] == "waiting")
        #expect(try await node.call("GET", "/sessions/\(id)/queue").body["running"]?["status"] == "waiting")
        #expect((50..<60).contains(try await held()))
        _ = try await node.work(turn, "extend", ["waitMs": 86_400_000, "leaseMs": 600_000])
        #expect(try await held() == 110)
        // It goes on; then its lease holds the session.
        #expect(try await node.work(turn, "extend", ["leaseMs": 600_000]).status == 200)
        #expect(try await info()["status"] == "running")
        try await node.store.advanceTestClock(milliseconds: 300_000)
        #expect(try await node.work(turn, "extend", ["leaseMs": 600_000]).status == 200)
        #expect((5..<15).contains(try await held()))
        #expect(try await node.work(turn, "complete", ["message": "you may"]).status == 200)
        #expect(try await info()["status"] == "idle")
        #expect(try await held() == 0)
        let types = try await node.events(id).compactMap { $0["type"]?.string }
        #expect(types.count { $0 == "turn.waiting" } == 1)
        try await node.store.advanceTestClock(milliseconds: 300_000)
        #expect(try await node.call("GET", "/sessions/\(id)").status == 410)
        await node.stop()
    }

    @Test func `who sets what messages do is told, and changes reach the other nodes without being asked`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TurnNode.start(on: redis, name: "a"), try await TurnNode.start(on: redis, name: "b"))
        let (plain, own) = (try await a.create(), try await a.create(["ifBusy": "steer"]))
        func shown(_ id: String) async throws -> [JSON?] {
            let body = try await b.call("GET", "/sessions/\(id)").body
            return [body["ifBusy"], body["ifBusySource"]]
        }
        #expect(try await shown(plain) == ["enqueue", "default"])
        #expect(try await shown(own) == ["steer", "session"])
        #expect(try await a.call("PUT", "/agents/\(TurnNode.agent)", ["ifBusy": "interrupt"]).status == 200)
        // b is asked for nothing that would make it look: its own clock must.
        try await eventually(within: 30, "b knows") { try await shown(plain) == ["interrupt", "agent"] }
        #expect(try await shown(own) == ["steer", "session"])
        #expect(try await a.call("DELETE", "/agents/\(TurnNode.agent)").status == 200)
        try await eventually(within: 30, "b knows") { try await shown(plain) == ["enqueue", "default"] }
        await a.stop()
        await b.stop()
    }

    @Test func `a worker's repeated request takes nothing twice and loses nothing`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis)
        _ = try await node.claim("wait=0")
        let id = try await node.create(["metadata": ["clientMessageId": "s1"]])
        #expect(try await node.create(["metadata": ["clientMessageId": "s1"]]) == id)
        _ = try await node.say("one", in: id)
        let turn = try #require(try await node.claim().first)
        _ = try await node.say("by the way", in: id, ["ifBusy": "steer"])
        // The answer with the message that was handed over is given again.
        let first = try await node.work(turn, "extend", key: "x1")
        #expect(first.body["messages"]?.array?.map { $0["content"]?.string } == ["by the way"])
        #expect(try await node.work(turn, "extend", key: "x1").body == first.body)
        #expect(try await node.work(turn, "extend", ["leaseMs": 60_000], key: "x1").status == 422)
        // Pieces without a number are added once.
        let piece: JSONObject = ["messageId": "m", "text": "Hi"]
        let said = try await node.work(turn, "deltas", piece, key: "d1")
        #expect(said.status == 200 && said.body["nextIndex"]?.int == 1)
        #expect(try await node.work(turn, "deltas", piece, key: "d1").body == said.body)
        #expect(try await node.work(turn, "deltas", ["messageId": "m", "text": "Ho"], key: "d1").status == 422)
        #expect(try await node.work(turn, "deltas", piece, key: "d2").body["nextIndex"]?.int == 2)
        let failed = try await node.work(turn, "fail", ["error": "e", "retryable": true], key: "f1")
        #expect(failed.body["status"] == "queued")
        let next = try #require(try await node.claim().first)
        #expect(next["attempt"]?.int == 2 && next["messages"]?.array?.count == 2)
        #expect(try await node.work(turn, "fail", ["error": "e", "retryable": true], key: "f1").body == failed.body)
        let done = try await node.work(
            next, "complete", ["message": ["content": "ok", "metadata": ["clientMessageId": "c1"]]])
        let again = try await node.work(
            next, "complete", ["message": ["content": "ok", "metadata": ["clientMessageId": "c1"]]])
        #expect(done.status == 200 && again.body == done.body)
        let life = try redis.client().send("KEYS", "*:i:*").array.compactMap(\.string).map {
            try redis.client().send("PTTL", $0).string.flatMap { Int($0) } ?? 0
        }
        #expect(life.count == 6 && life.allSatisfy { (86_000_000...86_400_000).contains($0) }, "\(life)")
        await node.stop()
    }
}
