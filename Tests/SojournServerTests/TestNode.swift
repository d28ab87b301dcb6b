import Foundation
import SojournArchive
import SojournCore
import SojournLoop
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// A whole node in this process: loops, store, HTTP on a free port, test clock on.
final class TestNode: Sendable {
    static let base = "/api/messaging/sessions"
    static let agent = "11111111-1111-4111-8111-111111111111"
    static let user = "22222222-2222-4222-8222-222222222222"

    let store: SessionStore
    let server: Server
    let archive: Archive?
    private let loops: [EventLoop]
    private let redis: RedisServer

    private init(store: SessionStore, server: Server, archive: Archive?, loops: [EventLoop], redis: RedisServer) {
        self.redis = redis
        self.store = store
        self.server = server
        self.archive = archive
        self.loops = loops
    }

    /// Starts a node on `redis`; with `archivePath` it is an archivist.
    static func start(
        on redis: RedisServer, name: String = "a", archivePath: String? = nil, loops count: Int = 1,
        log: Log = .silent,
        store change: (inout StoreConfiguration) -> Void = { _ in },
        server adjust: (inout ServerConfiguration) -> Void = { _ in }
    ) async throws -> TestNode {
        var configuration = try StoreConfiguration(reaching: redis, nodeName: name)
        configuration.testClock = true
        configuration.partitions = 16
        change(&configuration)
        let loops = (0..<count).map { EventLoop(name: "\(name)-\($0)") }
        var archive: Archive?
        if let archivePath { archive = try await Archive.open(path: archivePath, log: .silent) }
        let store = try await SessionStore.start(configuration: configuration, loops: loops, archive: archive)
        var settings = try ServerConfiguration.forTests()
        settings.testClock = true
        adjust(&settings)
        let server = try await Server.start(configuration: settings, store: store, log: log)
        KeyspaceWalk.nodeStarted(on: redis)
        return TestNode(store: store, server: server, archive: archive, loops: loops, redis: redis)
    }

    /// Drains the server and shuts the store down. After the last node of a Redis every key must have a TTL or an owner.
    func stop() async {
        await self.server.drain()
        await self.store.shutdown()
        await self.archive?.close()
        let violations = KeyspaceWalk.nodeStopped(on: self.redis)
        #expect(violations.isEmpty, "law 7: \(violations)")
    }

    // MARK: Requests

    /// A connection on which nothing was sent yet.
    func connect(deadlineMilliseconds: Int = 10_000, receiveBuffer: CInt? = nil) throws -> RawHTTP {
        try RawHTTP(
            port: self.server.port, deadlineMilliseconds: deadlineMilliseconds, receiveBuffer: receiveBuffer,
            tls: SecureRun.certificate != nil)
    }

    /// The bytes of a request; a body counts as JSON unless a header says otherwise.
    static func bytes(_ method: String, target: String, _ body: String? = nil, headers: [String: String] = [:])
        -> [UInt8]
    {
        var head = "\(method) \(target) HTTP/1.1\r\nHost: test\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if let body {
            if headers["Content-Type"] == nil { head += "Content-Type: application/json\r\n" }
            head += "Content-Length: \(body.utf8.count)\r\n"
        }
        return Array((head + "\r\n" + (body ?? "")).utf8)
    }

    /// Sends a request on a connection of its own; the answer is the caller's to read.
    func send(
        _ method: String, target: String, _ body: String? = nil, headers: [String: String] = [:],
        deadlineMilliseconds: Int = 10_000
    ) throws -> RawHTTP {
        let client = try self.connect(deadlineMilliseconds: deadlineMilliseconds)
        try client.send(Self.bytes(method, target: target, body, headers: headers))
        return client
    }

    /// One request and its answer; `path` counts from the base of the sessions.
    func call(
        _ method: String, _ path: String = "", _ body: String? = nil, headers: [String: String] = [:]
    ) throws -> HTTPAnswer { try self.call(method, target: Self.base + path, body, headers: headers) }

    /// One request and its answer; `target` is the whole target.
    func call(
        _ method: String, target: String, _ body: String? = nil, headers: [String: String] = [:]
    ) throws -> HTTPAnswer {
        let client = try self.send(method, target: target, body, headers: headers)
        return HTTPAnswer(try client.readResponse(toHEAD: method == "HEAD"))
    }

    // MARK: What most tests need

    /// Creates a session and returns its id; `config` is the text of its `timeoutConfig`.
    func create(config: String = "{}", more: String = "") throws -> String {
        let answer = try self.call(
            "POST", "",
            #"{"agentId":"\#(Self.agent)","userId":"\#(Self.user)","timeoutConfig":\#(config)\#(more)}"#)
        guard let id = answer["sessionId"]?.string else { throw NotInTime(description: answer.text) }
        return id
    }

    /// Says something as the session's user.
    @discardableResult
    func say(_ content: String, in id: String) throws -> HTTPAnswer {
        try self.call("POST", "/\(id)/messages", JSON.object(["content": .string(content)]).text)
    }

    /// Says something as the agent.
    @discardableResult
    func answer(_ content: String, in id: String) async throws -> SentMessage {
        try await self.store.send(MessageDraft(author: .agent, authorID: Self.agent, content: content), to: id)
    }

    /// Moves the test clock.
    func advance(minutes: Double) throws {
        let answer = try self.call("POST", target: "/test/clock", #"{"advanceMs":\#(Int(minutes * 60_000))}"#)
        #expect(answer.status == 200)
    }

    /// Lets a session's life end by its deadline, and waits until that is carried out.
    func expire(_ id: String) async throws {
        try self.advance(minutes: 2000)
        try await eventually("the session is swept") {
            try self.call("GET", "?limit=1")["stats"]?["activeSessions"]?.int == 0
        }
    }
}

/// An answer and its body as JSON.
struct HTTPAnswer: Sendable {
    let response: RawResponse
    /// Null when the body is not JSON.
    let json: JSON

    init(_ response: RawResponse) {
        self.response = response
        self.json = (try? JSON.parse(response.body)) ?? .null
    }

    var status: Int { self.response.status }
    var text: String { self.response.text }
    func header(_ name: String) -> String? { self.response.header(name) }
    subscript(name: String) -> JSON? { self.json[name] }
    /// The code of an error.
    var code: String? { self.json["error"]?["code"]?.string }
    /// The message of an error.
    var message: String? { self.json["error"]?["message"]?.string }
}

extension JSON {
    /// The names of an object's members, in order.
    var names: [String] { self.object?.members.map(\.name) ?? [] }
}

extension TestNode {
    /// How many event streams are open.
    func openStreams() async throws -> Int {
        var count = 0
        for (loop, node) in self.server.parts { count += try await loop.run { node.value.streams.count } }
        return count
    }

    /// The most bytes that wait for one reader.
    func pendingBytes() async throws -> Int {
        var most = 0
        for (loop, node) in self.server.parts {
            most = max(most, try await loop.run { node.value.streams.values.map(\.pendingBytes).max() ?? 0 })
        }
        return most
    }
}

extension TestNode {
    /// Ends as a crash would, as far as others see it: its connections to Redis are gone, nothing is finished.
    func crash() async throws {
        for (loop, node) in self.server.parts { try await loop.run { node.value.shard.close() } }
    }

    /// What happened to the streams, as the health check tells it.
    func streamCounts() throws -> [String: Int] {
        let streams = try self.call("GET", "/health")["streams"]?.object?.members ?? []
        return Dictionary(uniqueKeysWithValues: streams.map { ($0.name, $0.value.int ?? -1) })
    }
}
