import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct HeartbeatQueueTests {
    @Test func `heartbeats that come together share calls, and each request gets its own outcomes in its order`()
        async throws
    {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server) { $0.partitions = 2 }
        var living: [String] = []
        for _ in 0..<40 { living.append(try await node.session().id.text) }
        let ended = try await node.session().id.text
        try await node.store.end(ended)
        let warned = try await node.session(minutes: 10, max: 720).id.text
        let unknown = "99999999-9999-4999-8999-999999999999"
        let ids = [unknown] + living + [ended, warned, living[0]]
        let (requests, calls) = try await node.shard { shard in
            let before = shard.counters.scripts["beat"]?.times.count ?? 0
            var requests: [[HeartbeatOutcome]] = []
            await shard.concurrently(0..<50) { number in
                // Each in an order of its own.
                let turned = Array(ids[(number % ids.count)...] + ids[..<(number % ids.count)])
                let outcomes = await shard.heartbeat(batch: turned)
                requests.append(
                    Array(
                        outcomes[(ids.count - number % ids.count)...] + outcomes.prefix(ids.count - number % ids.count))
                )
            }
            return (requests, (shard.counters.scripts["beat"]?.times.count ?? 0) - before)
        }
        try #require(requests.count == 50)
        for outcomes in requests {
            try #require(outcomes.count == ids.count)
            #expect(outcomes[0].error?.code == .sessionNotFound)
            #expect(outcomes[1...40].allSatisfy { $0.error == nil && $0.extended && $0.head == 1 })
            #expect(outcomes[41].error?.code == .sessionNotFound)
            #expect(outcomes[42].error == nil && outcomes[43].error == nil)
        }
        // 50 requests for 43 sessions in two partitions are 2,150 heartbeats: 68 full calls, and a few that were not.
        #expect((68...110).contains(calls), "\(calls) calls")
        await node.stop()
    }

    @Test func `a heartbeat that nothing is in the way of leaves at once, alone`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let id = try await node.session().id.text
        for round in 1...5 {
            let outcomes = try await node.store.heartbeat(batch: [id])
            #expect(outcomes.count == 1 && outcomes[0].error == nil)
            #expect(try await node.shard { $0.counters.scripts["beat"]?.times.count ?? 0 } == round)
        }
        #expect(try await node.store.heartbeat(batch: []).isEmpty)
        await node.stop()
    }

    @Test func `while Redis is away every heartbeat gets an error, and afterwards they work again`() async throws {
        let server = try await RedisServer.start(["--appendfsync", "always"])
        defer { server.stop() }
        let node = try await StoreNode.start(on: server) { $0.commandTimeout = 500 }
        let id = try await node.session().id.text
        server.kill9()
        let lost = try await node.shard { shard in
            var lost: [HeartbeatOutcome] = []
            await shard.concurrently(0..<100) { _ in lost += await shard.heartbeat(batch: [id]) }
            return lost
        }
        #expect(lost.count == 100)
        #expect(lost.allSatisfy { $0.error?.code == .storeUnavailable || $0.error?.code == .outcomeUnknown })
        try await server.restart()
        try await eventually(within: 30) { try await node.store.heartbeat(batch: [id]).first?.error == nil }
        await node.stop()
    }
}
