import SojournCore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct AccessTests {
    @Test func `without a valid key nothing under api answers`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.apiKeys = ["first-key", "", "zweiter-Schlüssel"] })
        let wrong: [[String: String]] = [
            [:], ["X-API-KEY": ""], ["X-API-KEY": "first-ke"], ["X-API-KEY": "first-keyfirst-key"],
            ["X-API-KEY": "FIRST-KEY"], ["X-API-KEY": "first-key,zweiter-Schlüssel"], ["Authorization": "first-key"],
            ["Authorization": "Basic first-key"], ["Authorization": "Bearer"], ["Authorization": "Bearer wrong"],
            ["X-API-KEY": "Bearer first-key"],
        ]
        for headers in wrong {
            for (method, path) in [
                ("GET", ""), ("POST", ""), ("GET", "/health"), ("GET", "/no/such/route"), ("PUT", ""),
                ("GET", "/33333333-3333-4333-8333-333333333333/stream"),
            ] {
                let answer = try node.call(method, path, method == "POST" ? "{" : nil, headers: headers)
                #expect(answer.status == 401, "\(method) \(path) \(headers)")
                #expect(
                    answer.text == #"{"error":"API key required","message":"Missing or invalid X-API-KEY header"}"#)
                #expect(answer.header("Content-Type") == "application/json; charset=utf-8")
            }
        }
        await node.stop()
    }

    @Test func `each key opens, in both headers`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.apiKeys = ["first-key", "zweiter-Schlüssel"] })
        for key in ["first-key", "zweiter-Schlüssel"] {
            #expect(try node.call("GET", "", headers: ["X-API-KEY": key]).status == 200)
            #expect(try node.call("GET", "", headers: ["x-api-key": key]).status == 200)
            #expect(try node.call("GET", "", headers: ["Authorization": "Bearer \(key)"]).status == 200)
            #expect(try node.call("GET", "", headers: ["authorization": "bearer \(key)"]).status == 200)
            let both = ["X-API-KEY": "wrong", "Authorization": "Bearer \(key)"]
            #expect(try node.call("GET", "", headers: both).status == 200)
        }
        #expect(try node.call("GET", target: "/livez").status == 200)
        await node.stop()
    }

    @Test func `no spelling of the path goes round the keys`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.apiKeys = ["key"] })
        for target in [
            "//api/messaging/sessions", "/%61pi/messaging/sessions", "/api%2Fmessaging/sessions",
            "/./api/messaging/sessions",
            "/api/messaging/sessions/", "http://elsewhere/api/messaging/sessions", "/API/messaging/sessions",
            "///api/messaging/sessions", "/x/../api/messaging/sessions", "/;/api/messaging/sessions",
        ] {
            let answer = try node.call("GET", target: target)
            #expect(answer.status == 401 || answer.status == 404, "\(target): \(answer.status)")
        }
        await node.stop()
    }
}
