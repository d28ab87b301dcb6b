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

    @Test func `a role may do what it is for and no more`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let hashed = try #require(
            AccessKey(name: "w", role: .worker, digest: AccessKey.digest(of: "secret-worker")))
        let node = try await TestNode.start(
            on: redis,
            server: {
                $0.accessKeys = [
                    AccessKey(name: "a", role: .admin, secret: "secret-admin"),
                    AccessKey(name: "b", role: .backend, secret: "secret-backend"), hashed,
                    AccessKey(name: "r", role: .read, secret: "secret-read"),
                ]
            })
        let create = #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#
        let made = try node.call("POST", "", create, headers: ["X-API-KEY": "secret-backend"])
        let id = try #require(made["sessionId"]?.string)
        let other = try node.call("POST", "", create, headers: ["X-API-KEY": "secret-backend"])
        let erased = try #require(other["sessionId"]?.string)
        let agents = "/api/messaging/agents"
        // What each role gets, in the order admin, backend, worker, read.
        let rows: [(method: String, target: String, body: String?, statuses: [Int])] = [
            ("GET", TestNode.base, nil, [200, 403, 403, 403]),
            ("GET", agents, nil, [200, 403, 403, 403]),
            ("DELETE", agents + "/\(TestNode.agent)", nil, [404, 403, 403, 403]),
            ("GET", "/api/messaging/search?q=a", nil, [503, 403, 403, 403]),
            ("DELETE", "/api/messaging/archive/users/33333333-3333-4333-8333-333333333333", nil, [200, 403, 403, 403]),
            ("GET", "/api/messaging/archive/erasures/1", nil, [404, 403, 403, 403]),
            ("DELETE", TestNode.base + "/\(erased)?purge=1", nil, [200, 403, 403, 403]),
            ("POST", TestNode.base, create, [201, 201, 403, 403]),
            ("POST", TestNode.base + "/\(id)/messages", #"{"content":"hi"}"#, [201, 201, 403, 403]),
            ("POST", TestNode.base + "/\(id)/renew", nil, [200, 200, 403, 403]),
            ("PATCH", TestNode.base + "/\(id)/timeout", #"{"timeoutMinutes":20}"#, [200, 200, 403, 403]),
            ("POST", TestNode.base + "/\(id)/heartbeat", nil, [200, 200, 403, 403]),
            ("POST", TestNode.base + "/heartbeat", #"{"sessions":["\#(id)"]}"#, [200, 200, 403, 403]),
            ("POST", agents + "/\(TestNode.agent)/turns/claim", nil, [200, 200, 200, 403]),
            ("GET", TestNode.base + "/\(id)", nil, [200, 200, 200, 200]),
            ("GET", TestNode.base + "/\(id)/messages", nil, [200, 200, 200, 200]),
            ("GET", TestNode.base + "/health", nil, [200, 200, 200, 200]),
            ("GET", TestNode.base + "/no/such/route", nil, [404, 404, 404, 404]),
        ]
        for row in rows {
            // The admin last: what it erases is gone for all.
            for (role, expected) in zip(["admin", "backend", "worker", "read"], row.statuses).reversed() {
                let answer = try node.call(
                    row.method, target: row.target, row.body, headers: ["Authorization": "Bearer secret-\(role)"])
                #expect(answer.status == expected, "\(role) \(row.method) \(row.target): \(answer.text)")
                if expected == 403 { #expect(answer.code == "FORBIDDEN") }
            }
        }
        await node.stop()
    }

    @Test func `a digest that is none makes no key`() {
        let good = AccessKey.digest(of: "secret")
        #expect(AccessKey(name: "a", role: .read, digest: good) == AccessKey(name: "a", role: .read, secret: "secret"))
        for text in [
            "", "secret", "sha256:", String(good.dropLast()), good + "0", good.replacing("sha256:", with: "md5:"),
            "sha256:" + String(repeating: "+1", count: 32), "sha256:" + String(repeating: "zz", count: 32),
        ] {
            #expect(AccessKey(name: "a", role: .read, digest: text) == nil, "\(text)")
        }
        #expect(Set((0..<100).map { _ in AccessKey.newSecret() }).count == 100)
    }
}
