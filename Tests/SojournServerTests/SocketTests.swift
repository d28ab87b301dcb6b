import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct SocketTests {
    @Test func `a WebSocket brings what SSE brings, byte for byte, for many sessions`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis), try await TestNode.start(on: redis, name: "b"))
        let ids = try (0..<5).map { _ in try a.create() }
        for id in ids { try a.say("before", in: id) }
        let socket = try SocketClient(b)
        let streams = try ids.map { try StreamClient(a, $0, "?after=0") }
        for id in ids { try socket.ask("subscribe", ["sessionId": .string(id.uppercased()), "after": "0"]) }
        var (confirmed, events) = (Set<Int>(), [String: [SocketEvent]]())
        func read(until done: () -> Bool) throws {
            while !done() {
                let frame = try socket.raw.next()
                if let event = SocketEvent(frame.text) {
                    events[try #require(event.session), default: []].append(event)
                } else {
                    let json = try JSON.parse(frame.payload)
                    #expect(json["op"]?.string == "ok" && json["cursor"]?.string?.hasSuffix(":2") == true)
                    confirmed.insert(try #require(json["id"]?.int))
                }
            }
        }
        func have(_ count: Int) -> Bool { ids.allSatisfy { events[$0]?.count ?? 0 >= count } }
        try read { have(3) }
        #expect(confirmed == Set(1...5))
        for round in 1...10 {
            for id in ids { try (round % 2 == 0 ? a : b).say("round \(round)", in: id) }
        }
        for id in ids { try await a.answer(String(repeating: "long ", count: 4000), in: id) }
        try read { have(14) }
        for (id, stream) in zip(ids, streams) {
            let (here, there) = (events[id] ?? [], try (0..<14).map { _ in try #require(try stream.next()) })
            #expect(here.map(\.type) == there.map(\.event))
            #expect(here.map(\.cursor) == there.map(\.id))
            // But for the time at which each node says that its stream is ready.
            #expect(
                here.filter { $0.type != "stream.ready" }.map(\.data)
                    == there.filter { $0.event != "stream.ready" }.map(\.data))
            #expect(here.compactMap(\.seq) == Array(1...13))
        }
        #expect(try await b.openReaders() == 5)
        await a.stop()
        await b.stop()
    }

    @Test func `each operation is answered with its id`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let (id, other) = (try node.create(), try node.create())
        let socket = try SocketClient(node)
        #expect(try socket.call("ping")["op"]?.string == "pong")
        #expect(try socket.call("auth", ["token": "whatever"])["op"]?.string == "ok", "nothing is locked")
        try socket.raw.send(#"{"op":"ping","id":"words"}"#)
        #expect(try socket.next() == ["op": "pong", "id": "words"])
        try socket.raw.send(#"{"op":"ping"}"#)
        #expect(try socket.next() == ["op": "pong"])

        let sent = try socket.call("message", ["sessionId": .string(id), "content": "hi", "metadata": ["a": 1]])
        #expect(sent["op"]?.string == "ok" && sent["message"]?["userMessage"]?["content"]?.string == "hi")
        #expect(sent["message"]?["seq"]?.int == 2)
        let again: JSONObject = [
            "sessionId": .string(id), "content": "once", "metadata": ["clientMessageId": "m1"],
        ]
        let first = try socket.call("message", again)
        #expect(
            try socket.call("message", again)["message"]?["id"] == first["message"]?["id"], "a retry is no second one")
        let keyed: JSONObject = ["sessionId": .string(id), "content": "keyed", "idempotencyKey": "k1"]
        let named = try socket.call("message", keyed)
        #expect(try socket.call("message", keyed)["message"]?["id"] == named["message"]?["id"])
        let unkeyed: JSONObject = ["sessionId": .string(other), "content": "x", "idempotencyKey": .null]
        #expect(try socket.call("message", unkeyed)["op"]?.string == "ok", "null is none")
        let beat = try socket.call("heartbeat", ["sessionId": .string(id)])
        #expect(beat["session"]?["sessionId"]?.string == id && beat["session"]?["extended"]?.bool != nil)
        let beats = try socket.call("heartbeat", ["sessions": [.string(id), .string(other), "nobody"]])
        #expect(beats["results"]?.array?.map { $0["ok"]?.bool } == [true, true, false])

        try socket.subscribe(id)
        #expect(try socket.event().type == "stream.ready")
        try node.say("heard", in: id)
        #expect(try socket.event().seq == 5)
        #expect(try socket.call("unsubscribe", ["sessionId": .string(id)])["op"]?.string == "ok")
        #expect(try socket.call("unsubscribe", ["sessionId": .string(id)])["op"]?.string == "ok")
        try node.say("unheard", in: id)
        try socket.subscribe(id, after: "5")
        #expect(try socket.event().seq == 6)
        #expect(try await node.openReaders() == 1)
        await node.stop()
    }

    @Test func `what is asked wrongly is refused, and the socket goes on`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.subscriptionsPerSocket = 3 })
        let ids = try (0..<4).map { _ in try node.create() }
        let socket = try SocketClient(node)
        let gone = try node.create()
        #expect(try node.call("DELETE", "/\(gone)").status == 200)
        let rows: [(String, JSONObject, String, String)] = [
            ("dance", [:], "VALIDATION_ERROR", "Unknown op 'dance'"),
            ("subscribe", [:], "VALIDATION_ERROR", "sessionId"),
            ("subscribe", ["sessionId": 5], "VALIDATION_ERROR", "sessionId"),
            ("subscribe", ["sessionId": "nobody"], "SESSION_NOT_FOUND", "nobody"),
            ("subscribe", ["sessionId": .string(gone)], "SESSION_NOT_FOUND", gone),
            ("subscribe", ["sessionId": .string(ids[0]), "after": "x"], "VALIDATION_ERROR", "after"),
            ("subscribe", ["sessionId": .string(ids[0]), "after": true], "VALIDATION_ERROR", "after"),
            ("message", ["sessionId": .string(ids[0])], "VALIDATION_ERROR", "Invalid message request format"),
            ("message", ["sessionId": .string(ids[0]), "content": ""], "VALIDATION_ERROR", "cannot be empty"),
            (
                "message", ["sessionId": .string(ids[0]), "content": "a", "transport": "http"], "VALIDATION_ERROR",
                "live feed"
            ),
            ("message", ["sessionId": .string(gone), "content": "a"], "SESSION_NOT_FOUND", gone),
            ("message", ["content": "a"], "VALIDATION_ERROR", "Missing required fields: sessionId"),
            ("heartbeat", [:], "VALIDATION_ERROR", "Missing required fields: sessionId"),
            (
                "message", ["sessionId": .string(ids[0]), "content": "a", "idempotencyKey": 5], "VALIDATION_ERROR",
                "Invalid idempotencyKey: Must be a string"
            ),
            (
                "message", ["sessionId": .string(ids[0]), "content": "a", "idempotencyKey": ""], "VALIDATION_ERROR",
                "Invalid idempotencyKey: Must be a string"
            ),
            ("heartbeat", ["sessions": []], "VALIDATION_ERROR", "1 to 1000"),
            ("heartbeat", ["sessionId": .string(gone)], "SESSION_NOT_FOUND", gone),
        ]
        for (op, fields, code, words) in rows {
            let answer = try socket.call(op, fields)
            #expect(answer["op"]?.string == "error" && answer["error"]?["code"]?.string == code, "\(op) \(answer.text)")
            #expect(answer["error"]?["message"]?.string?.contains(words) == true, "\(answer.text)")
        }
        for text in ["", "{", "[]", #"{"id":1}"#, #"{"op":5}"#] {
            try socket.raw.send(text)
            let answer = try socket.next()
            #expect(answer["op"]?.string == "error" && answer["id"] == nil, "\(text)")
            #expect(answer["error"]?["code"]?.string == "VALIDATION_ERROR")
        }
        for id in ids[..<3] {
            try socket.subscribe(id)
            #expect(try socket.event().type == "stream.ready")
        }
        let twice = try socket.call("subscribe", ["sessionId": .string(ids[0])])
        #expect(twice["error"]?["message"]?.string?.contains("subscribed already") == true)
        let fourth = try socket.call("subscribe", ["sessionId": .string(ids[3])])
        #expect(fourth["error"]?["code"]?.string == "TOO_MANY_SUBSCRIPTIONS")
        #expect(fourth["error"]?["message"]?.string?.contains("at most 3 subscriptions") == true)
        _ = try socket.call("unsubscribe", ["sessionId": .string(ids[0])])
        try socket.subscribe(ids[3])
        // Bytes are nothing that is spoken here.
        try socket.raw.send(RawFrame(opcode: 2, [1]))
        #expect(try socket.close().closeCode == 1003)
        try await eventually("the readers are gone") { try await node.openReaders() == 0 }
        await node.stop()
    }

    @Test func `operations of one session keep their order, however fast they come`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.socketOperations = 16 })
        let ids = try (0..<10).map { _ in try node.create() }
        let socket = try SocketClient(node)
        for number in 0..<50 {
            for id in ids { try socket.ask("message", ["sessionId": .string(id), "content": .string("\(number)")]) }
        }
        var answered = Set<Int>()
        while answered.count < 500 {
            let answer = try socket.next()
            #expect(answer["op"]?.string == "ok", "\(answer.text)")
            answered.insert(try #require(answer["id"]?.int))
        }
        for id in ids {
            let events = try node.call("GET", "/\(id)/events?types=user.message&limit=100")["events"]?.array ?? []
            #expect(events.map { $0["data"]?["content"]?.string } == (0..<50).map { "\($0)" })
        }
        await node.stop()
    }

    @Test func `where keys are set, the first operation must authenticate in time`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(
            on: redis,
            server: {
                $0.apiKeys = ["secret"]
                $0.authenticationLimit = 1500
            })
        let late = try SocketClient(node)
        let good = try SocketClient(node)
        #expect(try good.call("auth", ["token": "secret"])["op"]?.string == "ok")
        #expect(try good.call("ping")["op"]?.string == "pong")
        let header = try SocketClient(node, headers: ["X-API-KEY": "secret"])
        #expect(try header.call("ping")["op"]?.string == "pong")
        for (op, fields) in [("auth", ["token": "wrong"]), ("auth", [:]), ("subscribe", [:]), ("ping", [:])]
            as [(String, JSONObject)]
        {
            let bad = try SocketClient(node)
            #expect(try bad.call(op, fields)["error"]?["code"]?.string == "UNAUTHORIZED")
            #expect(try bad.raw.next().closeCode == 1008)
        }
        #expect(try late.raw.next().closeCode == 4401)
        // Whoever has said who it is stays.
        #expect(try good.call("ping")["op"]?.string == "pong")
        #expect(try header.call("ping")["op"]?.string == "pong")
        #expect(try await node.openSockets() == 2)
        await node.stop()
    }

    @Test func `the upgrade is refused in the one shape of errors`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.webSocketOrigins = ["https://app.example"] })
        let plain = try node.call("GET", target: NodeServer.webSocketPath)
        #expect(plain.status == 426 && plain.code == "UPGRADE_REQUIRED" && plain.header("Upgrade") == "websocket")
        #expect(try node.call("POST", target: NodeServer.webSocketPath, "{}").status == 405)
        for (origin, status) in [("https://app.example", 101), ("https://evil.example", 403), ("http://test", 403)] {
            #expect(try SocketClient(node, headers: ["Origin": origin]).raw.head.status == status, "\(origin)")
        }
        await node.stop()
    }
}
