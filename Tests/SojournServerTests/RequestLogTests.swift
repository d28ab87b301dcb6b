import Glibc
import SojournCore
import SojournLoop
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// What was logged in a test.
private final class LoggedEvents: Sendable {
    private let events = Locked<[LogEvent]>([])
    let threshold: LogThreshold

    init(_ level: LogLevel) { self.threshold = LogThreshold(level) }

    var log: Log { Log(threshold: self.threshold) { event in self.events.withLock { $0.append(event) } } }

    func all(_ message: String) -> [[String: String]] {
        self.events.withLock { $0 }.filter { $0.message == message }
            .map { Dictionary(uniqueKeysWithValues: $0.metadata.map { ($0.key, $0.value) }) }
    }
}

@Suite struct RequestLogTests {
    private static let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test func `every answer bears the request's name: the client's, or one of ours`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.apiKeys = ["key"] })
        let key = ["X-API-KEY": "key"]
        let named = try node.call("GET", "/health", headers: key.merging(["X-Request-Id": "Ab1-_.:/+=@"]) { $1 })
        #expect(named.header("X-Request-Id") == "Ab1-_.:/+=@")
        var own: Set<String> = []
        let strange = ["", "a b", "a\"b", "ä", "a,b", String(repeating: "x", count: 129), "a<b>"]
        for text in strange {
            let answer = try node.call("GET", "/health", headers: key.merging(["X-Request-Id": text]) { $1 })
            let name = try #require(answer.header("X-Request-Id"))
            #expect(name != text && (1...13).contains(name.count), "\(text): \(name)")
            own.insert(name)
        }
        for target in ["/livez", "/nowhere", TestNode.base, "/metrics", "/api/messaging/ws"] {
            own.insert(try #require(try node.call("GET", target: target).header("X-Request-Id"), "\(target)"))
        }
        #expect(own.count == strange.count + 5, "each has a name of its own")
        let made = try node.call(
            "POST", "", #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#, headers: key)
        let id = made["sessionId"]?.string ?? ""
        let stream = try StreamClient(node, id, headers: key.merging(["X-Request-Id": "stream-1"]) { $1 })
        #expect(stream.head.header("X-Request-Id") == "stream-1")
        await node.stop()
    }

    @Test func `at level debug each request is one line, without what may be secret; above it none is`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let logged = LoggedEvents(.info)
        let node = try await TestNode.start(on: redis, log: logged.log)
        let id = try node.create()
        #expect(logged.all("a request was answered").isEmpty)
        // The level may change while the node runs.
        logged.threshold.level = .debug
        let target = "\(TestNode.base)/\(id)?token=hunter2"
        let answer = try node.call(
            "GET", target: target, headers: ["X-Request-Id": "r1", "traceparent": Self.trace])
        #expect(answer.status == 200)
        #expect(try node.call("GET", target: "/no/route").status == 404)
        let lines = logged.all("a request was answered")
        #expect(lines.count == 2)
        let line = try #require(lines.first)
        #expect(line["request.id"] == "r1" && line["http.method"] == "GET" && line["http.status"] == "200")
        #expect(line["http.path"] == "\(TestNode.base)/\(id)")
        #expect(line["trace.id"] == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(line["client.address"] == "127.0.0.1")
        #expect(line["duration.ms"].flatMap(Double.init) ?? -1 >= 0)
        #expect(lines.last?["http.status"] == "404" && lines.last?["trace.id"] == "")
        let socket = try SocketClient(node)
        _ = try socket.call("heartbeat", ["sessionId": .string(id)])
        _ = try socket.call("heartbeat", ["sessionId": "nonsense"])
        let operations = logged.all("an operation was answered")
        #expect(operations.map { $0["op"] } == ["heartbeat", "heartbeat"])
        #expect(operations.map { $0["error.code"] } == ["", "SESSION_NOT_FOUND"])
        #expect(operations.first?["session.id"] == id)
        await node.stop()
    }

    @Test func `what takes long is a warning, but not what waits for somebody`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let logged = LoggedEvents(.warning)
        let node = try await TestNode.start(on: redis, log: logged.log, server: { $0.slowRequest = 400 })
        let id = try node.create()
        let claim = "/api/messaging/agents/\(TestNode.agent)/turns/claim?wait=1s"
        #expect(try node.call("POST", target: claim)["turns"]?.array == [])
        #expect(logged.all("a request took long").isEmpty)
        redis.signal(SIGSTOP)
        let client = try node.send("GET", target: "\(TestNode.base)/\(id)", headers: ["X-Request-Id": "slow"])
        let start = ContinuousClock.now
        try await eventually("it has taken long") { start.duration(to: .now) > .milliseconds(800) }
        redis.signal(SIGCONT)
        #expect(try client.readResponse().status == 200)
        let line = try #require(logged.all("a request took long").first)
        #expect(line["request.id"] == "slow" && line["duration.ms"].flatMap(Double.init) ?? 0 >= 400)
        #expect(logged.all("a request was answered").isEmpty)
        await node.stop()
    }

    @Test func `when all is slow some lines say so, and one says how many more there were`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let logged = LoggedEvents(.notice)
        let node = try await TestNode.start(on: redis, log: logged.log, server: { $0.slowRequest = 0 })
        let requests = 3 * SlowLines.most
        for _ in 0..<requests { _ = try node.call("GET", target: "/livez") }
        let more = "more requests and operations took long than are told one by one"
        try await eventually(within: 60, "the rest is summed up") { !logged.all(more).isEmpty }
        let told = logged.all("a request took long").count
        #expect(told >= SlowLines.most && told < requests)
        let untold = logged.all(more).compactMap { $0["count"].flatMap { Int($0) } }
        #expect(untold.reduce(told, +) == requests)
        await node.stop()
    }

    @Test func `events bear the trace of the request that wrote them, live and archived`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let node = try await TestNode.start(on: redis, archivePath: folder.file("archive.sqlite"))
        let claim = "/api/messaging/agents/\(TestNode.agent)/turns/claim"
        #expect(try node.call("POST", target: claim)["turns"]?.array == [])
        let traced = ["traceparent": Self.trace]
        let made = try node.call(
            "POST", "", #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#, headers: traced)
        let id = try #require(made["sessionId"]?.string)
        let socket = try SocketClient(node)
        _ = try socket.call(
            "message", ["sessionId": .string(id), "content": "one", "traceparent": .string(Self.trace)])
        _ = try socket.call("message", ["sessionId": .string(id), "content": "two", "traceparent": "\"}"])
        _ = try node.call("POST", "/\(id)/messages", #"{"content":"three"}"#, headers: ["traceparent": "nonsense"])
        _ = try node.call("POST", "/\(id)/messages", #"{"content":"four"}"#, headers: traced)
        try node.say("five", in: id)
        let turn = try #require(try node.call("POST", target: claim + "?wait=8s")["turns"]?.array?.first)
        let (name, token) = (turn["turnId"]?.string ?? "", turn["leaseToken"]?.string ?? "")
        let done = try node.call(
            "POST", target: "/api/messaging/turns/\(name)/complete",
            #"{"leaseToken":"\#(token)","message":"done"}"#, headers: traced)
        #expect(done.status == 200, "\(done.text)")
        func traces(_ query: String) throws -> [String: [String?]] {
            let events = try node.call("GET", "/\(id)/events?limit=100\(query)")["events"]?.array ?? []
            return Dictionary(grouping: events) { $0["type"]?.string ?? "" }.mapValues {
                $0.map { $0["trace"]?.string }
            }
        }
        let live = try traces("")
        #expect(live["session.created"] == [Self.trace])
        #expect(live["user.message"] == [Self.trace, nil, nil, Self.trace, nil])
        #expect(live["agent.message"] == [Self.trace])
        #expect(try node.call("DELETE", "/\(id)").status == 200)
        try await eventually("it is archived") {
            try node.call("GET", "?limit=1")["stats"]?["expiredSessions"]?.int == 0
        }
        let archived = try traces("&archived=1")
        #expect(archived["user.message"] == live["user.message"])
        await node.stop()
    }
}
