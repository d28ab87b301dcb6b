import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

/// What becomes of transcripts whose sessions Redis has again: a power cut or a failover took it back to before it let
/// them go. They live on there, or end there once more, perhaps for another archivist; each must be served once.
///
/// What is served here is opened again, as if its session had been followed so far. From then on it is as with all that
/// are followed: its new end comes here and takes its place, or another archivist has it all, and what is here goes
/// into quarantine.
extension Archivist {
    /// What Redis may lose of what it has done: hand-overs that are older than the newest by this many milliseconds are
    /// not asked for. A disk that is synced every second loses two, a replica that is behind some more.
    static let forgetfulness: Int64 = 60_000

    /// Asks Redis, after it became another one and at the start, whether it still knows that it let the last sessions go.
    /// The bound is counted back from the last one that was taken, by Redis' time: nothing later can have been lost while
    /// this archivist, or Redis, was away.
    ///
    /// - Returns: whether all were asked for, and none waits for another hand-over of it to end.
    func reviewServed() async -> Bool {
        var last: ServedSession?
        var newest: Int64?
        while true {
            guard let page = try? await self.archive.served(before: last) else { return false }
            // What was imported by a node whose clock is ahead must not move the bound.
            newest = newest ?? page.first.map { min($0.archivedAt, self.shard.clock.now.milliseconds) }
            let oldest = (newest ?? 0) - Self.forgetfulness
            let due = page.filter { $0.archivedAt >= oldest }
            guard await self.review(due) else { return false }
            guard let end = due.last, due.count == page.count else { return true }
            last = end
        }
    }

    /// Asks Redis about a served hand-over of which it seems to have the session.
    func reviewServed(_ id: SessionID) async {
        guard let served = try? await self.archive.served(id.text) else { return }
        _ = await self.review([served])
    }

    private func review(_ page: [ServedSession]) async -> Bool {
        let served = Dictionary(page.map { ($0.id, $0) }) { first, _ in first }
        var back: [ServedSession] = []
        var again: [Settlement] = []
        var isWhole = true
        await self.shard.concurrently(self.byPartition(page.map { ($0.id, $0.token) })) { handOvers in
            // Where the session is claimed with this token again, it is let go again.
            guard let (now, answers) = await self.acknowledge(handOvers) else {
                isWhole = false
                return
            }
            for (one, answer) in zip(handOvers, answers) {
                switch answer {
                case .known: break
                case .done:
                    again.append(Settlement(id: one.id.text, token: one.token, outcome: .committed, at: now))
                case .refused:
                    guard let isBack = await self.isBack(one.id, since: one.token) else {
                        isWhole = false
                        return
                    }
                    if isBack, let session = served[one.id.text] { back.append(session) }
                }
            }
        }
        // What was let go again may be forgotten again: it counts as new.
        if !again.isEmpty, (try? await self.archive.settle(again)) == nil { return false }
        guard isWhole else { return false }
        guard !back.isEmpty else { return true }
        guard let busy = try? await self.archive.reopen(back) else { return false }
        for session in back where !busy.contains(session) {
            self.shard.log(
                .warning, "Redis has a session again that was archived: its transcript waits for the new end",
                ["session.id": session.id, "archive.id": self.archive.id])
        }
        return busy.isEmpty
    }

    /// Whether Redis has a session that it had let go, or has let it go to another archivist since; nil when it does not
    /// answer. One that it does not know at all is served as it is: nobody else can have it.
    private func isBack(_ id: SessionID, since token: HandoverToken) async -> Bool? {
        switch try? await self.shard.read(id) {
        case .live?, .due?, .closed?: true
        case .tombstone(let tombstone)?:
            tombstone.archivist.map { $0 != self.archive.id && tombstone.token != "\(token.major).\(token.random)" }
                ?? false
        case .nothing?: false
        case nil: nil
        }
    }
}
