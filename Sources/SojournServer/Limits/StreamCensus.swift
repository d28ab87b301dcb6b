import SojournCore
import SojournLoop

/// Counts the live connections of a node, over its loops, in all and by client address.
final class StreamCensus: Sendable {
    private struct Counts {
        var all = 0
        var byAddress: [String: Int] = [:]
    }

    private let most: Int
    private let mostByAddress: Int
    private let counts = Locked(Counts())

    init(most: Int, mostByAddress: Int) {
        self.most = most
        self.mostByAddress = mostByAddress
    }

    /// Counts one more of an address; ``leave(_:)`` takes it back.
    ///
    /// - Throws: `RATE_LIMIT_EXCEEDED` when the address has its share, `STORE_UNAVAILABLE` when the node has.
    func enter(_ address: String) throws(StoreError) {
        let refusal = self.counts.withLock { counts -> StoreError? in
            if counts.all >= self.most {
                return StoreError(.storeUnavailable, "This node has as many streams as it may", retryAfter: 5)
            }
            if counts.byAddress[address, default: 0] >= self.mostByAddress {
                return StoreError(.rateLimited, "This address has as many streams as it may", retryAfter: 30)
            }
            counts.all += 1
            counts.byAddress[address, default: 0] += 1
            return nil
        }
        if let refusal { throw refusal }
    }

    func leave(_ address: String) {
        self.counts.withLock { counts in
            counts.all -= 1
            let left = counts.byAddress[address, default: 1] - 1
            counts.byAddress[address] = left == 0 ? nil : left
        }
    }
}
