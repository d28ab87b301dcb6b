import Foundation
import SojournCore
import SojournLoop
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// A node with its own Redis, for tests of turns over HTTP.
final class TurnNode: Sendable {
    static let agent = "11111111-1111-4111-8111-111111111111"
    static let user = "22222222-2222-4222-8222-222222222222"

    let redis: RedisServer
    let store: SessionStore
    let server: Server
    let loop: EventLoop

    static func start(
        on redis: RedisServer, name: String = "node", answerLimit: Int = 30_000,
        _ change: (inout StoreConfiguration) -> Void = { _ in }
    ) async throws -> TurnNode {
        let loop = EventLoop(name: name)
        var configuration = try StoreConfiguration(reaching: redis, nodeName: name)
        configuration.partitions = 16
        change(&configuration)
        let store = try await SessionStore.start(configuration: configuration, loops: [loop])
        var serving = try ServerConfiguration.forTests()
        serving.testClock = configuration.testClock
        serving.answerLimit = answerLimit
        let server = try await Server.start(configuration: serving, store: store)
        KeyspaceWalk.nodeStarted(on: redis)
        return TurnNode(redis: redis, store: store, server: server, loop: loop)
    }

    private init(redis: RedisServer, store: SessionStore, server: Server, loop: EventLoop) {
        self.redis = redis
        self.store = store
        self.server = server
        self.loop = loop
    }

    func stop() async {
        await self.server.drain()
        await self.store.shutdown()
        let violations = KeyspaceWalk.nodeStopped(on: self.redis)
        #expect(violations.isEmpty, "law 7: \(violations)")
    }

    /// One request on a connection of its own, off the cooperative pool.
    func call(
        _ method: String, _ path: String, _ body: JSON? = nil, key: String? = nil, port: Int? = nil
    ) async throws -> (status: Int, body: JSON) {
        let request = Self.request(method, path, body, key: key)
        let port = port ?? self.server.port
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        let client = try RawHTTP(
                            port: port, deadlineMilliseconds: 60_000, tls: SecureRun.certificate != nil)
                        try client.send(request)
                        let response = try client.readResponse()
                        return (response.status, (try? JSON.parse(response.body)) ?? .null)
                    })
            }
        }
    }

    static func request(_ method: String, _ path: String, _ body: JSON? = nil, key: String? = nil) -> String {
        let text = body?.text ?? ""
        let header = key.map { "Idempotency-Key: \($0)\r\n" } ?? ""
        return "\(method) /api/messaging\(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\(header)"
            + "Content-Length: \(text.utf8.count)\r\n\r\n\(text)"
    }

    func create(_ extra: JSONObject = JSONObject(), agent: String = TurnNode.agent) async throws -> String {
        let body: JSONObject = ["agentId": .string(agent), "userId": .string(Self.user)]
        let (status, answer) = try await self.call("POST", "/sessions", .object(body.merging(extra)))
        #expect(status == 201, "\(answer)")
        return try #require(answer["sessionId"]?.string)
    }

    func say(_ text: String, in id: String, _ extra: JSONObject = JSONObject()) async throws -> (
        status: Int, body: JSON
    ) {
        let body: JSONObject = ["content": .string(text)]
        return try await self.call("POST", "/sessions/\(id)/messages", .object(body.merging(extra)))
    }

    func claim(_ query: String = "wait=40s") async throws -> [JSON] {
        let (status, body) = try await self.call("POST", "/agents/\(Self.agent)/turns/claim?\(query)")
        #expect(status == 200, "\(body)")
        return body["turns"]?.array ?? []
    }

    /// Does something with a leased turn.
    func work(_ turn: JSON, _ what: String, _ extra: JSONObject = JSONObject(), key: String? = nil) async throws -> (
        status: Int, body: JSON
    ) {
        let body: JSONObject = ["leaseToken": turn["leaseToken"] ?? .null]
        let id = try #require(turn["turnId"]?.string)
        return try await self.call("POST", "/turns/\(id)/\(what)", .object(body.merging(extra)), key: key)
    }

    func events(_ id: String) async throws -> [JSON] {
        try await self.call("GET", "/sessions/\(id)/events?limit=1000").body["events"]?.array ?? []
    }
}
