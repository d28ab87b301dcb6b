import Foundation
import SojournCore
import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

@testable import SojournServer

/// Everything that a node serves, over a unix socket.
@Suite struct UnixSocketTests {
    private let folder = TemporaryFolder()
    private var path: String { self.folder.file("http.sock") }

    private func start(
        on redis: RedisServer, loops: Int = 2, _ change: (inout ServerConfiguration) -> Void = { _ in }
    ) async throws -> TestNode {
        try await TestNode.start(
            on: redis, loops: loops,
            server: {
                $0.port = nil
                $0.unixSocket = self.path
                change(&$0)
            })
    }

    private func send(
        _ method: String, _ target: String, _ body: String? = nil, headers: [String: String] = [:]
    ) throws -> RawHTTP {
        let client = try RawHTTP(unix: self.path)
        try client.send(TestNode.bytes(method, target: target, body, headers: headers))
        return client
    }

    private func call(
        _ method: String, _ target: String, _ body: String? = nil, headers: [String: String] = [:]
    ) throws -> HTTPAnswer {
        HTTPAnswer(try self.send(method, target, body, headers: headers).readResponse())
    }

    private func create(headers: [String: String] = [:]) throws -> String {
        let answer = try self.call(
            "POST", TestNode.base, #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#, headers: headers)
        return try #require(answer["sessionId"]?.string, "\(answer.text)")
    }

    private func socket(_ headers: [String: String]) throws -> RawWebSocket {
        try RawWebSocket(RawHTTP(unix: self.path), target: NodeServer.webSocketPath, headers: headers)
    }

    @Test func `requests, streams, WebSockets and the drain work without any port`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await self.start(on: redis) { $0.drainLimit = 2_000 }
        #expect(node.server.port == 0)
        let id = try self.create()
        let one = "\(TestNode.base)/\(id)"
        let stream = try StreamClient(reading: try self.send("GET", one + "/stream?after=0"))
        _ = try stream.read(through: "stream.ready")
        let socket = try self.socket(["Origin": "https://chat.example", "Host": "chat.example"])
        #expect(socket.head.status == 101)
        try socket.send(#"{"op":"subscribe","id":1,"sessionId":"\#(id)"}"#)
        #expect(try socket.next().text.contains(#""op":"ok""#))
        #expect(try self.call("POST", one + "/messages", #"{"content":"through the file"}"#).status == 201)
        let event = try #require(try stream.next())
        #expect(event.event == "user.message" && event.json["data"]?["content"] == "through the file")
        while try !socket.next().text.contains("through the file") {}
        // Pages of other hosts are refused as they are over TCP.
        #expect(try self.socket(["Origin": "https://evil.example", "Host": "chat.example"]).head.status == 403)

        async let stopped: Void = node.stop()
        // What follows blocks its thread, which the stop may need.
        try await eventually(within: 60, "it drains") { !FileManager.default.fileExists(atPath: self.path) }
        #expect(try stream.rest().last?.json["data"]?["reason"] == "drain")
        var last = try socket.next()
        while last.opcode == 1 { last = try socket.next() }
        #expect(last.closeCode == 1001)
        await stopped
        #expect(!FileManager.default.fileExists(atPath: self.path))
    }

    @Test func `TLS is for the port alone`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let certificate = try Certificate()
        let node = try await self.start(on: redis) {
            $0.port = 0
            $0.credentials.tls = try? TLSContext(certificate: certificate.file, key: certificate.key)
        }
        let id = try self.create()
        let secure = try RawHTTP(port: node.server.port, tls: true)
        try secure.send(TestNode.bytes("GET", target: "\(TestNode.base)/\(id)"))
        #expect(try secure.readResponse().status == 200)
        await node.stop()
    }

    @Test func `clients count as one, or as whom a trusted proxy names`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        for isTrusted in [false, true] {
            let node = try await self.start(on: redis, loops: 1) {
                _ = $0.rateRules.add("address.read=2/h")
                $0.trustedProxies = isTrusted ? [AddressRange("unix")].compactMap { $0 } : []
            }
            let addresses = isTrusted ? ["203.0.113.1", "203.0.113.2"] : ["198.51.100.1", "198.51.100.2"]
            var statuses: [[Int]] = []
            for address in addresses {
                let forwarded = ["X-Forwarded-For": "10.0.0.1, \(address)"]
                statuses.append(try (0..<3).map { _ in try self.call("GET", TestNode.base, headers: forwarded).status })
            }
            #expect(
                statuses == (isTrusted ? [[200, 200, 429], [200, 200, 429]] : [[200, 200, 429], [429, 429, 429]]))
            await node.stop()
        }
    }

    @Test func `a socket that cannot be listened on stops the start`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await self.start(on: redis)
        await #expect(throws: HTTPListenError.self) {
            _ = try await Server.start(configuration: self.another(), store: node.store)
        }
        #expect(try self.call("GET", "/livez").status == 200)
        await node.stop()
    }

    private func another() throws -> ServerConfiguration {
        var configuration = try ServerConfiguration.forTests()
        configuration.unixSocket = self.path
        return configuration
    }
}
