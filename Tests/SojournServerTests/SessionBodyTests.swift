import SojournCore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct SessionBodyTests {
    static let created = [
        "sessionId", "channelId", "agentId", "userId", "createdAt", "metadata", "expiresAt", "timeoutConfig",
    ]
    static let info =
        created + [
            "lastActivity", "renewalCount", "timeRemaining", "isNearExpiration", "status", "phase", "version",
            "ifBusy", "ifBusySource", "timeoutSources",
        ]
    /// An instant with exactly three digits behind the second.
    static func isInstant(_ value: JSON?) -> Bool {
        value?.string?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil
    }

    @Test func `a create and a read have every field in its type`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let created = try node.call(
            "POST", "",
            #"{"agentId":"\#(TestNode.agent.uppercased())","userId":"\#(TestNode.user)","metadata":{"b":1.0,"a":[],"s":"/é"}}"#
        )
        #expect(created.status == 201)
        #expect(created.json.names == Self.created)
        let id = try #require(created["sessionId"]?.string)
        let channel = try #require(created["channelId"]?.string)
        #expect(SessionID(id) != nil && SessionID(channel) != nil && channel != id)
        #expect(created["agentId"]?.string == TestNode.agent)
        #expect(created["userId"]?.string == TestNode.user)
        #expect(created["metadata"]?.text == #"{"b":1.0,"a":[],"s":"/é"}"#)
        #expect(
            created["timeoutConfig"]?.text
                == #"{"timeoutMinutes":30,"autoRenew":true,"maxDurationMinutes":720,"warningThresholdMinutes":5}"#)
        let read = try node.call("GET", "/\(id)")
        #expect(read.status == 200)
        #expect(read.json.names == Self.info)
        for name in Self.created { #expect(read[name] == created[name], "\(name)") }
        for name in ["createdAt", "expiresAt", "lastActivity"] {
            #expect(Self.isInstant(read[name]), "\(name)")
        }
        let (start, end) = (try Self.at(read["createdAt"]), try Self.at(read["expiresAt"]))
        #expect(end - start == 30 * 60_000)
        #expect(read["renewalCount"] == 0)
        let remaining = try #require(read["timeRemaining"]?.int)
        #expect((1...30 * 60_000).contains(remaining))
        #expect(read["timeRemaining"]?.text.contains(".") == false)
        #expect(read["isNearExpiration"] == false)
        #expect(read["status"] == "idle" && read["phase"] == "created" && read["version"] == 1)
        try node.say("hi", in: id)
        let active = try node.call("GET", "/\(id)")
        #expect(active["phase"] == "active" && active["version"] == 2 && active["renewalCount"] == 1)
        try node.advance(minutes: 16)
        #expect(try node.call("GET", "/\(id)")["phase"] == "dormant")
        try node.advance(minutes: 10)
        let near = try node.call("GET", "/\(id)")
        #expect(near["phase"] == "expiring" && near["isNearExpiration"] == true)
        await node.stop()
    }

    static func at(_ value: JSON?) throws -> Instant {
        let text = try #require(value?.string)
        return try #require(Instant(iso8601: text))
    }

    @Test func `a delete says so, and then there is nothing, on every node`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis), try await TestNode.start(on: redis, name: "b"))
        let id = try a.create()
        let deleted = try b.call("DELETE", "/\(id)")
        #expect(deleted.status == 200)
        #expect(
            deleted.text
                == #"{"success":true,"message":"Session \#(id) deleted successfully","data":{"success":true}}"#)
        for node in [a, b] {
            for (method, path) in [
                ("GET", ""), ("DELETE", ""), ("POST", "/renew"), ("POST", "/heartbeat"), ("GET", "/messages"),
            ] {
                let answer = try node.call(method, "/\(id)\(path)")
                #expect(
                    answer.status == 404 && answer.message == "Session with ID '\(id)' not found", "\(method) \(path)")
            }
            #expect(try node.say("late", in: id).status == 404)
        }
        // A body that is empty although it is announced as JSON is fine.
        let other = try a.create()
        let json = ["Content-Type": "application/json"]
        #expect(try a.call("POST", "/\(other)/renew", "", headers: json).status == 200)
        #expect(try a.call("POST", "/\(other)/heartbeat", "", headers: json).status == 200)
        #expect(try a.call("DELETE", "/\(other)", "", headers: json).status == 200)
        await a.stop()
        await b.stop()
    }

    @Test func `a conversation key leads to one live session of an agent`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis), try await TestNode.start(on: redis, name: "b"))
        func create(_ node: TestNode, agent: String = TestNode.agent, key: String = "slack:C1:ts") throws -> HTTPAnswer
        {
            try node.call(
                "POST", "", #"{"agentId":"\#(agent)","userId":"\#(TestNode.user)","conversationKey":"\#(key)"}"#)
        }
        let first = try create(a)
        let again = try create(b)
        #expect(first.status == 201 && again.status == 200)
        #expect(first["sessionId"] == again["sessionId"])
        #expect(again.json.names == Self.created)
        let other = try create(b, agent: "44444444-4444-4444-8444-444444444444")
        #expect(other.status == 201 && other["sessionId"] != first["sessionId"])
        #expect(try create(a, key: "slack:C2:ts").status == 201)
        let id = try #require(first["sessionId"]?.string)
        #expect(try a.call("GET", "/\(id)")["conversationKey"] == "slack:C1:ts")
        #expect(try b.call("DELETE", "/\(id)").status == 200)
        let fresh = try create(a)
        #expect(fresh.status == 201 && fresh["sessionId"] != first["sessionId"])
        // Past its deadline a session holds its key no longer, swept or not.
        try a.advance(minutes: 31)
        let afterwards = try create(b)
        #expect(afterwards.status == 201 && afterwards["sessionId"] != fresh["sessionId"])
        await a.stop()
        await b.stop()
    }

    @Test func `the list pages newest first, filters, and counts`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let other = "44444444-4444-4444-8444-444444444444"
        var ids: [String] = []
        for number in 0..<25 {
            let agent = number % 5 == 0 ? other : TestNode.agent
            let answer = try node.call(
                "POST", "", #"{"agentId":"\#(agent)","userId":"\#(TestNode.user)","metadata":{"n":\#(number)}}"#)
            ids.append(try #require(answer["sessionId"]?.string))
        }
        #expect(try node.call("DELETE", "/\(ids[24])").status == 200)
        var seen: [String] = []
        var cursor = ""
        var pages = 0
        repeat {
            let page = try node.call("GET", "?limit=7\(cursor)")
            #expect(page.status == 200)
            #expect(page["total"] == 24)
            #expect(page["stats"]?.text == #"{"totalSessions":25,"activeSessions":24,"expiredSessions":1}"#)
            let sessions = try #require(page["sessions"]?.array)
            if pages == 0 {
                #expect(page.json.names == ["sessions", "total", "stats", "nextCursor"])
                #expect(sessions[0].names == Self.info)
            }
            seen += sessions.compactMap { $0["sessionId"]?.string }
            cursor = page["nextCursor"]?.string.map { "&cursor=\($0)" } ?? ""
            pages += 1
        } while !cursor.isEmpty && pages < 10
        #expect(pages == 4)
        #expect(seen.count == 24 && Set(seen) == Set(ids.dropLast()))
        let times = try seen.map { try Self.at(try node.call("GET", "/\($0)")["createdAt"]) }
        #expect(times == times.sorted().reversed())
        let filtered = try node.call("GET", "?agentId=\(other)&limit=100")
        #expect(filtered["total"] == 5 && filtered["sessions"]?.array?.count == 5)
        #expect(try node.call("GET", "?userId=\(TestNode.user)")["total"] == 24)
        #expect(try node.call("GET", "?userId=\(other)")["total"] == 0)
        #expect(try node.call("GET", "?status=idle")["sessions"]?.array?.count == 24)
        #expect(try node.call("GET", "?status=running")["sessions"] == [])
        await node.stop()
    }

    @Test func `health tells what is there, and when Redis is away`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        // What is not known yet counts as well: the node has not heard itself on its channels so soon.
        #expect(try node.call("GET", "/health")["status"] == "healthy")
        _ = try node.create()
        let expiring = try node.create(config: #"{"timeoutMinutes":5,"warningThresholdMinutes":5}"#)
        try node.advance(minutes: 3)
        try await eventually("the counts are fresh") {
            let answer = try node.call("GET", "/health")
            #expect(answer["status"] == "healthy")
            return answer["activeSessions"] == 2
        }
        let healthy = try node.call("GET", "/health")
        #expect(healthy.status == 200)
        #expect(healthy["status"] == "healthy")
        #expect(healthy["expiringSoon"] == 1, "\(expiring) is about to end")
        #expect(Self.isInstant(healthy["timestamp"]))
        #expect(healthy["uptime"]?.int != nil)
        redis.kill9()
        try await eventually("the loss is noticed") { try node.call("GET", "/health").status == 503 }
        let away = try node.call("GET", "/health")
        #expect(away["status"] == "unhealthy")
        for name in ["activeSessions", "timestamp", "expiringSoon", "uptime"] { #expect(away[name] != nil, "\(name)") }
        #expect(try node.call("GET", target: "/livez").status == 200)
        try await redis.restart()
        try await eventually("it is well again") {
            let answer = try node.call("GET", "/health")
            return answer.status == 200 && answer["status"] == "healthy"
        }
        await node.stop()
    }
}
