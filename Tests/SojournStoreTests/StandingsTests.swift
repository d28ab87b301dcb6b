import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

/// How many sessions stand where, without a look at each.
@Suite struct StandingsTests {
    @Test func `few sessions are counted, many are estimated for the same price`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let made = 1_600
        let used = try await node.shard { shard in
            let policy = TimeoutPolicy(
                timeout: 30 * 60_000, autoRenew: true, maxDuration: 720 * 60_000, warning: 5 * 60_000)
            var used = 0
            await shard.concurrently(0..<made) { number in
                let request = SessionRequest(agentID: StoreNode.agent, userID: StoreNode.user, policy: policy)
                guard let session = try? await shard.create(request).session, number % 4 == 0 else { return }
                let draft = MessageDraft(authorID: StoreNode.user, content: "hello")
                if (try? await shard.send(draft, to: session.id)) != nil { used += 1 }
            }
            return used
        }
        try #require(used == made / 4)
        let exact = try await node.shard { try await $0.standings() }
        #expect(exact.phases == [.created: made - used, .active: used, .dormant: 0, .expiring: 0, .closed: 0])
        #expect(
            exact.statuses == [.idle: made, .running: 0, .waiting: 0, .expired: 0, .ended: 0, .archived: 0])
        // A quarter of them is read, of each partition as many as of the others: what is counted in the index stays exact.
        var sum = 0
        for _ in 1...8 {
            let before = try server.calls(of: "hmget")
            let estimate = try await node.shard { try await $0.standings(reading: 400) }
            let reads = try server.calls(of: "hmget") - before
            #expect(estimate.statuses[.idle] == made)
            #expect(reads >= 400 && reads < 800, "\(reads) reads")
            sum += estimate.phases[.active] ?? 0
        }
        // Eight estimates together are off by more than a half once in many lifetimes.
        #expect(abs(sum - 8 * used) < 4 * used, "\(sum / 8) instead of \(used)")
        await node.stop()
    }
}
