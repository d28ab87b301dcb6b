import SojournArchive
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// The transcripts of ended sessions are read from any node, whoever holds them.
@Suite struct ReachTests {
    /// Waits until an archive serves a session.
    private func handedOver(_ id: String, to node: TestNode) async throws {
        let archive = try #require(node.archive)
        try await eventually(within: 30, "the hand-over") { try await archive.session(id) != nil }
    }

    @Test func `after the tombstone has lapsed every node still finds the transcript, wherever it is`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        // Whoever follows a session has it; here they share when it ends.
        let a = try await TestNode.start(
            on: redis, archivePath: folder.file("a.sqlite"), store: { $0.archiveFollows = false })
        let b = try await TestNode.start(
            on: redis, name: "b", archivePath: folder.file("b.sqlite"), store: { $0.archiveFollows = false })
        let c = try await TestNode.start(on: redis, name: "c")
        let archives = try [#require(a.archive), #require(b.archive)]
        for node in [a, b] {
            try await eventually("they know each other") { try await node.store.archivistsAtWork().count == 2 }
        }
        // More events than one answer holds, and an event that is large.
        let ids = try (0..<12).map { _ in try c.create() }
        for (place, id) in ids.enumerated() {
            for number in 1...(place == 0 ? 300 : 3) { try c.say("\(number) of \(id) — été", in: id) }
            try await c.answer(String(repeating: "long ", count: 40_000), in: id)
        }
        let live = try ids.map { try c.call("GET", "/\($0)/events?limit=1000") }
        for id in ids { #expect(try c.call("DELETE", "/\(id)").status == 200) }
        var holders: [String: Archive] = [:]
        try await eventually(within: 30, "all are archived") {
            for id in ids where holders[id] == nil {
                for archive in archives where try await archive.session(id) != nil { holders[id] = archive }
            }
            return holders.count == ids.count
        }
        let client = try redis.client()
        for lapsed in [false, true] {
            if lapsed {
                for key in try client.send("KEYS", "sj:*:t:*").array.compactMap(\.string) {
                    try client.send("DEL", key)
                }
            }
            for (id, before) in zip(ids, live) {
                for node in [a, b, c] {
                    let session = try node.call("GET", "/\(id)?archived=1")
                    #expect(session["status"] == "ended" && session["archived"] == true, "\(session.text)")
                    let events = try node.call("GET", "/\(id)/events?archived=1&limit=1000")
                    let known = try #require(before["events"]?.array)
                    #expect(events["events"]?.array?.prefix(known.count) == known[...])
                    #expect(events["hasMore"] == false && events["events"]?.array?.count == known.count + 1)
                }
            }
        }
        #expect(Set(holders.values.map(\.id)).count == 2)
        // An id that nobody has is nobody's; once an archivist is away, nobody can say.
        let stranger = SessionID(at: Instant(milliseconds: 1_700_000_000_000), partition: 3).text
        #expect(try c.call("GET", "/\(stranger)?archived=1").code == "SESSION_NOT_FOUND")
        await a.stop()
        for (id, holder) in holders {
            for path in ["", "/messages", "/events"] {
                let answer = try c.call("GET", "/\(id)\(path)?archived=1")
                guard holder === archives[0] else {
                    #expect(answer.status == 200, "\(answer.text)")
                    continue
                }
                #expect(answer.status == 503 && answer.code == "ARCHIVE_UNAVAILABLE", "\(answer.text)")
                #expect(answer["error"]?["details"]?["archivist"]?.string == archives[0].id)
                #expect(answer.message?.contains(archives[0].id) == true && answer.header("Retry-After") == "5")
            }
        }
        #expect(try c.call("GET", "/\(stranger)?archived=1").status == 503)
        await b.stop()
        await c.stop()
    }

    @Test func `an archivist that is away is named while the tombstone stands, and read again when it is back`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let a = try await TestNode.start(on: redis, archivePath: folder.file("a.sqlite"))
        let b = try await TestNode.start(on: redis, name: "b")
        let id = try b.create()
        try b.say("hi", in: id)
        try await a.expire(id)
        try await self.handedOver(id, to: a)
        let archivist = try #require(a.archive?.id)
        await a.stop()
        let away = try b.call("GET", "/\(id)/messages?archived=1")
        #expect(away.status == 503 && away.code == "ARCHIVE_UNAVAILABLE")
        #expect(away["error"]?["details"]?.text == #"{"sessionId":"\#(id)","archivist":"\#(archivist)"}"#)
        // The live routes say what they always say.
        #expect(try b.call("GET", "/\(id)").status == 410)
        let again = try await TestNode.start(on: redis, archivePath: folder.file("a.sqlite"))
        try await eventually("it is read again") { try b.call("GET", "/\(id)?archived=1").status == 200 }
        #expect(try b.call("GET", "/\(id)/messages?archived=1")["messages"]?.array?.count == 1)
        await again.stop()
        await b.stop()
    }

    @Test func `a session that is archived early stays readable, and refuses writes`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let a = try await TestNode.start(on: redis, archivePath: folder.file("a.sqlite"))
        let b = try await TestNode.start(on: redis, name: "b")
        let id = try b.create()
        for number in 1...3 { try b.say("\(number)", in: id) }
        let history = try b.call("GET", "/\(id)/messages")
        let closed = try b.call("POST", "/\(id)/archive")
        #expect(closed.status == 200 && closed["status"] == "archived" && closed["archived"] == true)
        #expect(closed["phase"] == "closed")
        func look() throws {
            for node in [a, b] {
                for (method, path, body) in [
                    ("POST", "/messages", #"{"content":"late"}"#), ("POST", "/renew", nil), ("POST", "/heartbeat", nil),
                    ("PATCH", "/timeout", #"{"timeoutMinutes":60}"#), ("DELETE", "", nil),
                ] {
                    let answer = try node.call(method, "/\(id)\(path)", body)
                    #expect(answer.status == 409 && answer.code == "SESSION_ARCHIVED", "\(method) \(path)")
                }
                #expect(try node.call("GET", "/\(id)")["status"] == "archived")
                #expect(try node.call("GET", "/\(id)?archived=1").text == node.call("GET", "/\(id)").text)
                #expect(try node.call("GET", "/\(id)/messages")["messages"] == history["messages"])
                let events = try node.call("GET", "/\(id)/events")["events"]?.array
                #expect(events?.count == 5 && events?.last?["type"] == "session.archived")
                // Once more changes nothing.
                #expect(try node.call("POST", "/\(id)/archive")["endedAt"] == closed["endedAt"])
            }
        }
        try look()
        try await self.handedOver(id, to: a)
        try look()
        // Others cannot be archived any more.
        let expired = try b.create(config: #"{"timeoutMinutes":5}"#)
        try await a.expire(expired)
        #expect(try b.call("POST", "/\(expired)/archive").status == 410)
        let deleted = try b.create()
        #expect(try b.call("DELETE", "/\(deleted)").status == 200)
        #expect(try b.call("POST", "/\(deleted)/archive").status == 404)
        await a.stop()
        await b.stop()
    }

    @Test func `where nobody archives nothing is archived early`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis) { $0.archiving = false }
        let id = try node.create()
        let answer = try node.call("POST", "/\(id)/archive")
        #expect(answer.status == 503 && answer.code == "ARCHIVE_UNAVAILABLE")
        #expect(try node.call("GET", "/\(id)").status == 200)
        #expect(try node.call("DELETE", "/\(id)").status == 200)
        #expect(try node.call("GET", "/\(id)")["error"]?["details"] == nil)
        #expect(try node.call("GET", "/\(id)?archived=1").status == 404)
        await node.stop()
    }
}
