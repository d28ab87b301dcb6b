import SojournArchive
import SojournCore
import SojournLoop

/// Deletes from this node's archive what is older than the settings allow. Loop-confined; one a node.
final class Retirement {
    /// How often it looks, in ms.
    static let interval = 5_000
    /// Sessions in one transaction.
    static let batch = 100

    let shard: StoreShard
    let archive: Archive
    private var isRunning = false
    private var isLooking = false
    private var isInTrouble = false
    private lazy var timer = LoopTimer(loop: self.shard.loop) { [weak self] in self?.begin() }
    /// What the archive has noted of the agents, by their ids; nil before it was read.
    var noted: [String: AgentRetention]?
    /// Sessions deleted since the start.
    private(set) var retired = 0

    init(shard: StoreShard, archive: Archive) {
        (self.shard, self.archive) = (shard, archive)
    }

    func start() {
        self.isRunning = true
        self.timer.start(afterMilliseconds: 1_000)
    }

    func stop() async {
        self.isRunning = false
        self.timer.stop()
        while self.isLooking { await self.shard.loop.sleep(milliseconds: 5) }
    }

    /// Looks now; the test clock has moved.
    func hurry() {
        // The sweeper, which looks now too, brings the new time.
        if self.isRunning, !self.isLooking { self.timer.start(afterMilliseconds: 100) }
    }

    private func begin() {
        guard self.isRunning, !self.isLooking else { return }
        self.isLooking = true
        self.shard.loop.spawn { [weak self] in
            await self?.look()
            self?.isLooking = false
            if let self, self.isRunning { self.timer.start(afterMilliseconds: Self.interval) }
        }
    }

    /// Deletes all that is too old now.
    func look() async {
        do throws(StoreError) {
            let rule = try await self.rule()
            guard !rule.isEndless else { return }
            var count = Self.batch
            while count == Self.batch, self.isRunning {
                do throws(ArchiveError) {
                    count = try await self.archive.expire(rule, now: self.shard.now.milliseconds, limit: Self.batch)
                } catch {
                    throw StoreError(.archiveUnavailable, "\(error)")
                }
                self.retired += count
                if count > 0 {
                    self.shard.log(
                        .info, "sessions that were kept long enough were deleted from the archive",
                        ["archive.path": self.archive.path, "sessions": String(count)])
                }
            }
            self.isInTrouble = false
        } catch {
            if !self.isInTrouble {
                self.shard.log(
                    .warning, "old sessions cannot be deleted from the archive now; this is tried again",
                    ["archive.path": self.archive.path, "error": error.message])
            }
            self.isInTrouble = true
        }
    }
}
