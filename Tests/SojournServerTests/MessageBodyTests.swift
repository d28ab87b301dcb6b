import SojournArchive
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct MessageBodyTests {
    @Test func `a sent message is read by three generations of clients`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create(more: #","metadata":{"plan":"pro","own":"session"}"#)
        let session = try node.call("GET", "/\(id)")
        try node.advance(minutes: 1)
        let sent = try node.call(
            "POST", "/\(id)/messages",
            #"{"content":"hé 😀","attachments":[{"url":"x"}],"metadata":{"own":"message","sessionId":"forged"}}"#)
        #expect(sent.status == 201)
        #expect(sent["success"] == true)
        let merged = #"{"plan":"pro","own":"message","sessionId":"\#(id)"}"#
        let user = try #require(sent["userMessage"])
        #expect(
            user.names == [
                "id", "channel_id", "message_server_id", "author_id", "content", "created_at", "source_type",
                "raw_message", "metadata", "channelId", "authorId", "createdAt",
            ])
        #expect(user["channel_id"] == session["channelId"] && user["channelId"] == session["channelId"])
        #expect(user["message_server_id"] == "00000000-0000-0000-0000-000000000000")
        #expect(user["author_id"]?.string == TestNode.user && user["authorId"]?.string == TestNode.user)
        #expect(user["source_type"] == "user")
        #expect(user["content"] == "hé 😀")
        #expect(user["raw_message"]?.text == #"{"content":"hé 😀","attachments":[{"url":"x"}]}"#)
        #expect(user["metadata"]?.text == merged)
        let at = try #require(user["created_at"]?.int)
        #expect(try SessionBodyTests.at(user["createdAt"]).milliseconds == Int64(at))
        #expect(SessionBodyTests.isInstant(user["createdAt"]))
        for body in [sent.json, try #require(sent["data"])] {
            #expect(body["id"] == user["id"])
            #expect(body["content"] == "hé 😀")
            #expect(body["authorId"]?.string == TestNode.user)
            #expect(body["createdAt"] == user["createdAt"])
            #expect(body["metadata"]?.text == merged)
        }
        #expect(sent["data"]?.names == ["id", "content", "authorId", "createdAt", "metadata"])
        let status = try #require(sent["sessionStatus"])
        #expect(status.names == ["expiresAt", "renewalCount", "wasRenewed", "isNearExpiration"])
        let pushed = try SessionBodyTests.at(status["expiresAt"]) - SessionBodyTests.at(session["expiresAt"])
        #expect(pushed >= 60_000)
        #expect(status["renewalCount"] == 1 && status["wasRenewed"] == true && status["isNearExpiration"] == false)
        #expect(sent["agentResponse"] == nil && sent["pending"] == nil)
        #expect(try node.call("GET", "/\(id)").json["expiresAt"] == status["expiresAt"])
        // Without auto-renewal a message changes nothing about the deadline.
        let still = try node.create(config: #"{"autoRenew":false}"#)
        let quiet = try node.say("hi", in: still)
        #expect(quiet["sessionStatus"]?["wasRenewed"] == false && quiet["sessionStatus"]?["renewalCount"] == 0)
        await node.stop()
    }

    @Test func `the history merges metadata and knows the agent`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create(more: #","metadata":{"plan":"pro","own":"session"}"#)
        let empty = try node.call("GET", "/\(id)/messages")
        #expect(empty.text == #"{"messages":[],"hasMore":false}"#)
        let sent = try node.call(
            "POST", "/\(id)/messages",
            #"{"content":"a","attachments":[1],"metadata":{"own":"message","sessionId":"forged"}}"#)
        try await node.answer("b", in: id)
        let page = try node.call("GET", "/\(id)/messages")
        let messages = try #require(page["messages"]?.array)
        #expect(messages.count == 2)
        #expect(messages[0].names == ["id", "content", "authorId", "isAgent", "createdAt", "metadata", "seq"])
        #expect(messages[0]["content"] == "b" && messages[0]["isAgent"] == true && messages[0]["seq"] == 3)
        #expect(messages[0]["authorId"]?.string == TestNode.agent)
        #expect(messages[0]["metadata"]?.text == #"{"plan":"pro","own":"session","sessionId":"\#(id)"}"#)
        #expect(messages[1]["id"] == sent["id"] && messages[1]["createdAt"] == sent["createdAt"])
        #expect(messages[1]["isAgent"] == false && messages[1]["attachments"]?.text == "[1]")
        #expect(messages[1]["metadata"]?.text == #"{"plan":"pro","own":"message","sessionId":"\#(id)"}"#)
        #expect(page["cursors"]?.text == #"{"before":"seq:2","after":"seq:3"}"#)
        #expect(page["archived"] == nil)
        await node.stop()
    }

    @Test func `pages meet without overlap, in both directions, and hasMore is exact`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        for number in 1...12 {
            try node.say("\(number)", in: id)
            // Entries that are no messages lie between.
            if number % 4 == 0 { #expect(try node.call("POST", "/\(id)/renew").status == 200) }
        }
        func contents(_ page: HTTPAnswer) -> [String] {
            (page["messages"]?.array ?? []).compactMap { $0["content"]?.string }
        }
        let all = (1...12).reversed().map(String.init)
        for limit in [1, 3, 4, 5, 6, 12, 13] {
            var seen: [String] = []
            var query = ""
            var more = true
            while more {
                let page = try node.call("GET", "/\(id)/messages?limit=\(limit)\(query)")
                seen += contents(page)
                more = page["hasMore"]?.bool ?? false
                #expect(more == (seen.count < 12), "limit \(limit), after \(seen.count)")
                query = "&before=\(page["cursors"]?["before"]?.string ?? "")"
            }
            #expect(seen == all, "limit \(limit)")
            var forward: [String] = []
            query = "&after=seq:0"
            repeat {
                let page = try node.call("GET", "/\(id)/messages?limit=\(limit)\(query)")
                forward = contents(page) + forward
                more = page["hasMore"]?.bool ?? false
                #expect(more == (forward.count < 12), "limit \(limit), forward after \(forward.count)")
                query = "&after=\(page["cursors"]?["after"]?.string ?? "")"
            } while more
            #expect(forward == all, "limit \(limit), forward")
        }
        let middle = try node.call("GET", "/\(id)/messages?after=seq:3&before=seq:6")
        #expect(contents(middle) == ["4", "3"] && middle["hasMore"] == false)
        await node.stop()
    }

    @Test func `cursors are times for those who ask with times`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create(config: #"{"timeoutMinutes":1440}"#)
        var times: [Int] = []
        for number in 1...4 {
            times.append(try #require(try node.say("\(number)", in: id)["userMessage"]?["created_at"]?.int))
            try node.advance(minutes: 1)
        }
        let page = try node.call("GET", "/\(id)/messages?before=\(times[3])&limit=2")
        #expect(page["messages"]?.array?.compactMap { $0["content"]?.string } == ["3", "2"])
        #expect(page["hasMore"] == true)
        #expect(page["cursors"]?.text == #"{"before":\#(times[1]),"after":\#(times[2])}"#)
        let iso = Instant(milliseconds: Int64(times[0])).iso8601
        for after in ["\(times[0])", iso, iso.replacing(":", with: "%3A")] {
            let forward = try node.call("GET", "/\(id)/messages?after=\(after)&limit=2")
            #expect(forward["messages"]?.array?.compactMap { $0["content"]?.string } == ["3", "2"], "\(after)")
            #expect(forward["hasMore"] == true)
            #expect(forward["cursors"]?["after"]?.int == times[2])
        }
        let none = try node.call("GET", "/\(id)/messages?before=\(times[0])")
        #expect(none.text == #"{"messages":[],"hasMore":false}"#)
        await node.stop()
    }

    /// What a client that walks by times sees, along the cursors that it is given.
    private func walk(_ node: TestNode, _ id: String, limit: Int, forward: Bool, _ more: String) throws -> [Int] {
        var seqs: [Int] = []
        var cursor = forward ? "0" : "4102444800000"
        while true {
            let page = try node.call(
                "GET", "/\(id)/messages?limit=\(limit)&\(forward ? "after" : "before")=\(cursor)\(more)")
            let messages = try #require(page["messages"]?.array, "\(page.text)")
            #expect(messages.count <= limit)
            let own = messages.compactMap { $0["seq"]?.int }
            seqs += forward ? own.reversed() : own
            guard page["hasMore"] == true, seqs.count < 500 else { return seqs }
            let next = try #require(page["cursors"]?[forward ? "after" : "before"])
            cursor = next.string ?? next.text
        }
    }

    @Test func `who pages by times misses no message of those that share a millisecond, live and archived`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let node = try await TestNode.start(
            on: redis, archivePath: folder.file("a.sqlite"), store: { $0.logWindow = 30 })
        let archive = try #require(node.archive)
        let id = try node.create(config: #"{"timeoutMinutes":1440}"#)
        let store = node.store
        for round in 0..<3 {
            await withTaskGroup { group in
                for number in 0..<30 {
                    group.addTask {
                        let draft = MessageDraft(author: .user, authorID: TestNode.user, content: "\(round).\(number)")
                        _ = try? await store.send(draft, to: id)
                    }
                }
            }
        }
        let all = try node.call("GET", "/\(id)/messages?limit=100")["messages"]?.array ?? []
        let seqs = all.compactMap { $0["seq"]?.int }
        try #require(seqs.count == 90)
        #expect(Set(all.compactMap { $0["createdAt"]?.string }).count < 90, "some share a millisecond")
        func check(_ when: String, _ more: String) throws {
            for limit in [1, 3, 7] {
                #expect(try self.walk(node, id, limit: limit, forward: false, more) == seqs, "\(when), limit \(limit)")
                #expect(
                    try self.walk(node, id, limit: limit, forward: true, more) == seqs.reversed(),
                    "\(when), forward, limit \(limit)")
            }
        }
        try check("live", "")
        // What is older than the window is in the archive, and the border is inside some page.
        try await eventually(within: 60, "the log is trimmed") {
            let client = try redis.client()
            let key = try client.send("KEYS", "*:l:\(id)").array.first?.string ?? ""
            return try client.send("LLEN", key).string.flatMap { Int($0) } ?? 1000 <= 30
        }
        try check("across the border", "")
        #expect(try node.call("DELETE", "/\(id)").status == 200)
        try await eventually("the hand-over") { try await archive.session(id) != nil }
        try check("archived", "&archived=1")
        await node.stop()
    }

    @Test func `a number as clientMessageId is what a retry repeats`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        func say(_ metadata: String) throws -> JSON? {
            try node.call("POST", "/\(id)/messages", #"{"content":"x","metadata":\#(metadata)}"#)["id"]
        }
        let first = try say(#"{"clientMessageId":7}"#)
        #expect(first != nil)
        #expect(try say(#"{"clientMessageId":7}"#) == first)
        #expect(try say(#"{"clientMessageId":8}"#) != first)
        #expect(try say(#"{"clientMessageId":true}"#) != say(#"{"clientMessageId":true}"#), "that is no name")
        await node.stop()
    }

    @Test func `the field that is wrong is named, beside the words that clients know`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        for (body, field) in [
            (#"{"content":"x","attachments":{}}"#, "attachments"), (#"{"content":"x","transport":"foo"}"#, "transport"),
            (#"{"content":"x","transport":5}"#, "transport"), (#"{"content":"x","mode":"foo"}"#, "mode"),
            (#"{"content":5}"#, "content"), (#"{"content":" "}"#, "content"), ("[]", "content"),
        ] {
            let answer = try node.call("POST", "/\(id)/messages", body)
            #expect(answer.code == "VALIDATION_ERROR" && answer.message?.hasPrefix("Invalid content: ") == true)
            #expect(answer["error"]?["details"]?["field"]?.string == field, "\(body): \(answer.text)")
        }
        await node.stop()
    }

    @Test func `the log is given as it is stored, page by page`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        for number in 1...5 { try node.say("\(number)", in: id) }
        let all = try node.call("GET", "/\(id)/events")
        #expect(all.json.names == ["events", "hasMore", "head", "epoch", "cursors"])
        let events = try #require(all["events"]?.array)
        #expect(events.compactMap { $0["seq"]?.int } == Array(1...6))
        #expect(events[0]["type"] == "session.created" && events[1]["type"] == "user.message")
        #expect(events[1].names == ["v", "epoch", "seq", "at", "type", "sessionId", "data"])
        #expect(events.allSatisfy { $0["v"] == 1 && $0["at"]?.int != nil && $0["sessionId"]?.string == id })
        #expect(all["head"] == 6 && all["hasMore"] == false && all["epoch"] == events[0]["epoch"])
        func seqs(_ query: String) throws -> [Int] {
            try node.call("GET", "/\(id)/events\(query)")["events"]?.array?.compactMap { $0["seq"]?.int } ?? []
        }
        #expect(try seqs("?limit=2") == [1, 2])
        #expect(try seqs("?after=2&limit=2") == [3, 4])
        #expect(try seqs("?before=5&limit=2") == [3, 4])
        #expect(try seqs("?after=2&before=5") == [3, 4])
        #expect(try seqs("?after=6") == [])
        #expect(try seqs("?before=1") == [])
        #expect(try seqs("?types=session.created") == [1])
        #expect(try seqs("?types=session.created,user.message&limit=2") == [1, 2])
        #expect(try seqs("?types[]=session.created&types[]=nothing") == [1])
        let epoch = try #require(all["epoch"]?.string)
        #expect(try seqs("?after=\(epoch):4") == [5, 6])
        await node.stop()
    }
}
