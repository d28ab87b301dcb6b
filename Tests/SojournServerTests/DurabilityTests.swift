import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// What an answer says about the replicas that have a message.
@Suite struct DurabilityTests {
    @Test func `an answer tells how many replicas were asked for and how many have it`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis) {
            $0.waitReplicas = 1
            $0.waitMilliseconds = 20
        }
        let id = try await node.create()
        let none: JSON = ["asked": 1, "reached": 0]
        let body: JSON = ["content": "hello", "ifBusy": "enqueue"]
        let sent = try await node.call("POST", "/sessions/\(id)/messages", body, key: "one")
        #expect(sent.status == 201 && sent.body["durability"] == none)
        // The same request once more writes nothing, and is told about what there is.
        let again = try await node.call("POST", "/sessions/\(id)/messages", body, key: "one")
        #expect(again.body["seq"] == sent.body["seq"] && again.body["durability"] == none)
        let claimed = try await node.claim()
        let turn = try #require(claimed.first)
        let report = try await node.work(turn, "events", ["events": [["type": "agent.message", "content": "so far"]]])
        #expect(report.status == 201 && report.body["durability"] == none)
        let finished = try await node.work(turn, "complete", ["message": ["content": "done"]])
        #expect(finished.status == 200 && finished.body["durability"] == none)
        await node.stop()
    }

    @Test func `without the setting nothing is waited for and nothing is told`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        let sent = try node.say("hello", in: id)
        #expect(sent.status == 201 && sent["durability"] == nil)
        #expect(try redis.client().send("INFO", "commandstats").string?.contains("cmdstat_wait") == false)
        await node.stop()
    }
}
