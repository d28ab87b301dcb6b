import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct TransportTests {
    @Test func `websocket is the default and answers at once`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        for extra in [
            "", #","transport":"websocket""#, #","mode":"websocket""#, #","transport":null"#,
            #","transport":null,"mode":null"#,
        ] {
            let answer = try node.call("POST", "/\(id)/messages", #"{"content":"hi"\#(extra)}"#)
            #expect(answer.status == 201, "\(extra)")
            #expect(answer["agentResponse"] == nil && answer["pending"] == nil, "\(extra)")
        }
        await node.stop()
    }

    @Test func `http waits for the next answer of the agent`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let a = try await TestNode.start(on: redis)
        let b = try await TestNode.start(on: redis, name: "b")
        for extra in [
            #""transport":"http""#, #""mode":"sync""#, #""transport":"sync""#, #""transport":"http","mode":"stream""#,
        ] {
            let id = try a.create()
            try await a.answer("an older one", in: id)
            let client = try a.send("POST", target: "\(TestNode.base)/\(id)/messages", #"{"content":"hi",\#(extra)}"#)
            try await eventually("the message is in the log") { try a.call("GET", "/\(id)")["version"] == 3 }
            // Neither another message of the user nor one of the system is an answer.
            try b.say("and", in: id)
            _ = try await b.store.send(MessageDraft(author: .system, authorID: TestNode.agent, content: "s"), to: id)
            try await b.answer("the answer", in: id)
            let answer = HTTPAnswer(try client.readResponse())
            #expect(answer.status == 201, "\(extra)")
            #expect(answer["agentResponse"]?["text"] == "the answer", "\(extra)")
            #expect(answer["success"] == true && answer["userMessage"]?["content"] == "hi")
            #expect(answer["pending"] == nil)
        }
        await a.stop()
        await b.stop()
    }

    @Test func `an agent that does not answer in time leaves the message pending`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.answerLimit = 100 })
        let id = try node.create()
        let answer = try node.call("POST", "/\(id)/messages", #"{"content":"hi","transport":"http"}"#)
        #expect(answer.status == 201)
        #expect(answer["pending"] == true && answer["agentResponse"] == nil)
        #expect(answer["userMessage"]?["content"] == "hi")
        let stream = try StreamClient(
            reading: try node.send(
                "POST", target: "\(TestNode.base)/\(id)/messages", #"{"content":"ho","transport":"sse"}"#))
        let events = try stream.rest()
        #expect(events.map(\.event) == ["user_message", "error"])
        #expect(events[1].json.names == ["error"] && events[1].json["error"]?.string?.isEmpty == false)
        // Nothing is lost: both are in the history, and each has its turn.
        let history = try node.call("GET", "/\(id)/messages")["messages"]?.array ?? []
        #expect(history.map { $0["content"]?.string } == ["ho", "hi"])
        #expect(answer["turnId"]?.string == "\(id).1")
        #expect(try node.call("GET", "/\(id)/turns")["turns"]?.array?.count == 2)
        await node.stop()
    }

    @Test func `sse gives the message, chunks and the end`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.streamHeartbeat = 20 })
        for extra in [#""transport":"sse""#, #""mode":"stream""#, #""transport":"stream""#] {
            let id = try node.create()
            let http = try node.send("POST", target: "\(TestNode.base)/\(id)/messages", #"{"content":"hi",\#(extra)}"#)
            let stream = try StreamClient(reading: http)
            #expect(stream.head.status == 200)
            #expect(stream.head.header("Content-Type") == "text/event-stream")
            let first = try #require(try stream.next())
            #expect(first.event == "user_message")
            #expect(first.json["userMessage"]?["content"] == "hi" && first.json["success"] == true)
            try await node.answer("line one\nline two", in: id)
            let rest = try stream.rest()
            #expect(rest.map(\.event) == ["chunk", "done"], "\(extra)")
            #expect(rest[0].json["chunk"] == "line one\nline two" && rest[0].json["index"] == 0)
            #expect(rest[0].json["messageId"]?.string != nil)
            #expect(rest[1].json["text"] == "line one\nline two")
        }
        await node.stop()
    }

    @Test func `a session that ends while its answer is awaited ends the wait`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        let body = #"{"content":"hi","transport":"http"}"#
        let client = try node.send("POST", target: "\(TestNode.base)/\(id)/messages", body)
        try await eventually("the message is in the log") { try node.call("GET", "/\(id)")["version"] == 2 }
        #expect(try node.call("DELETE", "/\(id)").status == 200)
        let answer = HTTPAnswer(try client.readResponse())
        #expect(answer.status == 201 && answer["pending"] == true)
        await node.stop()
    }

    @Test func `a drain tells those who wait for an agent before it cuts them`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.drainLimit = 1000 })
        let id = try node.create()
        let body = #"{"content":"hi","transport":"http"}"#
        let client = try node.send("POST", target: "\(TestNode.base)/\(id)/messages", body)
        try await eventually("the message is in the log") { try node.call("GET", "/\(id)")["version"] == 2 }
        await node.stop()
        let answer = HTTPAnswer(try client.readResponse())
        #expect(answer.status == 201 && answer["pending"] == true)
    }
}
