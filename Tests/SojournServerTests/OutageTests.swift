import Glibc
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct OutageTests {
    private static let unknown = "OUTCOME_UNKNOWN"
    private static let away = "STORE_UNAVAILABLE"

    private func expectRefusal(_ answer: HTTPAnswer, _ codes: Set<String>, _ name: String) {
        #expect(answer.status == 503, "\(name): \(answer.text)")
        #expect(codes.contains(answer.code ?? ""), "\(name): \(answer.text)")
        #expect(answer.header("Retry-After").flatMap { Int($0) } ?? 0 >= 1, "\(name)")
    }

    @Test func `a write in flight when Redis dies has an unknown outcome`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, store: { $0.commandTimeout = 3000 })
        let id = try node.create()
        try node.say("hi", in: id)
        redis.signal(SIGSTOP)
        let base = TestNode.base
        // What writes with its first call is in flight; what reads first is not. The node knows the session, so a message
        // is one call.
        let writes = [
            ("POST", base, #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#),
            ("POST", "\(base)/\(id)/renew", ""), ("POST", "\(base)/\(id)/heartbeat", ""),
            ("PATCH", "\(base)/\(id)/timeout", #"{"timeoutMinutes":60}"#),
            ("POST", "\(base)/\(id)/messages", #"{"content":"x"}"#),
        ]
        let reads = [
            ("DELETE", "\(base)/\(id)", ""), ("GET", "\(base)/\(id)", nil),
            ("GET", "\(base)/\(id)/messages", nil), ("GET", base, nil),
            ("GET", "\(base)/\(id)/stream", nil),
        ]
        let sent = try writes.map { ($0.1, try node.send($0.0, target: $0.1, $0.2)) }
        let asked = try reads.map { ($0.0 + " " + $0.1, try node.send($0.0, target: $0.1, $0.2)) }
        let batch = try node.send("POST", target: "\(base)/heartbeat", #"{"sessions":["\#(id)"]}"#)
        // They have left the node when it answers what came after them on its one loop; a new connection each time, so
        // that there is a pass of the loop for accepting, reading and sending.
        for _ in 0..<3 { #expect(try node.call("GET", target: "/livez").status == 200) }
        redis.kill9()
        for (name, client) in sent {
            self.expectRefusal(HTTPAnswer(try client.readResponse()), [Self.unknown], name)
        }
        for (name, client) in asked {
            self.expectRefusal(HTTPAnswer(try client.readResponse()), [Self.away], name)
        }
        let outcome = HTTPAnswer(try batch.readResponse())["results"]?.array?.first
        #expect(outcome?["ok"] == false && outcome?["error"]?["code"]?.string == Self.unknown)
        await node.stop()
    }

    @Test func `what was answered with 201 is in the log, whatever Redis goes through`() async throws {
        let redis = try await RedisServer.start(["--appendfsync", "always"])
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, store: { $0.commandTimeout = 300 })
        let id = try node.create(config: #"{"timeoutMinutes":1440}"#)
        var accepted: Set<String> = []
        for round in 0..<3 {
            for number in 0..<20 {
                let text = "\(round)-\(number)"
                if number == 10 { redis.kill9() }
                if number == 12 { try await redis.restart() }
                let answer = try node.say(text, in: id)
                if answer.status == 201 {
                    accepted.insert(text)
                } else {
                    self.expectRefusal(answer, [Self.unknown, Self.away], text)
                }
            }
        }
        try await eventually("it reads again") { try node.call("GET", "/\(id)").status == 200 }
        let page = try node.call("GET", "/\(id)/messages?limit=100")
        let kept = (page["messages"]?.array ?? []).compactMap { $0["content"]?.string }
        #expect(Set(kept).isSuperset(of: accepted))
        #expect(accepted.count >= 40)
        #expect(Set(kept).count == kept.count)
        await node.stop()
    }

    @Test func `a full Redis refuses what needs room, and still renews, ends and reads`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let (id, other) = (try node.create(), try node.create())
        let client = try redis.client()
        try client.send("CONFIG", "SET", "maxmemory", "1mb")
        let created = try node.call(
            "POST", "", #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#)
        let said = try node.say("hi", in: id)
        for answer in [created, said] {
            self.expectRefusal(answer, [Self.away], "full")
            #expect(answer.message == "The session store is full; nothing was done")
        }
        #expect(try node.call("POST", "/\(id)/renew").status == 200)
        #expect(try node.call("POST", "/\(id)/heartbeat").status == 200)
        #expect(try node.call("DELETE", "/\(other)").status == 200)
        #expect(try node.call("GET", "/\(id)")["version"] == 2, "only the renewal was logged")
        try client.send("CONFIG", "SET", "maxmemory", "0")
        #expect(try node.say("hi", in: id).status == 201)
        await node.stop()
    }

    @Test func `without Redis reads and writes are refused, nothing hangs, and then all is as before`() async throws {
        let redis = try await RedisServer.start(["--appendfsync", "always"])
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, store: { $0.commandTimeout = 200 })
        let id = try node.create()
        redis.kill9()
        for (method, path, body) in [
            ("GET", "", nil), ("GET", "/\(id)", nil), ("DELETE", "/\(id)", nil), ("POST", "/\(id)/renew", ""),
            ("POST", "/\(id)/messages", #"{"content":"x"}"#), ("GET", "/\(id)/messages", nil),
            ("GET", "/\(id)/events", nil), ("GET", "/\(id)/stream", nil), ("PATCH", "/\(id)/timeout", "{}"),
            ("POST", "", #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#),
        ] {
            let answer = try node.call(method, path, body)
            self.expectRefusal(answer, [Self.away, Self.unknown], "\(method) \(path)")
        }
        // What is wrong in itself is still told so.
        #expect(try node.call("POST", "", "{}").status == 400)
        #expect(try node.call("GET", "/not-an-id").status == 404)
        try await redis.restart()
        try await eventually("it is back") { try node.call("GET", "/\(id)").status == 200 }
        #expect(try node.call("GET", "/\(id)")["version"] == 1)
        await node.stop()
    }

    @Test func `a node that is told to stop while Redis goes away does not wait for it`() async throws {
        for round in 1...3 {
            let redis = try await RedisServer.start()
            defer { redis.stop() }
            let folder = TemporaryFolder()
            let limit = 60_000
            let node = try await TestNode.start(
                on: redis, archivePath: folder.file("archive"), store: { $0.commandTimeout = limit })
            _ = try node.create()
            redis.signal(SIGSTOP)
            let begin = ContinuousClock.now
            // Meanwhile it asks, and gets no answer.
            try await eventually("some passes") { ContinuousClock.now - begin > .milliseconds(700) }
            async let stopped: Void = node.stop()
            redis.kill9()
            await stopped
            #expect(ContinuousClock.now - begin < .milliseconds(limit / 2), "round \(round)")
        }
    }
}
