import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

extension Archivist {
    /// Reads of an ended session what this archive does not have of it; nil when it cannot be read now or is gone.
    ///
    /// - Parameter whole: whether to read all that Redis has.
    func transcript(of ended: EndedSession, whole: Bool = false) async -> Transcript? {
        guard let claim = ended.claim, case .closed(let session)? = try? await self.shard.read(ended.id),
            let ending = session.ending, let reason = SessionHeader.Reason(rawValue: ending.reason.rawValue),
            let log = try? await self.shard.keptStretch(ended.id, from: .max).get()
        else { return nil }
        var from = log.oldest
        if !whole, let follower = log.follower, follower.archivist == self.archive.id {
            from = max(from, follower.head + 1)
        }
        var events: [TranscriptEvent] = []
        while from + events.count <= session.head {
            guard let page = try? await self.shard.keptStretch(ended.id, from: from + events.count).get(),
                !page.events.isEmpty
            else { return nil }
            for event in page.events {
                guard let event = TranscriptEvent(event) else { return nil }
                events.append(event)
            }
        }
        return Transcript(
            header: SessionHeader(
                id: ended.id.text, agent: session.agentID, user: session.userID, key: session.conversationKey,
                createdAt: session.createdAt.milliseconds, endedAt: ending.at.milliseconds, reason: reason,
                head: session.head),
            token: HandoverToken(major: claim.major, random: claim.random),
            info: SessionRecord.bytes(of: session), events: events, isPartial: (log.follower?.first ?? 1) > 1)
    }

    /// Settles what an earlier process of this archive left prepared: Redis knows how each hand-over ended.
    func settleLeftovers() async {
        guard let leftovers = try? await self.archive.prepared(), !leftovers.isEmpty else { return }
        var settlements: [Settlement] = []
        var unexplained: [String] = []
        for leftover in leftovers {
            let id = leftover.header.id
            guard let settlement = await self.settlement(of: id, token: leftover.token) else { return }
            if settlement.outcome == .discarded, await self.isUnknown(id) {
                // Redis has neither the session nor its tombstone: this may be the only copy.
                unexplained.append(id)
            } else {
                settlements.append(settlement)
            }
        }
        _ = try? await self.archive.settle(settlements)
        if !unexplained.isEmpty { _ = try? await self.archive.quarantine(unexplained) }
        let committed = settlements.count { $0.outcome == .committed }
        self.shard.log(
            .notice, "hand-overs that an earlier run left unfinished were settled",
            [
                "archive.path": self.archive.path, "committed": String(committed),
                "discarded": String(settlements.count - committed), "quarantined": String(unexplained.count),
            ])
    }

    private func isUnknown(_ text: String) async -> Bool {
        guard let id = self.shard.keyspace.sessionID(text) else { return true }
        while true {
            switch try? await self.shard.read(id) {
            case .nothing?: return true
            case nil: await self.shard.loop.sleep(milliseconds: 200)
            default: return false
            }
        }
    }
}

extension TranscriptEvent {
    /// A durable event as the archive keeps it; nil for an ephemeral one.
    init?(_ event: Event) {
        guard let seq = event.seq else { return nil }
        self.init(seq: seq, epoch: event.epoch, at: event.at.milliseconds, type: event.type, body: event.bytes)
    }
}
