import SojournArchive
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct AfterlifeTests {
    @Test func `an expired session is 410 with the same words, before and after the sweep and the archive`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let a = try await TestNode.start(on: redis)
        let b = try await TestNode.start(on: redis, name: "b")
        let id = try a.create(config: #"{"timeoutMinutes":5}"#)
        try a.say("hi", in: id)
        let deadline = try #require(try a.call("GET", "/\(id)")["expiresAt"]?.string)
        // The clock moves in Redis alone, so no sweeper is told: the first looks come before the sweep.
        let client = try redis.client()
        let key = try #require(try client.send("KEYS", "sj:*:s:\(id)").array.first?.string)
        try client.send("HINCRBY", key.replacing("s:\(id)", with: "clk"), "offset", "360000")
        var bodies: Set<String> = []
        func look(_ when: String) throws {
            for node in [a, b] {
                for (method, path) in [
                    ("GET", ""), ("DELETE", ""), ("POST", "/renew"), ("POST", "/heartbeat"), ("GET", "/messages"),
                    ("GET", "/events"), ("GET", "/stream"),
                ] {
                    let answer = try node.call(method, "/\(id)\(path)")
                    #expect(answer.status == 410, "\(when): \(method) \(path)")
                    #expect(answer.code == "SESSION_EXPIRED")
                    #expect(answer.message == "Session '\(id)' expired at \(deadline)", "\(when): \(method) \(path)")
                    bodies.insert(answer["error"]?["details"]?.text ?? "")
                }
                #expect(try node.say("late", in: id).status == 410)
                #expect(try node.call("PATCH", "/\(id)/timeout", #"{"timeoutMinutes":60}"#).status == 410)
                let beat = try node.call("POST", "/heartbeat", #"{"sessions":["\#(id)"]}"#)
                #expect(beat["results"]?.array?.first?["error"]?["code"] == "SESSION_EXPIRED")
            }
        }
        try look("before the sweep")
        try await eventually("the sweep") {
            try a.call("GET", "")["stats"]?.text == #"{"totalSessions":1,"activeSessions":0,"expiredSessions":1}"#
        }
        try look("after the sweep")
        let c = try await TestNode.start(on: redis, name: "c", archivePath: folder.file("c.sqlite"))
        try await eventually("the hand-over") { try client.send("KEYS", "*:l:\(id)") == .array([]) }
        try look("after the hand-over")
        #expect(
            bodies == [
                #"{"sessionId":"\#(id)","expiresAt":"\#(deadline)","successor":null,"archiveUrl":"\#(TestNode.base)/\#(id)?archived=1"}"#
            ])
        for node in [a, b, c] { await node.stop() }
    }

    @Test func `the archive answers reads that ask for it`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let a = try await TestNode.start(on: redis, archivePath: folder.file("a.sqlite"))
        let b = try await TestNode.start(on: redis, name: "b")
        let id = try a.create(config: #"{"timeoutMinutes":5}"#, more: #","metadata":{"plan":"pro"}"#)
        for number in 1...5 { try a.say("\(number)", in: id) }
        let (live, history) = (try a.call("GET", "/\(id)"), try a.call("GET", "/\(id)/messages"))
        let log = try a.call("GET", "/\(id)/events")
        // Of a live session the same reads answer as always, and say that it is not archived.
        #expect(try b.call("GET", "/\(id)?archived=1")["archived"] == false)
        #expect(try b.call("GET", "/\(id)/messages?archived=1")["archived"] == false)
        try await a.expire(id)
        let archive = try #require(a.archive)
        try await eventually("the hand-over") { try await archive.session(id) != nil }
        let session = try a.call("GET", "/\(id)?archived=1")
        #expect(session.status == 200)
        #expect(session["archived"] == true)
        #expect(session["status"] == "expired" && session["phase"] == "closed" && session["timeRemaining"] == 0)
        for name in ["sessionId", "channelId", "agentId", "userId", "createdAt", "metadata", "timeoutConfig"] {
            #expect(session[name] == live[name], "\(name)")
        }
        #expect(session["endedAt"] == session["expiresAt"])
        let messages = try a.call("GET", "/\(id)/messages?archived=1")
        #expect(messages["archived"] == true)
        #expect(messages["messages"] == history["messages"])
        let page = try a.call("GET", "/\(id)/messages?archived=1&limit=2&before=seq:5")
        #expect(page["messages"]?.array?.compactMap { $0["content"]?.string } == ["3", "2"])
        #expect(page["hasMore"] == true)
        let events = try a.call("GET", "/\(id)/events?archived=1")
        let before = try #require(log["events"]?.array)
        #expect(events["events"]?.array?.prefix(before.count) == before[...])
        #expect(events["events"]?.array?.last?["type"] == "session.expired")
        // Another node has no archive, and answers the same, byte for byte.
        let url = try #require(try b.call("GET", "/\(id)")["error"]?["details"]?["archiveUrl"]?.string)
        #expect(try b.call("GET", target: url).text == session.text)
        for path in ["/messages?archived=1&limit=2&before=seq:5", "/events?archived=1"] {
            let (here, there) = (try a.call("GET", "/\(id)\(path)"), try b.call("GET", "/\(id)\(path)"))
            #expect(there.status == 200 && there.text == here.text, "\(path)")
        }
        #expect(try a.call("GET", "/\(id)").status == 410)
        await a.stop()
        await b.stop()
    }

    @Test func `a deleted session is 404 for the live routes, and read from the archive`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let node = try await TestNode.start(on: redis, archivePath: folder.file("a.sqlite"))
        let id = try node.create()
        try node.say("hi", in: id)
        #expect(try node.call("DELETE", "/\(id)").status == 200)
        // Whether it waits for the archivist or is archived already: the read answers.
        let waiting = try node.call("GET", "/\(id)/messages?archived=1")
        #expect(waiting.status == 200 && waiting["archived"] == true && waiting["messages"]?.array?.count == 1)
        let archive = try #require(node.archive)
        try await eventually("the hand-over") { try await archive.session(id) != nil }
        let read = try node.call("GET", "/\(id)?archived=1")
        #expect(read["archived"] == true && read["status"] == "ended")
        #expect(try node.call("GET", "/\(id)").status == 404)
        await node.stop()
    }
}
