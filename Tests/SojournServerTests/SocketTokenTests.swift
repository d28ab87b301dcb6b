import SojournCore
import SojournTesting
import Testing

@testable import SojournServer

/// Session tokens over a WebSocket.
@Suite struct SocketTokenTests {
    private func token(_ bed: TokenTests.Bed, _ id: String, _ body: String) throws -> String {
        let answer = try bed.mint(id, body)
        return try #require(answer["token"]?.string, "\(answer.text)")
    }

    /// A socket whose client has authenticated.
    private func open(_ bed: TokenTests.Bed, _ token: String) throws -> SocketClient {
        let socket = try SocketClient(bed.node)
        #expect(try socket.call("auth", ["token": .string(token)])["op"]?.string == "ok")
        return socket
    }

    private func subscribe(_ socket: SocketClient, _ id: String, _ token: String? = nil) throws {
        var fields: JSONObject = ["sessionId": .string(id)]
        if let token { fields["token"] = .string(token) }
        let answer = try socket.call("subscribe", fields)
        #expect(answer["op"]?.string == "ok", "\(answer.text)")
        #expect(try socket.event().type == "stream.ready")
    }

    @Test func `a token opens its own sessions, and any other is unknown to it`() async throws {
        let bed = try await TokenTests.bed()
        defer { bed.redis.stop() }
        let all = #""capabilities":["read","write","heartbeat"]"#
        let one = try self.open(bed, try self.token(bed, bed.mine, "{\(all)}"))
        let user = try self.open(bed, try self.token(bed, bed.mine, #"{"scope":"user",\#(all)}"#))
        let absent = String(bed.mine.dropLast(4)) + "0000"
        for (socket, others) in [(one, [bed.also, bed.foreign, absent, "nonsense"]), (user, [bed.foreign, absent])] {
            for id in others {
                for (op, fields) in [("subscribe", [:]), ("message", ["content": "x"]), ("heartbeat", [:])]
                    as [(String, JSONObject)]
                {
                    let asked: JSONObject = ["sessionId": .string(id)]
                    let error = try socket.call(op, asked.merging(fields))["error"]
                    #expect(error?["code"]?.string == "SESSION_NOT_FOUND", "\(op)")
                    #expect(error?["message"]?.string == "Session with ID '\(id)' not found", "\(op)")
                }
            }
        }
        for (socket, ids) in [(one, [bed.mine]), (user, [bed.mine, bed.also])] {
            for id in ids {
                let asked: JSONObject = ["sessionId": .string(id)]
                #expect(try socket.call("heartbeat", asked)["op"]?.string == "ok")
                #expect(try socket.call("message", asked.merging(["content": "x"]))["op"]?.string == "ok")
                try self.subscribe(socket, id.uppercased())
            }
        }
        let batch: JSON = [.string(bed.mine), .string(bed.also), .string(bed.foreign)]
        let beats = try user.call("heartbeat", ["sessions": batch])
        #expect(beats["results"]?.array?.map { $0["ok"]?.bool } == [true, true, false])
        await bed.node.stop()
    }

    @Test func `a token does over a WebSocket what its capabilities say`() async throws {
        let bed = try await TokenTests.bed()
        defer { bed.redis.stop() }
        let mine: JSON = .string(bed.mine)
        let rows: [(String, JSONObject, String)] = [
            ("subscribe", ["sessionId": mine], "read"),
            ("subscribe", ["sessionId": mine, "presence": true], "presence"),
            ("message", ["sessionId": mine, "content": "x"], "write"), ("heartbeat", ["sessionId": mine], "heartbeat"),
            ("heartbeat", ["sessions": [mine]], "heartbeat"),
        ]
        for (op, fields, right) in rows {
            let list = ["read", "write", "heartbeat", "presence"].filter { $0 != right }.map { "\"\($0)\"" }
            let socket = try self.open(
                bed, try self.token(bed, bed.mine, #"{"capabilities":[\#(list.joined(separator: ","))]}"#))
            let answer = try socket.call(op, fields)
            #expect(answer["error"]?["code"]?.string == "FORBIDDEN", "\(op) without \(right): \(answer.text)")
        }
        for path in ["/presence", "/stream?presence=1"] {
            let answer = try bed.node.call(
                "GET", "/\(bed.mine)\(path)",
                headers: ["Authorization": "Bearer \(try self.token(bed, bed.mine, "{}"))"])
            #expect(answer.status == 403, "\(path)")
        }
        await bed.node.stop()
    }

    @Test func `a socket is closed with its token, unless a newer one came before`() async throws {
        let bed = try await TokenTests.bed()
        defer { bed.redis.stop() }
        let short = try self.token(bed, bed.mine, #"{"ttl":60}"#)
        let long = try self.token(bed, bed.mine, #"{"ttl":3600}"#)
        let lapsing = try self.open(bed, short)
        let carried = try SocketClient(bed.node, headers: ["Authorization": "Bearer \(short)"])
        let refreshed = try self.open(bed, short)
        for socket in [lapsing, carried, refreshed] { try self.subscribe(socket, bed.mine) }
        #expect(try refreshed.call("auth", ["token": .string(long)])["op"]?.string == "ok")
        try bed.node.advance(minutes: 2)
        for socket in [lapsing, carried] {
            let frame = try socket.close()
            #expect(frame.closeCode == 4403)
            #expect(frame.text.hasSuffix("token_expired"))
        }
        // By now the first token of this one is over, too.
        #expect(try bed.get(bed.mine, short).status == 401)
        #expect(try refreshed.call("ping")["op"]?.string == "pong")
        let said = try bed.node.call(
            "POST", "/\(bed.mine)/messages", #"{"content":"still here"}"#, headers: ["X-API-KEY": "backend"])
        #expect(said.status == 201)
        #expect(try refreshed.event().type == "user.message")
        let late = try SocketClient(bed.node)
        #expect(try late.call("auth", ["token": .string(short)])["error"]?["code"]?.string == "UNAUTHORIZED")
        #expect(try late.close().closeCode == 1008)
        await bed.node.stop()
    }

    @Test func `another caller ends what it may not read, and a subscription may have a token of its own`() async throws
    {
        let bed = try await TokenTests.bed()
        defer { bed.redis.stop() }
        let socket = try self.open(bed, try self.token(bed, bed.mine, #"{"ttl":3600}"#))
        try self.subscribe(socket, bed.mine)
        try self.subscribe(socket, bed.also, try self.token(bed, bed.also, #"{"ttl":60}"#))
        #expect(
            try socket.call("subscribe", ["sessionId": .string(bed.also), "token": "a.b.c"])["error"]?["code"]?.string
                == "UNAUTHORIZED")
        let foreign = try self.token(bed, bed.foreign, #"{"ttl":3600}"#)
        #expect(try socket.call("auth", ["token": .string(foreign)])["op"]?.string == "ok")
        let ended = try socket.event()
        #expect(ended.session == bed.mine && ended.type == "stream.end")
        #expect(ended.json["data"]?["reason"] == "token_expired")
        #expect(try await bed.node.openReaders() == 1)
        try bed.node.advance(minutes: 2)
        let lapsed = try socket.event()
        #expect(lapsed.session == bed.also && lapsed.json["data"]?["reason"] == "token_expired")
        #expect(try await bed.node.openReaders() == 0)
        try self.subscribe(socket, bed.foreign)
        // A first subscription may bring the token that admits the whole socket.
        let direct = try SocketClient(bed.node)
        try self.subscribe(direct, bed.foreign, foreign)
        #expect(try direct.call("ping")["op"]?.string == "pong")
        await bed.node.stop()
    }

    @Test func `a WebSocket counts as one stream of its address`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.streamsPerAddress = 1 })
        let (first, second) = (try node.create(), try node.create())
        let socket = try SocketClient(node)
        for id in [first, second] { try self.subscribe(socket, id) }
        #expect(try SocketClient(node).raw.head.status == 429)
        #expect(try node.call("GET", "/\(first)/stream").status == 429)
        try socket.raw.send(.close(1000))
        #expect(try socket.close().closeCode == 1000)
        try await eventually("there is room again") { try SocketClient(node).raw.head.status == 101 }
        await node.stop()
    }

    @Test func `operations of a WebSocket are limited as requests are`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        var rules = RateRules()
        let isKnown = rules.add("user.write=2/h, session.heartbeat=1/h")
        #expect(isKnown)
        let node = try await TestNode.start(on: redis, server: { $0.rateRules = rules })
        let (id, other) = (try node.create(more: #","conversationKey":"a""#), try node.create())
        let socket = try SocketClient(node)
        // Both creates were writes of this user.
        for session in [id, other] {
            let refused = try socket.call("message", ["sessionId": .string(session), "content": "x"])
            #expect(refused["error"]?["code"]?.string == "RATE_LIMIT_EXCEEDED", "\(refused.text)")
            #expect(refused["retryAfter"]?.int ?? 0 > 0)
        }
        #expect(try socket.call("heartbeat", ["sessionId": .string(id)])["op"]?.string == "ok")
        #expect(
            try socket.call("heartbeat", ["sessionId": .string(id)])["error"]?["code"]?.string
                == "RATE_LIMIT_EXCEEDED")
        #expect(try socket.call("heartbeat", ["sessionId": .string(other)])["op"]?.string == "ok")
        await node.stop()
    }
}
