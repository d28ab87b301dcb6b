import SojournCore
import Testing

@testable import SojournStore

@Suite struct EnlistedAgentsTests {
    @Test func `agents are known for one replication id, and not too many of them`() {
        let (one, two) = (UUIDBits(high: 1, low: 0), UUIDBits(high: 2, low: 0))
        var agents = EnlistedAgents()
        #expect(!agents.contains(one, at: nil))
        agents.insert(one, at: "a")
        #expect(agents.contains(one, at: "a") && !agents.contains(one, at: "b") && !agents.contains(one, at: nil))
        agents.insert(two, at: "b")
        #expect(agents.contains(two, at: "b") && !agents.contains(one, at: "b") && !agents.contains(one, at: "a"))
        for number in 0..<UInt64(3 * EnlistedAgents.limit) {
            agents.insert(UUIDBits(high: 3, low: number), at: "b")
            #expect(agents.count <= EnlistedAgents.limit)
        }
        #expect(agents.contains(UUIDBits(high: 3, low: UInt64(3 * EnlistedAgents.limit - 1)), at: "b"))
    }
}
