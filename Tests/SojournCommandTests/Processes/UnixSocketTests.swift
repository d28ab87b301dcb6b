import Foundation
import SojournCore
import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

@testable import SojournCommand

/// Nodes that listen on a unix socket.
@Suite struct UnixSocketTests {
    private let folder = TemporaryFolder()
    private var path: String { self.folder.file("http.sock") }

    private func node(_ name: String, on redis: RedisServer, _ arguments: [String]) throws -> NodeProcess {
        try NodeProcess(
            name, in: self.folder,
            [
                "--redis", redis.url, "--partitions", "16", "--loops", "2", "--listen",
                "unix:\(self.path)",
            ] + arguments)
    }

    private func ask(_ method: String, _ target: String, _ body: String = "") throws -> RawResponse {
        let client = try RawHTTP(unix: self.path)
        try client.send(
            "\(method) \(target) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n"
                + body)
        return try client.readResponse()
    }

    @Test func `it has its mode and owner, a second node is refused, a killed one replaced, a stopped one removes it`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let owner = getuid() == 0 ? ["--listen-owner", "nobody:4242"] : []
        let first = try self.node("first", on: redis, ["--port", "none", "--listen-mode", "622"] + owner)
        try await first.up()
        #expect(first.output.contains("  listens  unix:\(self.path)\n"), "\(first.output)")
        #expect(first.output.contains("curl --unix-socket \(self.path) http://localhost/api/"))
        let status = try FileManager.default.attributesOfItem(atPath: self.path)
        #expect(status[.posixPermissions] as? Int == 0o622)
        if getuid() == 0 {
            #expect(status[.ownerAccountName] as? String == "nobody" && status[.groupOwnerAccountID] as? Int == 4242)
        }
        #expect(try self.ask("GET", NodeProcess.sessions + "/health").status == 200)

        let second = try self.node("second", on: redis, ["--port", "none"])
        #expect(try await second.exit() == .exited(1))
        #expect(
            second.log.contains("sojourn: cannot listen on unix:\(self.path): another process listens there"),
            "\(second.log)")
        #expect(try self.ask("GET", "/livez").status == 200)

        first.kill9()
        #expect(try await first.exit() == .killed(SIGKILL))
        #expect(FileManager.default.fileExists(atPath: self.path))
        let third = try self.node("third", on: redis, [])
        try await third.up()
        #expect(try self.ask("GET", "/livez").status == 200)
        // Beside the socket, the port is there, too.
        let id = try third.create()
        #expect(try self.ask("GET", "\(NodeProcess.sessions)/\(id)").status == 200)
        #expect(try await third.stop() == .exited(0))
        #expect(!FileManager.default.fileExists(atPath: self.path))
    }

    @Test func `the demonstration worker finds its node through the socket`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let agent = "11111111-1111-4111-8111-111111111111"
        let node = try self.node("only", on: redis, ["--port", "none", "--echo-agent", agent])
        try await node.up()
        let body = #"{"agentId":"\#(agent)","userId":"22222222-2222-4222-8222-222222222222"}"#
        let made = try JSON.parse(try self.ask("POST", NodeProcess.sessions, body).body)
        let id = try #require(made["sessionId"]?.string)
        let said = try self.ask(
            "POST", "\(NodeProcess.sessions)/\(id)/messages", #"{"content":"hello","transport":"http"}"#)
        #expect(said.text.contains("Echo: hello"), "\(said.text)")
        #expect(try await node.stop() == .exited(0))
    }

    @Test func `what cannot be is refused with a sentence`() throws {
        for (arguments, sentence) in [
            (["--port", "none"], "listen must be set"), (["--listen-mode", "600"], "of no use without listen"),
            (["--listen-owner", "root"], "of no use without listen"), (["--listen", "3000"], "unix:/path"),
            (["--listen", "unix:relative"], "unix:/path"), (["--listen", "127.0.0.1:80"], "host and port"),
            (["--listen", "unix:/" + String(repeating: "x", count: 107)], "at most 107 bytes"),
            (["--listen", "unix:/s", "--listen-mode", "888"], "octal"),
            (["--listen", "unix:/s", "--listen-mode", "7777"], "octal"),
            (["--listen", "unix:/s", "--listen-owner", "nobody-of-that-name"], "user of this machine"),
            (["--listen", "unix:/s", "--listen-owner", "root:no-group-of-that-name"], "group of this machine"),
            (["--listen", "unix:/s", "--listen-owner", ":"], "USER:GROUP"),
        ] {
            let error = try #require(throws: SettingsError.self) { try readSettings(arguments) }
            #expect(error.description.contains(sentence), "\(error)")
        }
        #expect(HTTPCall.Address(url: "unix:/run/s")?.endpoint == .unix(path: "/run/s"))
        #expect(HTTPCall.Address(url: "unix:s") == nil)
        let settings = try readSettings(
            [
                "--listen", "unix:/run/s", "--listen-owner", ":0", "--listen-mode", "600", "--port", "none",
                "--trusted-proxies", "unix,10.0.0.0/8",
            ]
        ).settings
        #expect(settings.unixSocket == "/run/s" && settings.port == nil && settings.trustedProxies.count == 2)
        #expect(settings.unixSocketAccess.mode == 0o600)
        #expect(settings.unixSocketAccess.group == 0 && settings.unixSocketAccess.user == nil)
        let reader = SettingsReader(environment: ["SOJOURN_LISTEN": "unix:/run/s"], readFile: { _ in nil })
        let lines = try reader.shown(arguments: ["--listen-owner", "root:root"])
        #expect(lines.contains("listen = unix:/run/s  # from SOJOURN_LISTEN"))
        #expect(lines.contains("listen-owner = root:root  # --listen-owner"))
        #expect(lines.contains("listen-mode = 660  # the default"))
    }
}
