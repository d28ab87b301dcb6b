import Glibc
import SojournCore

/// The two steps in which a session comes into the archive, and what is left between them.
extension Archive {
    /// Puts a batch of hand-overs on disk, in one transaction, as prepared: nothing of it is served before it is
    /// settled. Batches that wait at the same time share a transaction.
    ///
    /// A hand-over takes the place of an unsettled one of the same session; repeating one is harmless.
    ///
    /// - Returns: one result for each transcript, in their order.
    public func prepare(_ batch: [Transcript]) async throws(ArchiveError) -> [PrepareResult] {
        let (results, lost) = try await self.write { connection throws(ArchiveError) in
            let now = Self.now()
            var lost = 0
            var results: [PrepareResult] = []
            for transcript in batch { results.append(try connection.prepare(transcript, now: now, lost: &lost)) }
            return (results, lost)
        }
        self.report(lost: lost)
        for (transcript, result) in zip(batch, results) {
            guard case .incomplete(let flaw) = result else { continue }
            self.log(
                .error, "a transcript was refused because it is not complete; its session stays in Redis",
                ["session.id": transcript.header.id, "archive.flaw": flaw])
        }
        return results
    }

    /// Ends hand-overs, in one transaction: committed ones are served from now on, discarded ones are deleted, reopened
    /// and quarantined ones are kept and not served.
    ///
    /// The token decides which rows are meant; a committed hand-over is never deleted. A quarantined one may be
    /// committed (somebody found out that this is the only copy) but not discarded. Repeating is harmless.
    ///
    /// - Returns: one result for each settlement, in their order.
    @discardableResult
    public func settle(_ settlements: [Settlement]) async throws(ArchiveError) -> [SettleResult] {
        let (results, lost) = try await self.write { connection throws(ArchiveError) in
            let now = Self.now()
            var lost = 0
            var results: [SettleResult] = []
            for settlement in settlements { results.append(try connection.settle(settlement, now: now, lost: &lost)) }
            return (results, lost)
        }
        self.report(lost: lost)
        self.report(quarantined: results.count { $0 == .quarantined })
        return results
    }

    /// The hand-overs that wait for their settlement, oldest first: those of a crashed process at start.
    public func prepared() async throws(ArchiveError) -> [PreparedSession] {
        try await self.read { connection throws(ArchiveError) in try connection.unserved("prepared") }
    }

    /// Takes aside the open hand-overs of these sessions because nothing explains them: they are kept and
    /// counted, never served, and wait for a person.
    ///
    /// - Returns: how many there were.
    @discardableResult
    public func quarantine(_ ids: [String]) async throws(ArchiveError) -> Int {
        let count = try await self.write { connection throws(ArchiveError) in try connection.quarantine(ids) }
        self.report(quarantined: count)
        return count
    }

    private func report(quarantined count: Int) {
        if count == 0 { return }
        self.log(
            .error, "hand-overs that nothing in Redis explains were put in quarantine; they are not served",
            ["archive.path": self.path, "archive.count": "\(count)"])
    }

    /// The hand-overs in quarantine, oldest first.
    public func quarantined() async throws(ArchiveError) -> [PreparedSession] {
        try await self.read { connection throws(ArchiveError) in try connection.unserved("quarantined") }
    }

    /// The events of one session that later hand-overs replaced, in the order in which that happened.
    public func lostEvents(_ id: String) async throws(ArchiveError) -> [LostEvent] {
        try await self.read { connection throws(ArchiveError) in try connection.lostEvents(of: id) }
    }

    func report(lost: Int) {
        if lost == 0 { return }
        self.log(
            .warning, "a later hand-over replaced archived events; the old ones are kept as lost events",
            ["archive.path": self.path, "archive.lost": "\(lost)"])
    }

    /// This node's clock in milliseconds; it only tells people when something was written.
    static func now() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}
