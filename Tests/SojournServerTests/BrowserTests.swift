import SojournCore
import SojournTesting
import Testing

@testable import SojournServer

/// What browsers ask before and look at after.
@Suite struct BrowserTests {
    @Test func `pages of the list may call, and no others`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(
            on: redis,
            server: {
                $0.corsOrigins = ["https://chat.example", "http://localhost:5173"]
                $0.apiKeys = ["key"]
            })
        func preflight(_ origin: String, _ path: String = "") throws -> HTTPAnswer {
            try node.call(
                "OPTIONS", path, headers: ["Origin": origin, "Access-Control-Request-Method": "POST"])
        }
        let allowed = try preflight("https://chat.example")
        #expect(allowed.status == 204 && allowed.header("Access-Control-Allow-Origin") == "https://chat.example")
        #expect(allowed.header("Vary") == "Origin")
        #expect(allowed.header("Access-Control-Allow-Methods")?.contains("POST") == true)
        #expect(allowed.header("Access-Control-Allow-Headers")?.contains("Last-Event-ID") == true)
        for origin in ["https://evil.example", "https://chat.example.evil", "http://chat.example", "null", ""] {
            let refused = try preflight(origin)
            #expect(refused.status == 401 && refused.header("Access-Control-Allow-Origin") == nil, "\(origin)")
        }
        // A refusal can be read by the page, too; and without a preflight's fields nothing is given away.
        let answer = try node.call("GET", "/health", headers: ["Origin": "http://localhost:5173"])
        #expect(answer.status == 401)
        #expect(answer.header("Access-Control-Allow-Origin") == "http://localhost:5173")
        #expect(answer.header("X-Content-Type-Options") == "nosniff")
        #expect(try preflight("https://chat.example", "/no/such/route").status == 401)
        await node.stop()
    }

    @Test func `an origin is scheme, host and port`() {
        for text in ["*", "https://chat.example", "http://localhost:5173", "https://[::1]:8443"] {
            #expect(CORSPolicy.origin(text) == text)
        }
        #expect(CORSPolicy.origin("HTTPS://Chat.Example") == "https://chat.example")
        for text in ["", "chat.example", "https://", "https://a/", "ftp://a", "https://a b", "https://é"] {
            #expect(CORSPolicy.origin(text) == nil, "\(text)")
        }
        #expect(CORSPolicy(["*"]).fields(for: "https://x")?.first?.value == "*")
        #expect(CORSPolicy([]).fields(for: "https://x") == nil)
    }
}
