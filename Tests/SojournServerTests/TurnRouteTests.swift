import Foundation
import SojournCore
import SojournLoop
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct TurnRouteTests {
    @Test func `a message with transport http waits for the answer of its turn`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis)
        _ = try await node.claim("wait=0")
        let id = try await node.create()
        async let answered = node.say("hello", in: id, ["transport": "http"])
        let turn = try #require(try await node.claim().first)
        #expect(turn["messages"]?.array?.first?["content"] == "hello")
        #expect(turn["userId"]?.string == TurnNode.user && turn["attempt"]?.int == 1)
        #expect(try await node.call("GET", "/sessions/\(id)").body["status"] == "running")
        let delta = try await node.work(turn, "deltas", ["messageId": "m1", "text": "Hi", "index": 0])
        #expect(delta.status == 200 && delta.body["nextIndex"]?.int == 1, "\(delta)")
        let extended = try await node.work(turn, "extend")
        #expect(extended.status == 200 && extended.body["stop"] == false)
        let tools = try await node.work(
            turn, "events",
            [
                "events": [
                    ["type": "agent.tool_use", "toolUseId": "t1", "name": "search", "input": ["q": "x"]],
                    ["type": "agent.tool_result", "toolUseId": "t1", "content": "found"],
                ]
            ])
        #expect(tools.status == 201, "\(tools)")
        let done = try await node.work(
            turn, "complete", ["message": ["messageId": "m1", "content": "Hi!"], "usage": ["tokens": 3]])
        #expect(done.status == 200 && done.body["status"] == "completed" && done.body["messageId"] == "m1")
        let answer = try await answered
        #expect(answer.status == 201 && answer.body["agentResponse"]?["text"] == "Hi!", "\(answer)")
        #expect(answer.body["turnId"] == turn["turnId"] && answer.body["pending"] == nil)
        let one = try await node.call("GET", "/sessions/\(id)/turns/1").body
        #expect(one["status"] == "completed" && one["turnId"] == turn["turnId"])
        #expect(try await node.call("GET", "/sessions/\(id)/turns/9").status == 404)
        await node.stop()
    }

    @Test func `sse carries the pieces of the answer, and says when the turn was stopped`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis)
        _ = try await node.claim("wait=0")
        let id = try await node.create()
        for stops in [false, true] {
            let client = try RawHTTP(
                port: node.server.port, deadlineMilliseconds: 60_000, tls: SecureRun.certificate != nil)
            try client.send(
                TurnNode.request("POST", "/sessions/\(id)/messages", ["content": "go", "transport": "sse"]))
            let turn = try #require(try await node.claim("wait=40s&lease=5m").first)
            for (index, piece) in ["a ", "b"].enumerated() {
                _ = try await node.work(
                    turn, "deltas", ["messageId": "m", "text": .string(piece), "index": JSON(index)])
            }
            _ = try client.readHead()
            #expect(try client.readEvent()?.event == "user_message")
            // The pieces come before the message is done.
            for (index, piece) in ["a ", "b"].enumerated() {
                let data = try JSON.parse(try #require(try client.readEvent()?.data))
                #expect(data["chunk"]?.string == piece && data["index"]?.int == index && data["messageId"] == "m")
            }
            if stops {
                let stopped = try await node.call("POST", "/sessions/\(id)/interrupt")
                #expect(stopped.body["turns"]?.array == [turn["turnId"] ?? .null])
            } else {
                _ = try await node.work(turn, "complete", ["message": ["messageId": "m", "content": "a b"]])
            }
            #expect(try client.readEvent()?.event == (stops ? "error" : "done"))
            #expect(try client.readEvent() == nil)
        }
        await node.stop()
    }

    @Test func `a worker that waits with its lease hears at once that it must stop`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TurnNode.start(on: redis, name: "a"), try await TurnNode.start(on: redis, name: "b"))
        _ = try await a.claim("wait=0")
        let id = try await a.create(["ifBusy": "reject"])
        _ = try await a.say("hello", in: id)
        let turn = try #require(try await a.claim().first)
        #expect(try await a.say("more", in: id).body["error"]?["code"] == "SESSION_BUSY")
        let path = "/turns/\(turn["turnId"]?.string ?? "")/extend?wait=20s"
        let lease: JSON = ["leaseToken": turn["leaseToken"] ?? .null]
        async let steered = a.call("POST", path, lease)
        let sent = try await b.say("by the way", in: id, ["ifBusy": "steer"])
        #expect(sent.body["steered"] == true && sent.body["turnId"] == turn["turnId"])
        #expect(try await steered.body["messages"]?.array?.first?["content"] == "by the way")
        async let stopped = a.call("POST", path, lease)
        try await eventually("it waits") {
            try await b.call("GET", "/sessions/\(id)/queue").body["queue"]?.array?.isEmpty == true
        }
        #expect(try await b.call("POST", "/sessions/\(id)/interrupt").status == 200)
        #expect(try await stopped.body["stop"] == true)
        for what in ["complete", "fail", "deltas", "events"] {
            let late = try await a.work(
                turn, what,
                ["messageId": "m", "text": "x", "error": "e", "events": [["type": "agent.message", "content": "x"]]])
            #expect(late.status == 409 && late.body["error"]?["code"] == "STALE_LEASE", "\(what) \(late)")
        }
        #expect(try await b.say("next", in: id).status == 201)
        await a.stop()
        await b.stop()
    }

    @Test func `a worker whose connection breaks while it waits gets no turn`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis)
        _ = try await node.claim("wait=0")
        let id = try await node.create()
        for round in 1...10 {
            let leaving = try RawHTTP(port: node.server.port, tls: SecureRun.certificate != nil)
            try leaving.send(TurnNode.request("POST", "/agents/\(TurnNode.agent)/turns/claim?wait=20s"))
            if round.isMultiple(of: 2) { leaving.reset() } else { leaving.close() }
            _ = try await node.say("\(round)", in: id)
            let turn = try #require(try await node.claim().first)
            #expect(turn["attempt"]?.int == 1 && turn["messages"]?.array?.first?["content"] == .string("\(round)"))
            #expect(try await node.work(turn, "complete").status == 200)
        }
        await node.stop()
    }

    @Test func `agents have settings, and every value of a session says where it comes from`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let settings: JSONObject = ["SUPPORT": ["warningThresholdMinutes": "3"]]
        let (a, b) = (
            try await TurnNode.start(on: redis, name: "a") {
                $0.agentTimeouts = ["SUPPORT": settings["SUPPORT"]?.object ?? [:]]
            },
            try await TurnNode.start(on: redis, name: "b") {
                $0.agentTimeouts = ["SUPPORT": settings["SUPPORT"]?.object ?? [:]]
            }
        )
        let other = "99999999-9999-4999-8999-999999999999"
        _ = try await b.create(agent: other)
        let agent: JSON = [
            "name": "Support", "timeoutConfig": ["timeoutMinutes": 20, "autoRenew": false], "ifBusy": "reject",
        ]
        #expect(try await a.call("PUT", "/agents/\(TurnNode.agent)", agent).status == 200)
        #expect(try await b.call("GET", "/agents/\(TurnNode.agent)").body["name"] == "Support")
        #expect(try await b.call("GET", "/agents").body["agents"]?.array?.count == 1)
        #expect(try await a.call("PUT", "/agents/\(TurnNode.agent)", ["ifBusy": "perhaps"]).status == 400)
        let refused = try await b.call(
            "POST", "/sessions", ["agentId": .string(other), "userId": .string(TurnNode.user)])
        #expect(refused.status == 404 && refused.body["error"]?["code"] == "AGENT_NOT_FOUND")
        let id = try await b.create(["timeoutConfig": ["maxDurationMinutes": 60]])
        _ = try await a.call("PATCH", "/sessions/\(id)/timeout", ["autoRenew": true])
        let info = try await a.call("GET", "/sessions/\(id)").body
        #expect(
            info["timeoutConfig"] == [
                "timeoutMinutes": 20, "autoRenew": true, "maxDurationMinutes": 60, "warningThresholdMinutes": 3,
            ])
        #expect(
            info["timeoutSources"] == [
                "timeoutMinutes": "agent", "autoRenew": "session", "maxDurationMinutes": "session",
                "warningThresholdMinutes": "environment",
            ])
        _ = try await a.claim("wait=0")
        #expect(try await b.say("one", in: id).status == 201)
        #expect(try await b.say("two", in: id).status == 409)
        #expect(try await a.call("DELETE", "/agents/\(TurnNode.agent)").status == 200)
        #expect(try await b.call("DELETE", "/agents/\(TurnNode.agent)").status == 404)
        _ = try await b.create(agent: other)
        await a.stop()
        await b.stop()
    }

    @Test(.enabled(if: SecureRun.certificate == nil, "its proxy would swallow the TLS handshake, not the answers"))
    func `when every first answer is lost, writes with idempotency keys happen once`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis)
        _ = try await node.claim("wait=0")
        let proxy = TestProxy(to: .tcp(host: "127.0.0.1", port: node.server.port))
        /// Sends a request whose first answer the proxy throws away, then again.
        func lossy(
            _ method: String, _ path: String, _ body: JSON, key: String, _ happened: () async throws -> Bool
        ) async throws -> (status: Int, body: JSON) {
            proxy.mute(true)
            let port = try #require({ if case .tcp(_, let port) = proxy.endpoint { port } else { nil as Int? } }())
            let first = try RawHTTP(port: port, tls: SecureRun.certificate != nil)
            try first.send(TurnNode.request(method, path, body, key: key))
            try await eventually("the first one happened", happened)
            proxy.cut()
            first.close()
            proxy.mute(false)
            return try await node.call(method, path, body, key: key, port: port)
        }
        let create: JSON = ["agentId": .string(TurnNode.agent), "userId": .string(TurnNode.user), "metadata": ["a": 1]]
        let created = try await lossy("POST", "/sessions", create, key: "create-1") {
            try await node.store.list().total == 1
        }
        #expect(created.status == 201)
        let id = try #require(created.body["sessionId"]?.string)
        #expect(try await node.store.list().total == 1)
        let again = try await node.call("POST", "/sessions", create, key: "create-1")
        #expect(again.body == created.body)
        #expect(
            try await node.call(
                "POST", "/sessions", ["agentId": .string(TurnNode.agent), "userId": .string(TurnNode.agent)],
                key: "create-1"
            ).status == 422)
        for number in 1...5 {
            let sent = try await lossy(
                "POST", "/sessions/\(id)/messages", ["content": .string("m\(number)")], key: "m\(number)"
            ) { try await node.store.session(id).messageCount == 2 * number - 1 }
            #expect(sent.status == 201)
            let turn = try #require(try await node.claim().first)
            #expect(turn["turnId"] == sent.body["turnId"])
            let path = "/turns/\(turn["turnId"]?.string ?? "")"
            let lease = turn["leaseToken"] ?? .null
            let head = try await node.store.session(id).head
            let tools = try await lossy(
                "POST", path + "/events",
                ["leaseToken": lease, "events": [["type": "agent.tool_use", "toolUseId": "t", "name": "n"]]],
                key: "e\(number)"
            ) { try await node.store.session(id).head == head + 1 }
            #expect(tools.status == 201 && tools.body["seq"]?.int == head + 1)
            let done = try await lossy(
                "POST", path + "/complete", ["leaseToken": lease, "message": "ok"], key: "c\(number)"
            ) { try await node.store.session(id).messageCount == 2 * number }
            #expect(done.status == 200 && done.body["status"] == "completed", "\(done)")
        }
        let clash = try await node.call("POST", "/sessions/\(id)/messages", ["content": "other"], key: "m1")
        #expect(clash.status == 422 && clash.body["error"]?["code"] == "IDEMPOTENCY_KEY_REUSED")
        // What the client calls its message counts as a key, too.
        for _ in 1...2 { _ = try await node.say("own", in: id, ["metadata": ["clientMessageId": "c-1"]]) }
        let said = try await node.events(id).filter { $0["type"] == "user.message" }
        #expect(said.count == 6)
        #expect(try await node.events(id).count { $0["type"] == "agent.message" } == 5)
        await node.stop()
    }
}
