import SojournCore
import SojournLoop
import SojournRedis

/// Writes what nodes write at their start once more, each time Redis may have lost it: its replication id has changed,
/// as by a promotion or a restart. Loop-confined; one a node.
///
/// What else is written once looks at the replication id by itself: ``EnlistedAgents`` and ``Purger``.
final class LossWatch {
    /// How often it looks, in milliseconds.
    static let look = 1_000

    private let shard: StoreShard
    private var isRunning = false
    /// The replication id for which all is written.
    private var replid: String?

    init(shard: StoreShard) { self.shard = shard }

    func start() {
        self.isRunning = true
        self.shard.loop.spawn { [weak self] in
            while let self, self.isRunning {
                await self.renew()
                await self.shard.loop.sleep(milliseconds: Self.look)
            }
        }
    }

    func stop() { self.isRunning = false }

    private func renew() async {
        let replid = self.shard.redis.replid
        guard let replid, replid != self.replid, (try? await self.shard.agreeAgain()) != nil else { return }
        self.replid = replid
    }
}
