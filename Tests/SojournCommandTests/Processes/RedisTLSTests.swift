import SojournTesting
import Testing

@testable import SojournCommand

/// A Redis behind TLS: who it is is checked, and so is who asks.
@Suite struct RedisTLSTests {
    private let folder = TemporaryFolder()

    private func start(_ certificate: Certificate, trusting clients: Certificate, port: Int) async throws -> RedisServer
    {
        try await RedisServer.start(
            [
                "--tls-port", "\(port)", "--tls-cert-file", certificate.file, "--tls-key-file", certificate.key,
                "--tls-ca-cert-file", clients.file, "--tls-auth-clients", "yes",
            ], alone: true)
    }

    private func node(_ port: Int, _ arguments: [String]) throws -> NodeProcess {
        try NodeProcess("node", in: self.folder, ["--redis", "rediss://127.0.0.1:\(port)"] + arguments)
    }

    @Test func `a node serves a Redis that it trusts and that trusts it`() async throws {
        let (certificate, client) = (try Certificate(), try Certificate(name: "client"))
        let port = TestListener.freePort()
        let redis = try await self.start(certificate, trusting: client, port: port)
        defer { redis.stop() }
        let node = try self.node(
            port, ["--redis-ca", certificate.file, "--redis-cert", client.file, "--redis-key", client.key])
        try await node.up()
        _ = try node.create()
        #expect(try await node.stop() == .exited(0))
    }

    @Test func `a Redis that is not who it should be, or does not know the node, is refused with a sentence`()
        async throws
    {
        let (certificate, stranger) = (try Certificate(), try Certificate(name: "stranger"))
        let elsewhere = try Certificate(name: "elsewhere", subjects: "IP:192.0.2.1,DNS:redis.example")
        let own = ["--redis-cert", certificate.file, "--redis-key", certificate.key]
        let rows: [(server: Certificate, arguments: [String], sentence: String)] = [
            (certificate, ["--redis-ca", stranger.file] + own, "self-signed certificate"),
            (certificate, own, "self-signed certificate"),
            (elsewhere, ["--redis-ca", elsewhere.file] + own, "IP address mismatch"),
            (certificate, ["--redis-ca", certificate.file], "certificate required"),
        ]
        for row in rows {
            let port = TestListener.freePort()
            let redis = try await self.start(row.server, trusting: certificate, port: port)
            defer { redis.stop() }
            let node = try self.node(port, row.arguments)
            #expect(try await node.exit() == .exited(1))
            let sentence = node.log.split(separator: "\n").first { $0.hasPrefix("sojourn: ") } ?? ""
            #expect(sentence.contains(row.sentence), "\(row.sentence): \(node.log)")
            #expect(try redis.client().send("DBSIZE") == 0)
        }
    }
    @Test func `an archivist is given up behind TLS with the options of a node, and not without them`() async throws {
        let (certificate, client) = (try Certificate(), try Certificate(name: "client"))
        let port = TestListener.freePort()
        let redis = try await self.start(certificate, trusting: client, port: port)
        defer { redis.stop() }
        let trust = ["--redis-ca", certificate.file, "--redis-cert", client.file, "--redis-key", client.key]
        let node = try self.node(port, trust + ["--archive", self.folder.file("archive.sqlite")])
        try await node.up()
        let workspace = try Workspace()
        func adopt(_ options: [String], environment: [String: String] = [:]) async throws -> String {
            let run = try ProgramRun(
                ["archive", "adopt", "--from", "00000000000000ff", "--redis", "rediss://127.0.0.1:\(port)"] + options,
                in: workspace, environment: environment)
            #expect(try await run.exit() == .exited(1))
            return run.complaint
        }
        // It gets as far as to look for the archivist.
        #expect(try await adopt(trust).contains("No archivist 00000000000000ff is known"))
        let variables = [
            "SOJOURN_REDIS_CA": certificate.file, "SOJOURN_REDIS_CERT": client.file, "SOJOURN_REDIS_KEY": client.key,
        ]
        #expect(try await adopt([], environment: variables).contains("No archivist 00000000000000ff is known"))
        #expect(try await adopt([]).contains("self-signed certificate"))
        #expect(try await adopt(["--redis-ca", certificate.file]).contains("certificate required"))
        #expect(try await node.stop() == .exited(0))
    }
}
