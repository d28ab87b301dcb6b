import Foundation
import SojournCore
import SojournServer
import SojournTesting
import Testing

@testable import SojournCommand

/// SIGHUP: a running node reads its keys and its certificate again.
@Suite struct ReloadTests {
    private let folder = TemporaryFolder()

    private func place(_ certificate: Certificate) throws {
        for (name, file) in [("cert.pem", certificate.file), ("key.pem", certificate.key)] {
            try String(contentsOfFile: file, encoding: .utf8)
                .write(toFile: self.folder.file(name), atomically: true, encoding: .utf8)
        }
    }

    private func place(keys secrets: [String]) throws {
        let lines = secrets.map { "\($0)-key backend \(AccessKey.digest(of: $0))\n" }
        try lines.joined().write(toFile: self.folder.file("keys"), atomically: true, encoding: .utf8)
    }

    private func ask(
        _ client: RawHTTP, _ method: String, _ path: String, key: String, _ body: String = ""
    ) throws -> RawResponse {
        try client.send(
            "\(method) \(path) HTTP/1.1\r\nHost: a\r\nX-API-KEY: \(key)\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                + body)
        return try client.readResponse()
    }

    /// Whether someone who trusts only this certificate is served.
    private func isTrusted(_ certificate: Certificate, _ port: Int) -> Bool {
        TestProcess.succeeds(
            "curl", "-s", "-o", "/dev/null", "--cacert", certificate.file, "https://127.0.0.1:\(port)/livez")
    }

    @Test func `new keys and a new certificate count from then on, and nobody is cut off`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (old, new) = (try Certificate(name: "old"), try Certificate(name: "new"))
        try self.place(old)
        try self.place(keys: ["first", "second"])
        let node = try NodeProcess(
            "node", in: self.folder,
            [
                "--redis", redis.url, "--tls-cert", self.folder.file("cert.pem"),
                "--tls-key", self.folder.file("key.pem"), "--api-key-file", self.folder.file("keys"),
            ])
        try await node.up()
        let port = try #require(node.port)
        let client = try RawHTTP(port: port, tls: true)
        let create =
            #"{"agentId":"11111111-1111-4111-8111-111111111111","userId":"22222222-2222-4222-8222-222222222222"}"#
        let made = try self.ask(client, "POST", NodeProcess.sessions, key: "first", create)
        let id = try #require(try JSON.parse(made.body)["sessionId"]?.string)
        let one = "\(NodeProcess.sessions)/\(id)"
        let stream = try RawHTTP(port: port, tls: true)
        try stream.send("GET \(one)/stream?after=0 HTTP/1.1\r\nHost: a\r\nX-API-KEY: first\r\n\r\n")
        #expect(try stream.readHead().status == 200)
        while try stream.readEvent()?.event != "stream.ready" {}
        #expect(self.isTrusted(old, port) && !self.isTrusted(new, port))

        // A slip of the hand stops nothing.
        try "nonsense".write(toFile: self.folder.file("cert.pem"), atomically: true, encoding: .utf8)
        node.hangUp()
        try await eventually("the slip is told") { node.log.contains("stay as they were") }
        #expect(node.log.contains(self.folder.file("cert.pem")))
        #expect(self.isTrusted(old, port))
        #expect(try self.ask(client, "GET", one, key: "second").status == 200)

        try self.place(new)
        try self.place(keys: ["second", "third"])
        node.hangUp()
        try await eventually("the files are read again") { node.log.contains("were read again") }
        #expect(self.isTrusted(new, port) && !self.isTrusted(old, port))
        for (key, status) in [("first", 401), ("second", 200), ("third", 200)] {
            #expect(try self.ask(client, "GET", one, key: key).status == status, "\(key) on the connection of before")
            let fresh = try RawHTTP(port: port, tls: true)
            #expect(try self.ask(fresh, "GET", one, key: key).status == status, "\(key)")
        }
        let said = #"{"content":"still here"}"#
        #expect(try self.ask(client, "POST", one + "/messages", key: "third", said).status == 201)
        #expect(try stream.readEvent()?.data?.contains("still here") == true)
        #expect(try await node.stop() == .exited(0))
    }
}
