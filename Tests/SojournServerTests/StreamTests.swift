import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct StreamTests {
    @Test func `the head of a stream is exactly what clients insist on`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        for accept in ["text/event-stream", "application/json", "text/html;q=0.1", "nonsense", ""] {
            let stream = try StreamClient(node, id, headers: ["Accept": accept])
            #expect(stream.head.status == 200, "\(accept)")
            #expect(stream.head.header("Content-Type") == "text/event-stream")
            #expect(stream.head.header("Cache-Control") == "no-cache")
            #expect(stream.head.header("Connection") == "keep-alive")
            #expect(stream.head.header("Content-Length") == nil)
        }
        await node.stop()
    }

    @Test func `the bytes of a stream keep to the letter`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.streamHeartbeat = 20 })
        let id = try node.create()
        try node.say("one\nline 😀", in: id)
        let stream = try StreamClient(node, id, "?after=0")
        var text = ""
        func read(until done: (String) -> Bool) throws {
            for _ in 0..<1000 where !done(text) {
                text += String(decoding: try #require(try stream.http.readChunk()), as: UTF8.self)
            }
        }
        func beats() -> Int { text.ranges(of: ": hb\n").count }
        try read { _ in beats() >= 3 }
        try node.say("two", in: id)
        try read { $0.contains("two") }
        let before = beats()
        try read { _ in beats() >= before + 3 }
        #expect(text.hasPrefix("retry: "))
        #expect(text.ranges(of: "retry:").count == 1)
        #expect(text.contains(": hb\n: hb\n"), "several in a row have one newline each")
        #expect(!text.contains(": hb\n\n") && !text.contains("\n\n\n") && !text.contains("\r"))
        // Without keep-alives and the pause there are frames only: type, id, one line of data, a blank line.
        let frames = text.replacing(": hb\n", with: "").split(separator: "\n\n")
        #expect(frames.count == 4)
        for (place, frame) in frames.enumerated() {
            let lines = frame.split(separator: "\n", omittingEmptySubsequences: false).filter {
                !$0.hasPrefix("retry: ")
            }
            #expect(lines.count == 3, "\(frame)")
            #expect(lines[0].hasPrefix("event: ") && lines[1].hasPrefix("id: ") && lines[2].hasPrefix("data: {"))
            let json = try JSON.parse(String(lines[2].dropFirst(6)))
            #expect(lines[0] == "event: \(json["type"]?.string ?? "")")
            let seq = [1, 2, 2, 3][place]
            #expect(lines[1] == "id: \(json["epoch"]?.string ?? ""):\(seq)")
        }
        #expect(frames.map { $0.contains("event: stream.ready") } == [false, false, true, false])
        await node.stop()
    }

    @Test func `a node streams what another one takes, byte for byte`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis), try await TestNode.start(on: redis, name: "b"))
        let id = try a.create()
        let (first, second) = (try StreamClient(b, id), try StreamClient(a, id))
        for stream in [first, second] {
            let ready = try #require(try stream.next())
            #expect(ready.event == "stream.ready")
            #expect(ready.json["data"]?["cursor"]?.string == ready.id)
            #expect(ready.id?.hasSuffix(":1") == true && ready.json["seq"] == nil)
        }
        try a.say("from a", in: id)
        try b.say("from b", in: id)
        try await a.answer(String(repeating: "long ", count: 4000), in: id)
        #expect(try b.call("POST", "/\(id)/renew").status == 200)
        #expect(try b.call("PATCH", "/\(id)/timeout", #"{"timeoutMinutes":60}"#).status == 200)
        let (there, here) = (try first.read(through: "session.updated"), try second.read(through: "session.updated"))
        #expect(there == here)
        #expect(
            there.map(\.event) == [
                "user.message", "user.message", "agent.message", "session.renewed", "session.updated",
            ])
        #expect(there.compactMap(\.seq) == [2, 3, 4, 5, 6])
        let log = try a.call("GET", "/\(id)/events?after=1&limit=5").text
        for event in there { #expect(log.contains(event.data ?? "-")) }
        await a.stop()
        await b.stop()
    }

    @Test func `a reader resumes after what it has`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis), try await TestNode.start(on: redis, name: "b"))
        let id = try a.create()
        for number in 1...9 { try a.say("\(number)", in: id) }
        let epoch = try #require(try a.call("GET", "/\(id)/events")["epoch"]?.string)
        let rows: [(String, [String: String], [Int])] = [
            ("?after=0", [:], Array(1...10)), ("?after=4", [:], Array(5...10)), ("?after=\(epoch):7", [:], [8, 9, 10]),
            ("?after=\(epoch):10", [:], []), ("", [:], []), ("?after=", ["Last-Event-ID": ""], []),
            ("", ["Last-Event-ID": "\(epoch):8"], [9, 10]), ("?after=0", ["Last-Event-ID": "\(epoch):8"], [9, 10]),
            ("?after=0", ["last-event-id": "0"], Array(1...10)), ("?after=8", ["Last-Event-ID": ""], [9, 10]),
        ]
        for (query, headers, seqs) in rows {
            let events = try StreamClient(b, id, query, headers: headers).read(through: "stream.ready")
            #expect(events.compactMap(\.seq) == seqs, "\(query) \(headers)")
            #expect(events.last?.id == "\(epoch):10", "\(query) \(headers)")
        }
        await a.stop()
        await b.stop()
    }

    @Test func `a cursor that the log cannot honour is told of the gap`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        for number in 1...4 { try node.say("\(number)", in: id) }
        let epoch = try #require(try node.call("GET", "/\(id)/events")["epoch"]?.string)
        for after in ["99", "0badcafe.7:3", "\(epoch):99"] {
            let events = try StreamClient(node, id, "?after=\(after)").read(through: "stream.ready")
            let gap = try #require(events.first)
            #expect(gap.event == "stream.gap", "\(after)")
            #expect(gap.json["data"]?.names == ["from", "to", "epoch"])
            #expect(gap.json["data"]?["epoch"]?.string == epoch)
            let cursor = try #require(gap.id.flatMap { Cursor($0) })
            #expect(cursor.epoch == epoch)
            // It goes on after the gap's id, and ends at the head.
            #expect(events.compactMap(\.seq) == Array((cursor.seq + 1)..<6), "\(after)")
            #expect(events.last?.id == "\(epoch):5")
        }
        await node.stop()
    }

    @Test func `older clients get the lifecycle events under the names they know`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create(config: #"{"timeoutMinutes":10,"warningThresholdMinutes":3}"#)
        let (eliza, plain) = (
            try StreamClient(node, id, "?dialect=eliza"), try StreamClient(node, id, "?dialect=sojourn")
        )
        for stream in [eliza, plain] { #expect(try stream.next()?.event == "stream.ready") }
        try node.advance(minutes: 8)
        let warning = try #require(try eliza.next())
        #expect(warning.event == "sessionExpirationWarning")
        #expect(warning.data == #"{"sessionId":"\#(id)","minutesRemaining":2}"#)
        let renewal = try node.call("POST", "/\(id)/renew")
        let renewed = try #require(try eliza.next())
        #expect(renewed.event == "sessionRenewed")
        let until = try #require(renewal["expiresAt"]?.string)
        #expect(renewed.data == #"{"sessionId":"\#(id)","expiresAt":"\#(until)","renewalCount":1}"#)
        try node.say("hi", in: id)
        let message = try #require(try eliza.next())
        #expect(message.event == "user.message" && message.seq == 4)
        let deadline = try #require(try node.call("GET", "/\(id)")["expiresAt"]?.string)
        try node.advance(minutes: 11)
        let events = try eliza.rest()
        let expired = try #require(events.first { $0.event == "sessionExpired" })
        #expect(expired.data == #"{"sessionId":"\#(id)","expiredAt":"\#(deadline)"}"#)
        #expect(events.last?.event == "stream.end")
        let others = try plain.rest()
        // Both dialects carry the same ids.
        #expect(others.prefix(3).map(\.id) == [warning.id, renewed.id, message.id])
        #expect(others.prefix(2).map(\.event) == ["session.expiring", "session.renewed"])
        await node.stop()
    }

    @Test func `a stream ends when its session has ended`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis), try await TestNode.start(on: redis, name: "b"))
        for delete in [true, false] {
            let id = try a.create(config: #"{"timeoutMinutes":5}"#)
            let streams = [try StreamClient(a, id), try StreamClient(b, id, "?after=0")]
            for stream in streams { _ = try stream.read(through: "stream.ready") }
            if delete { #expect(try b.call("DELETE", "/\(id)").status == 200) } else { try a.advance(minutes: 6) }
            for stream in streams {
                let events = try stream.rest()
                #expect(events.dropLast().last?.event == (delete ? "session.ended" : "session.expired"))
                #expect(events.last?.event == "stream.end")
                #expect(events.last?.json["data"]?.text == #"{"reason":"closed"}"#)
                #expect(events.last?.id == nil)
            }
        }
        try await eventually("nothing is left of the streams") { try await a.openStreams() == 0 }
        await a.stop()
        await b.stop()
    }

    @Test func `a drain sends its readers elsewhere and takes no new ones`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis, loops: 2), try await TestNode.start(on: redis, name: "b"))
        let id = try a.create()
        let streams = try (0..<4).map { _ in try StreamClient(a, id) }
        for stream in streams { _ = try stream.read(through: "stream.ready") }
        let kept = try a.connect()
        try kept.send(TestNode.bytes("GET", target: "/livez"))
        #expect(try kept.readResponse().status == 200)
        await a.stop()
        for stream in streams {
            let events = try stream.rest()
            #expect(events.map(\.event) == ["stream.end"])
            #expect(events[0].json["data"]?["reason"]?.string == "drain")
            #expect((events[0].json["data"]?["retry"]?.int ?? 0) > 0)
        }
        #expect(try kept.discardSome() == false)
        #expect(throws: RawHTTPError.self) { try a.call("GET", target: "/livez") }
        try b.say("elsewhere", in: id)
        let resumed = try StreamClient(b, id, "?after=1").read(through: "stream.ready")
        #expect(resumed.compactMap(\.seq) == [2])
        await b.stop()
    }

    @Test func `a client that leaves frees the subscription, after a while`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, store: { $0.lingering = 50 })
        let id = try node.create()
        let client = try redis.client()
        func channels() throws -> [String] {
            try client.send("PUBSUB", "SHARDCHANNELS", "*\(id)").array.compactMap(\.string)
        }
        let streams = [try StreamClient(node, id), try StreamClient(node, id)]
        for stream in streams { _ = try stream.read(through: "stream.ready") }
        let channel = try #require(try channels().first)
        // One subscription, however many readers.
        #expect(try client.send("PUBSUB", "SHARDNUMSUB", channel) == .array([.text(channel), 1]))
        streams[0].http.close()
        try await eventually("one has left") { try await node.openStreams() == 1 }
        try node.say("hi", in: id)
        #expect(try streams[1].next()?.event == "user.message")
        streams[1].http.reset()
        try await eventually("the subscription is gone") { try channels().isEmpty }
        #expect(try await node.openStreams() == 0)
        await node.stop()
    }

    @Test func `a stream outlives a Redis that was killed`() async throws {
        let redis = try await RedisServer.start(["--appendfsync", "always"])
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        let stream = try StreamClient(node, id)
        _ = try stream.read(through: "stream.ready")
        try node.say("before", in: id)
        #expect(try stream.next()?.seq == 2)
        redis.kill9()
        try await redis.restart()
        try await eventually("it takes messages again") { try node.say("after", in: id).status == 201 }
        let event = try #require(try stream.next())
        #expect(event.event == "user.message" && event.seq == 3)
        await node.stop()
    }
}
