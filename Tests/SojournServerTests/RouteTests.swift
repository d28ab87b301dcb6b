import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct RouteTests {
    @Test func `a wrong method is told which are right`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        let rows = [
            ("", "PUT", "POST, GET, HEAD"), ("/\(id)", "POST", "GET, HEAD, DELETE"),
            ("/\(id)/messages", "DELETE", "POST, GET, HEAD"), ("/\(id)/events", "OPTIONS", "GET, HEAD"),
            ("/\(id)/renew", "HEAD", "POST"), ("/\(id)/heartbeat", "GET", "POST"), ("/\(id)/timeout", "POST", "PATCH"),
            ("/heartbeat", "OPTIONS", "POST"), ("/health", "POST", "GET, HEAD"), ("/\(id)/stream", "PUT", "GET, HEAD"),
        ]
        for (path, method, allow) in rows {
            let answer = try node.call(method, path, method == "HEAD" || method == "OPTIONS" ? nil : "{}")
            #expect(answer.status == 405, "\(method) \(path)")
            #expect(answer.header("Allow") == allow, "\(method) \(path)")
        }
        await node.stop()
    }

    @Test func `HEAD answers as GET without the body`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis) { $0.lingering = 50 }
        let id = try node.create()
        for path in ["", "/health", "/\(id)/messages", "/\(id)/events"] {
            let (get, head) = (try node.call("GET", path), try node.call("HEAD", path))
            #expect(head.status == 200, "\(path)")
            #expect(head.header("Content-Type") == get.header("Content-Type"), "\(path)")
            #expect(head.header("Content-Length").flatMap { Int($0) } ?? 0 > 0, "\(path)")
        }
        let stream = try node.call("HEAD", "/\(id)/stream")
        #expect(stream.status == 200)
        #expect(stream.header("Content-Type") == "text/event-stream")
        // Nobody reads, so nothing may be subscribed for it.
        #expect(try await node.openStreams() == 0)
        let client = try redis.client()
        #expect(try client.send("PUBSUB", "SHARDCHANNELS", "*\(id)") == .array([]))
        await node.stop()
    }

    @Test func `ids are compared lower-case, a slash at the end counts for nothing, an escaped one is a letter`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        let answer = try node.call("GET", "/\(id.uppercased())")
        #expect(answer["sessionId"]?.string == id)
        #expect(try node.call("POST", "/\(id.uppercased())/renew").status == 200)
        for path in ["/", "/?limit=5", "?", "?&&=&limit", "/\(id)/", "/\(id)/messages/?", "/health/"] {
            #expect(try node.call("GET", path).status == 200, "\(path)")
        }
        #expect(try node.call("POST", "/\(id)/renew/").status == 200)
        #expect(try node.call("POST", "/\(id)%2Frenew", "{}").status == 405)
        #expect(try node.call("GET", target: "/API/messaging/sessions/\(id)").code == "NOT_FOUND")
        #expect(try node.call("GET", target: "/api//messaging/sessions/\(id)").code == "NOT_FOUND")
        #expect(try node.call("GET", target: "/%61pi/messaging/sessions/\(id)").status == 200)
        #expect(try node.call("GET", target: "/").code == "NOT_FOUND")
        #expect(try node.call("GET", target: "/livez").text == #"{"status":"alive"}"#)
        await node.stop()
    }

    @Test func `of a parameter given twice the last one counts, and limits are clamped`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        for number in 1...60 { try node.say("\(number)", in: id) }
        let rows = [
            ("", 50), ("?limit=", 50), ("?limit=x", 50), ("?limit=0", 1), ("?limit=-7", 1), ("?limit=7", 7),
            ("?limit=3&limit=4", 4), ("?limit=1000", 60), ("?limit=2.9", 2), ("?limit=%205", 5), ("?limit=1e3", 1),
            ("?limit=99999999999999999999", 60), ("?Limit=3", 50), ("?before=&after=", 50),
        ]
        for (query, count) in rows {
            let page = try node.call("GET", "/\(id)/messages\(query)")
            #expect(page["messages"]?.array?.count == count, "\(query)")
            #expect(page["hasMore"]?.bool == (count < 60), "\(query)")
        }
        await node.stop()
    }

    @Test func `the test clock is a route only of nodes that were started with it`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.testClock = false })
        #expect(try node.call("POST", target: "/test/clock", #"{"advanceMs":1}"#).status == 404)
        await node.stop()
        let other = try await TestNode.start(on: redis, name: "b")
        for body in ["{}", #"{"advanceMs":"1"}"#, #"{"advanceMs":1.5}"#, "null", #"{"advanceMs":1e300}"#] {
            let answer = try other.call("POST", target: "/test/clock", body)
            #expect(answer.message == "Invalid advanceMs: Must be a whole number of milliseconds", "\(body)")
        }
        await other.stop()
    }

    @Test func `what is refused before a route has the shape of every error`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.bodyBytes = 20_000 })
        let big = try node.call("POST", "", String(repeating: " ", count: 20_001))
        #expect(big.status == 413)
        #expect(big.code == "VALIDATION_ERROR")
        let wide = try node.call("GET", "", headers: ["X-Wide": String(repeating: "x", count: 20_000)])
        #expect(wide.status == 431)
        #expect(wide.code == "VALIDATION_ERROR")
        let client = try node.connect()
        try client.send("POST \(TestNode.base) HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}")
        let odd = HTTPAnswer(try client.readResponse())
        #expect(odd.status == 400)
        #expect(odd.message == "Content-Length is not a number")
        await node.stop()
    }
}
