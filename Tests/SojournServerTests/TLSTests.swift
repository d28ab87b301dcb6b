import Foundation
import SojournCore
import SojournLoop
import SojournRedis
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite(.enabled(if: SecureRun.certificate == nil, "a secure run does all of this everywhere"))
struct TLSTests {
    private static func node(on redis: RedisServer, _ certificate: Certificate) async throws -> TestNode {
        let tls = try TLSContext(certificate: certificate.file, key: certificate.key)
        return try await TestNode.start(on: redis, server: { $0.credentials.tls = tls })
    }

    private static func ask(_ client: RawHTTP, _ method: String, _ path: String, _ body: String? = nil) throws
        -> HTTPAnswer
    {
        try client.send(TestNode.bytes(method, target: path, body))
        return HTTPAnswer(try client.readResponse())
    }

    @Test func `requests, streams and refusals go over TLS, and a new certificate drops nobody`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (old, new) = (try Certificate(name: "old"), try Certificate(name: "new"))
        let node = try await Self.node(on: redis, old)
        func connect() throws -> RawHTTP { try RawHTTP(port: node.server.port, tls: true) }
        let client = try connect()
        #expect(client.tlsVersion == "TLSv1.3")
        let made = try Self.ask(
            client, "POST", TestNode.base, #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#)
        #expect(made.header("Strict-Transport-Security") != nil)
        let id = try #require(made["sessionId"]?.string)
        let stream = try connect()
        try stream.send(TestNode.bytes("GET", target: TestNode.base + "/\(id)/stream"))
        #expect(try stream.readHead().status == 200)
        #expect(try stream.readEvent()?.event == "stream.ready")
        var credentials = Credentials()
        credentials.tls = try TLSContext(certificate: new.file, key: new.key)
        await node.server.renew(credentials)
        // Who trusts only the new one is served; who trusts only the old one is not.
        for (certificate, expected) in [(new, CInt(0)), (old, 60)] {
            let curl = try TestProcess(
                "curl",
                [
                    "-s", "-o", "/dev/null", "--cacert", certificate.file,
                    "https://127.0.0.1:\(node.server.port)/livez",
                ])
            #expect(curl.wait() == .exited(expected))
        }
        // The connections of before go on; a large message makes several records.
        let text = String(repeating: "é", count: 4000)
        #expect(
            try Self.ask(
                client, "POST", TestNode.base + "/\(id)/messages", JSON.object(["content": .string(text)]).text
            )
            .status
                == 201)
        #expect(try stream.readEvent()?.data?.contains(text) == true)
        let bad = try connect()
        try bad.send("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n")
        #expect(try bad.readResponse().status == 400)
        #expect(try bad.readToEnd().isEmpty)
        await node.stop()
        #expect(try stream.readEvent()?.event == "stream.end")
    }

    @Test func `a WebSocket goes over TLS, with messages of many records and to its close`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await Self.node(on: redis, try Certificate())
        func open(_ target: String) throws -> RawWebSocket {
            let http = try RawHTTP(port: node.server.port, deadlineMilliseconds: 30_000, tls: true)
            let socket = try RawWebSocket(http, target: target)
            #expect(socket.head.status == 101)
            return socket
        }
        let echo = try open("/test/echo")
        for size in [0, 1, 4095, 4096, 4097, 16_384, 70_000, 1 << 20] {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            try echo.send(RawFrame(opcode: 2, bytes))
            let frame = try echo.next()
            #expect(frame.opcode == 2 && frame.payload == bytes, "\(size) bytes")
        }
        // Many in one record, and one in many.
        try echo.http.send((0..<500).flatMap { RawWebSocket.bytes(.text("message \($0)")) })
        for number in 0..<500 { #expect(try echo.next().text == "message \(number)") }
        for byte in RawWebSocket.bytes(.text("slowly")) { try echo.http.send([byte]) }
        #expect(try echo.next().text == "slowly")
        try echo.send(.close(1000))
        #expect(try echo.next().closeCode == 1000)
        #expect(try echo.isClosedByServer())

        let client = try RawHTTP(port: node.server.port, tls: true)
        let made = try Self.ask(
            client, "POST", TestNode.base, #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#)
        let id = try #require(made["sessionId"]?.string)
        let gateway = try open(NodeServer.webSocketPath)
        try gateway.send(#"{"op":"subscribe","id":1,"sessionId":"\#(id)","after":"0"}"#)
        #expect(try gateway.next().text.hasPrefix(#"{"op":"ok","id":1"#))
        #expect(SocketEvent(try gateway.next().text)?.type == "session.created")
        #expect(SocketEvent(try gateway.next().text)?.type == "stream.ready")
        let text = String(repeating: "é", count: 4000)
        _ = try Self.ask(
            client, "POST", TestNode.base + "/\(id)/messages", JSON.object(["content": .string(text)]).text)
        #expect(SocketEvent(try gateway.next().text)?.json["data"]?["content"]?.string == text)
        await node.stop()
        #expect(try gateway.next().closeCode == 1001)
    }

    @Test func `plain bytes, old versions and other protocols get nothing`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let certificate = try Certificate()
        let node = try await Self.node(on: redis, certificate)
        let plain = try RawHTTP(port: node.server.port)
        try plain.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(try !String(decoding: plain.readToEnd(), as: UTF8.self).contains("alive"))
        let url = "https://127.0.0.1:\(node.server.port)/livez"
        let curl = ["-s", "-o", "/dev/null", "--cacert", certificate.file]
        #expect(try TestProcess("curl", curl + ["--tls-max", "1.2", url]).wait() == .exited(0))
        #expect(try TestProcess("curl", curl + ["--tls-max", "1.1", url]).wait() != .exited(0))
        let offer = ["s_client", "-connect", "127.0.0.1:\(node.server.port)", "-alpn"]
        let folder = TemporaryFolder()
        for (protocols, expected) in [("h2,http/1.1", "ALPN protocol: http/1.1"), ("h2", "no application protocol")] {
            let output = folder.file("out")
            try TestProcess("openssl", offer + [protocols], output: output).wait()
            #expect(try String(contentsOfFile: output, encoding: .utf8).contains(expected), "\(protocols)")
        }
        #expect(try RawHTTP(port: node.server.port, tls: true).tlsVersion != nil)
        await node.stop()
    }

    @Test func `files that are no certificate are refused with a sentence`() throws {
        let (one, two) = (try Certificate(), try Certificate())
        let folder = TemporaryFolder()
        try "nothing".write(toFile: folder.file("empty"), atomically: true, encoding: .utf8)
        for (certificate, key) in [
            (folder.file("absent"), one.key), (folder.file("empty"), one.key), (one.file, folder.file("empty")),
            (one.file, two.key),
        ] {
            let error = #expect(throws: TLSError.self) { try TLSContext(certificate: certificate, key: key) }
            let sentence = error?.description ?? ""
            #expect(sentence.contains(certificate) || sentence.contains(key), "\(sentence)")
        }
        #expect(throws: TLSError.self) { try TLSContext(authority: folder.file("empty")) }
    }
}
