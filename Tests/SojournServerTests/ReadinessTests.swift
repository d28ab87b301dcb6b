import SojournCore
import SojournLoop
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct ReadinessTests {
    private func reasons(_ answer: HTTPAnswer) -> [String] { (answer["reasons"]?.array ?? []).compactMap(\.string) }

    @Test func `a node without Redis lives, but is not ready`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, loops: 2)
        try await eventually("it is ready") { try node.call("GET", target: "/readyz").status == 200 }
        #expect(try node.call("GET", target: "/readyz").text == #"{"status":"ready"}"#)
        redis.kill9()
        try await eventually("it is not ready") { try node.call("GET", target: "/readyz").status == 503 }
        let answer = try node.call("GET", target: "/readyz")
        #expect(answer["status"] == "not ready" && self.reasons(answer).contains("redis is away"))
        #expect(try node.call("GET", target: "/livez").status == 200)
        try await redis.restart()
        try await eventually("it is ready again") { try node.call("GET", target: "/readyz").status == 200 }
        await node.stop()
    }

    @Test func `a node that does not hear what is published is not ready`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        try await eventually("it is ready") { try node.call("GET", target: "/readyz").status == 200 }
        let client = try redis.client()
        let users = try client.send("ACL", "USERS").array.compactMap(\.string)
        for user in users { try client.send("ACL", "SETUSER", user, "-ssubscribe") }
        try client.send("CLIENT", "KILL", "TYPE", "pubsub")
        try await eventually("it is deaf") {
            self.reasons(try node.call("GET", target: "/readyz")) == ["published events do not arrive"]
        }
        #expect(try node.figures()["sojourn_loops_hearing"] == 0)
        #expect(try node.call("GET", "/health")["status"] == "degraded")
        for user in users { try client.send("ACL", "SETUSER", user, "+ssubscribe") }
        try await eventually("it hears again") { try node.call("GET", target: "/readyz").status == 200 }
        await node.stop()
    }

    @Test func `a node that is about to stop says so first, and serves meanwhile`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, loops: 2, server: { $0.unreadyTime = 10_000 })
        let id = try node.create()
        try await eventually("it is ready") { try node.call("GET", target: "/readyz").status == 200 }
        let isOver = Locked(false)
        // On a thread of its own it waits for no other test.
        let own = EventLoop(name: "stopping")
        defer { own.stop() }
        let stopping = Task(executorPreference: own) {
            await node.stop()
            isOver.withLock { $0 = true }
        }
        try await eventually("it is not ready") { try node.call("GET", target: "/readyz").status == 503 }
        #expect(self.reasons(try node.call("GET", target: "/readyz")) == ["the node stops"])
        // New connections are still served, for those who have not heard it yet.
        #expect(try node.say("hi", in: id).status == 201)
        #expect(try node.figures()["sojourn_draining"] == 1)
        #expect(!isOver.withLock { $0 })
        await stopping.value
        #expect(throws: (any Error).self) { try node.call("GET", target: "/livez") }
    }
}
