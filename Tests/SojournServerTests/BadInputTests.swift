import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// What a request must be answered with. In `path`, `body` and `message` the words in braces stand for ids. A path
/// counts from the base of the sessions, or, after a `^`, from the root.
struct BadInput: Sendable {
    let method: String
    let path: String
    let body: String?
    let status: Int
    let code: String
    let message: String
    var headers: [String: String] = [:]

    init(
        _ method: String, _ path: String, _ body: String? = nil, _ status: Int, _ code: String, _ message: String,
        headers: [String: String] = [:]
    ) {
        (self.method, self.path, self.body) = (method, path, body)
        (self.status, self.code, self.message, self.headers) = (status, code, message, headers)
    }
}

extension BadInput {
    var target: String { self.path.hasPrefix("^") ? String(self.path.dropFirst()) : TestNode.base + self.path }
}

@Suite struct BadInputTests {
    /// The issue asks for every route; a new one without rows fails here.
    @Test func `every route for sessions has rows for unknown, ended and expired ids and wrong methods`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let (loop, confined) = try #require(node.server.parts.first)
        let patterns = try await loop.run {
            let node = confined.value
            let routes =
                node.sessionRoutes + node.messageRoutes + node.timeoutRoutes + node.deltaRoutes
                + node.nodeRoutes + node.turnRoutes + node.tokenRoutes.filter { $0.pattern.last == "tokens" }
            return routes.map { (method: $0.method.rawValue, pattern: $0.pattern) }
        }
        func rows(_ pattern: [String], id: String? = nil) -> [BadInput] {
            BadInput.all.filter { row in
                let parts = row.target.prefix { $0 != "?" }.split(separator: "/").map(String.init)
                return parts.count == pattern.count
                    && zip(parts, pattern).allSatisfy { part, expected in
                        expected == ":id" ? id == nil || part == id : expected.hasPrefix(":") || part == expected
                    }
            }
        }
        for (method, pattern) in patterns where pattern.count > 1 {
            let name = "\(method) /\(pattern.joined(separator: "/"))"
            if pattern.contains(":id") {
                for id in ["{unknown}", "{ended}", "{expired}"] {
                    #expect(rows(pattern, id: id).contains { $0.method == method }, "\(name) with \(id)")
                }
            }
            #expect(rows(pattern).contains { $0.status == 405 }, "\(name) with a wrong method")
        }
        await node.stop()
    }

    @Test func `every wrong request is answered with its status, code and message`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let ids = try await Self.ids(node)
        func filled(_ text: String) -> String {
            ids.reduce(text) { $0.replacing("{\($1.key)}", with: $1.value) }
        }
        for row in BadInput.all {
            let answer = try node.call(
                row.method, target: filled(row.target), row.body.map(filled), headers: row.headers)
            let name = "\(row.method) \(row.path) \((row.body ?? "").prefix(120))"
            #expect(answer.status == row.status, "\(name): \(answer.text)")
            guard row.method != "HEAD" else { continue }
            #expect(answer.code == row.code, "\(name)")
            #expect(answer.message == filled(row.message), "\(name)")
            #expect(answer.json.names == ["error"], "\(name): \(answer.text)")
            let stamp = try #require(answer.json["error"]?["timestamp"]?.string, "\(name)")
            #expect(Instant(iso8601: stamp) != nil && stamp.count == 24, "\(name): \(stamp)")
            #expect(answer.header("Content-Type") == "application/json; charset=utf-8", "\(name)")
        }
        await node.stop()
    }

    /// Sessions in each state a request may meet.
    static func ids(_ node: TestNode) async throws -> [String: String] {
        let live = try node.create(config: #"{"timeoutMinutes":1440,"maxDurationMinutes":2880}"#)
        let expired = try node.create(config: #"{"timeoutMinutes":5}"#)
        let deadline = try #require(try node.call("GET", "/\(expired)")["expiresAt"]?.string)
        try node.advance(minutes: 10)
        let ended = try node.create()
        #expect(try node.call("DELETE", "/\(ended)").status == 200)
        let capped = try node.create(config: #"{"timeoutMinutes":20,"maxDurationMinutes":20}"#)
        // Ten minutes of its life are over: a timeout of five would put its deadline into the past.
        let aged = try node.create(config: #"{"timeoutMinutes":30}"#)
        try node.advance(minutes: 10)
        let unknown = SessionID(at: Instant(milliseconds: 1_795_000_000_000), partition: 3).text
        return [
            "live": live, "LIVE": live.uppercased(), "expired": expired, "at": deadline, "ended": ended,
            "capped": capped, "aged": aged, "unknown": unknown, "UNKNOWN": unknown.uppercased(),
            "v4": "33333333-3333-4333-8333-333333333333",
            "partition": SessionID(at: Instant(milliseconds: 1_795_000_000_000), partition: 16).text,
            "agent": TestNode.agent, "user": TestNode.user,
            "4000": String(repeating: "x", count: 4000), "4001": String(repeating: "x", count: 4001),
            "2001 emoji": String(repeating: "😀", count: 2001),
            // `{"a":"…"}` has 8 units beside the text.
            "10240": String(repeating: "é", count: 10_232), "10241": String(repeating: "é", count: 10_233),
            "1001 ids": Array(repeating: "\"\(live)\"", count: 1001).joined(separator: ","),
            "deep": String(repeating: "[", count: 3000),
        ]
    }

    @Test func `the limits themselves are accepted`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        let emoji = try node.say(String(repeating: "😀", count: 2000), in: id)
        #expect(emoji.status == 201)
        #expect(emoji["content"]?.string?.utf16.count == 4000)
        // Slashes and other signs are counted as they are, not as their longest escapes.
        for filler in ["é", "/", "x"] {
            let metadata: JSON = ["a": .string(String(repeating: filler, count: 10_240 - 8))]
            let body: JSON = ["content": "hi", "metadata": metadata]
            #expect(try node.call("POST", "/\(id)/messages", body.text).status == 201, "\(filler)")
            let more: JSON = ["content": "hi", "metadata": ["a": .string(String(repeating: filler, count: 10_233))]]
            #expect(try node.call("POST", "/\(id)/messages", more.text).status == 400, "\(filler)")
        }
        let ids = Array(repeating: "\"\(id)\"", count: 1000).joined(separator: ",")
        let beat = try node.call("POST", "/heartbeat", #"{"sessions":[\#(ids)]}"#)
        #expect(beat.status == 200)
        #expect(beat["results"]?.array?.count == 1000)
        await node.stop()
    }

    @Test func `an id that is not ours is unknown without asking Redis`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        // The sweeper asks all the time; only calls of the scripts that a request would make are counted.
        let client = try redis.client()
        try client.send("CONFIG", "SET", "slowlog-log-slower-than", "0")
        try client.send("CONFIG", "SET", "slowlog-max-len", "100000")
        let foreign = SessionID(at: Instant(milliseconds: 1_795_000_000_000), partition: 16).text
        let texts = ["33333333-3333-4333-8333-333333333333", foreign, "not-an-id", "%F0%9F%98%80", "x%2Frenew"]
        for text in texts {
            for (method, path) in [
                ("GET", ""), ("DELETE", ""), ("GET", "/messages"), ("POST", "/renew"), ("POST", "/heartbeat"),
                ("GET", "/events"), ("GET", "/stream"),
            ] {
                #expect(
                    try node.call(method, "/\(text)\(path)").code == "SESSION_NOT_FOUND", "\(method) \(text)\(path)")
            }
            #expect(try node.say("hi", in: text).code == "SESSION_NOT_FOUND", "\(text)")
            #expect(try node.call("PATCH", "/\(text)/timeout", "{}").code == "SESSION_NOT_FOUND", "\(text)")
        }
        let asked = "\(try client.send("SLOWLOG", "GET", "-1"))"
        for text in texts { #expect(!asked.contains(text), "\(text) was asked for") }
        // One of ours is asked for, so that the check above means something.
        let ours = SessionID(at: Instant(milliseconds: 1_795_000_000_000), partition: 3).text
        #expect(try node.call("GET", "/\(ours)").status == 404)
        #expect("\(try client.send("SLOWLOG", "GET", "-1"))".contains(ours))
        await node.stop()
    }
}
