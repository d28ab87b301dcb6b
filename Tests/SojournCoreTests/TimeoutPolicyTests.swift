import SojournCore
import Testing

@Suite struct TimeoutPolicyTests {
    @Test(arguments: 0..<500 as Range<UInt64>)
    func `law 1 holds for every session`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let minute: Int64 = 60_000
        func some(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &generator) }
        let created = Instant(milliseconds: some(1...2_000_000_000_000))
        let policy = TimeoutPolicy(
            timeout: some(1...1440) * minute, autoRenew: true, maxDuration: some(1...2880) * minute,
            warning: some(1...60) * minute)
        let base = created + some(0...2880) * minute
        let lease = Bool.random(using: &generator) ? created + some(0...4000) * minute : nil
        let deadline = Bool.random(using: &generator) ? created + some(0...4000) * minute : nil
        let end = policy.expiresAt(createdAt: created, base: base, leaseEnd: lease, interactionDeadline: deadline)
        let cap = created + policy.maxDuration
        #expect(end <= cap, "nothing extends past the cap")
        let candidates = [base + policy.timeout, lease, deadline].compactMap { $0 }
        #expect(end == cap || candidates.contains(end))
        #expect(candidates.allSatisfy { $0 <= end || end == cap })
        #expect(end >= min(cap, policy.expiresAt(createdAt: created, base: base)), "a lease only ever extends")
        let later = policy.expiresAt(createdAt: created, base: base + 1, leaseEnd: lease, interactionDeadline: deadline)
        #expect(later >= end, "a renewal never shortens")
    }

    @Test func `the warning never takes more than half of the timeout`() {
        func lead(_ timeout: Int64, _ warning: Int64) -> Int64 {
            TimeoutPolicy(timeout: timeout, autoRenew: true, maxDuration: 10, warning: warning).effectiveLead
        }
        #expect(lead(1_800_000, 300_000) == 300_000)
        #expect(lead(300_000, 300_000) == 150_000)
        #expect(lead(600_000, 300_000) == 300_000)
    }
}
