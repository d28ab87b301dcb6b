import Foundation
import SojournCore
import SojournTesting
import Testing

@testable import SojournCommand

/// What is secret stays so, wherever a person or a program may look.
@Suite struct SecretTests {
    private static let secrets = ["hunter2-redis", "hunter3-key", "hunter4-token", "hunter5-content"]

    @Test func `no secret and no message is in a log, an error or a process title`() async throws {
        let redis = try await RedisServer.start(password: "hunter2-redis", alone: true)
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let signing = Data("hunter4-token-0123456789abcdefgh".utf8).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        let node = try NodeProcess(
            "quiet", in: folder,
            [
                "--redis", "unix:\(redis.folder.file("redis.sock"))?password=hunter2-redis",
                "--api-keys=shop:backend:hunter3-key", "--token-keys", "k1:HS256:\(signing)", "--log-level", "debug",
                "--archive", folder.file("a.sqlite"),
            ])
        try await node.up()
        let title = try String(contentsOfFile: "/proc/\(node.pid)/cmdline", encoding: .utf8)
        #expect(title.contains("--api-keys") && title.contains("--archive\0\(folder.path)"))
        var texts = [title]
        let port = try #require(node.port)
        func ask(_ method: String, _ path: String, _ body: String, _ header: String) throws -> RawResponse {
            let client = try RawHTTP(port: port)
            try client.send(
                "\(method) \(path) HTTP/1.1\r\nHost: x\r\n\(header)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            return try client.readResponse()
        }
        let key = "X-API-KEY: hunter3-key"
        let create =
            #"{"agentId":"11111111-1111-4111-8111-111111111111","userId":"22222222-2222-4222-8222-222222222222"}"#
        let made = try ask("POST", NodeProcess.sessions, create, key)
        let id = try #require(try JSON.parse(made.body)["sessionId"]?.string)
        let one = "\(NodeProcess.sessions)/\(id)"
        #expect(try ask("POST", one + "/messages", #"{"content":"hunter5-content"}"#, key).status == 201)
        let token = try JSON.parse(try ask("POST", one + "/tokens", "{}", key).body)["token"]?.string ?? ""
        #expect(!token.isEmpty)
        // Whatever goes wrong with them, the answers do not repeat them.
        for (method, path, body, header) in [
            ("GET", one, "", "X-API-KEY: hunter3-key-wrong"), ("GET", one, "", "Authorization: Bearer \(token)x"),
            ("GET", one + "/stream?token=\(token)x", "", "X: y"), ("GET", one + "/nothing?token=\(token)", "", key),
            ("POST", one + "/messages", #"{"content":"hunter5-content""#, key),
            ("POST", one + "/messages", #"{"content":["hunter5-content"]}"#, key),
            ("POST", one + "/messages", #"{"content":"hunter5-content","metadata":"hunter5-content"}"#, key),
            ("BREW", one, "hunter5-content", key),
        ] {
            let answer = try ask(method, path, body, header)
            #expect(answer.status >= 400)
            texts.append(answer.head + answer.text)
        }
        redis.kill9()
        _ = try? ask("GET", one, "", key)
        #expect(try await node.stop() == .exited(0))
        texts += [node.output, node.log]
        #expect(node.log.contains("lost"))
        for secret in Self.secrets + [signing, token] {
            for text in texts { #expect(!text.contains(secret), "\(secret) is in: \(text)") }
        }
    }

    @Test func `config show tells every setting but no secret`() throws {
        let file = "redis = redis://me:hunter2-redis@10.0.0.7:6379/1\nport = 4000\n"
        let reader = SettingsReader(
            environment: ["SOJOURN_API_KEYS": "shop:backend:hunter3-key", "ELIZA_SERVER_AUTH_TOKEN": "hunter3-key"],
            readFile: { _ in file })
        let signing = String(repeating: "hunter4-token-AB", count: 3)
        let lines = try reader.shown(arguments: [
            "--config", "f", "--token-keys", "k:HS256:\(signing)", "--test-clock",
        ])
        #expect(lines.count == ServeSettings.table.count)
        let text = lines.joined(separator: "\n")
        for secret in Self.secrets { #expect(!text.contains(secret), "\(text)") }
        #expect(text.contains("port = 4000  # line 2 of f"))
        #expect(text.contains("redis = redis://(not shown)@10.0.0.7:6379/1  # line 1 of f"))
        #expect(text.contains("api-keys = (not shown)  # from SOJOURN_API_KEYS"))
        #expect(text.contains("test-clock = true  # --test-clock"))
        #expect(text.contains("host = 127.0.0.1  # the default"))
        #expect(throws: SettingsError.self) { try reader.shown(arguments: ["--port", "x"]) }
    }
}
