import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

extension Archivist {
    /// Reads of ended sessions what this archive does not have of them; those that cannot be read now are left out.
    func transcripts(of batch: [EndedSession]) async -> [Transcript] {
        var transcripts = [Transcript?](repeating: nil, count: batch.count)
        let partitions = Dictionary(grouping: batch.indices) { batch[$0].id.partition }.values
        let calls = partitions.flatMap { all in
            stride(from: 0, to: all.count, by: Self.perLook).map { Array(all[$0..<min($0 + Self.perLook, all.count)]) }
        }
        await self.shard.concurrently(calls) { places in
            let gathered = await self.gather(places.map { batch[$0] })
            for (place, transcript) in zip(places, gathered) { transcripts[place] = transcript }
        }
        // What is large is read by itself, and what could not be read is tried once more.
        await self.shard.concurrently(batch.indices.filter { transcripts[$0] == nil }) { place in
            transcripts[place] = await self.transcript(of: batch[place])
        }
        self.reached(.read, batch.count)
        return transcripts.compactMap { $0 }
    }

    /// Reads sessions of one partition, ``perLook`` at the most, in one call.
    private func gather(_ batch: [EndedSession]) async -> [Transcript?] {
        let keyspace = self.shard.keyspace
        let keys = batch.flatMap { ended in
            let one = keyspace.keys(of: ended.id)
            return [one.session, one.blob, one.log]
        }
        guard
            let answer = try? await self.shard.call(
                self.shard.scripts.gather, keys: [keyspace.clock(batch[0].id.partition)] + keys,
                args: [.string(self.archive.id)], timed: true), answer.count == batch.count + 1
        else { return Array(repeating: nil, count: batch.count) }
        let now = self.shard.note(answer[0])
        return zip(batch, answer.dropFirst()).map { ended, one in
            guard let one = one.array, one.count == 4, let flat = one[0].array, let raw = one[2].array,
                let first = one[3].int,
                let session = SessionFields(flat: flat).session(id: ended.id, blob: one[1].bytes, asOf: now)
            else { return nil }
            let events = raw.compactMap { $0.bytes.flatMap(Event.init(bytes:)).flatMap(TranscriptEvent.init) }
            guard events.count == raw.count else { return nil }
            return self.transcript(of: ended, session, events: events, isPartial: first > 1)
        }
    }

    /// Reads of an ended session what this archive does not have of it; nil when it cannot be read now or is gone.
    ///
    /// - Parameter whole: whether to read all that Redis has.
    func transcript(of ended: EndedSession, whole: Bool = false) async -> Transcript? {
        guard case .closed(let session)? = try? await self.shard.read(ended.id),
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
        return self.transcript(of: ended, session, events: events, isPartial: (log.follower?.first ?? 1) > 1)
    }

    private func transcript(
        of ended: EndedSession, _ session: Session, events: [TranscriptEvent], isPartial: Bool
    ) -> Transcript? {
        guard let claim = ended.claim, let ending = session.ending,
            let reason = SessionHeader.Reason(rawValue: ending.reason.rawValue)
        else { return nil }
        return Transcript(
            header: SessionHeader(
                id: ended.id.text, agent: session.agentID, user: session.userID, key: session.conversationKey,
                createdAt: session.createdAt.milliseconds, endedAt: ending.at.milliseconds, reason: reason,
                head: session.head),
            token: HandoverToken(major: claim.major, random: claim.random),
            info: SessionRecord.bytes(of: session), events: events, isPartial: isPartial)
    }

    /// Settles what an earlier process of this archive left prepared: Redis knows how each hand-over ended.
    func settleLeftovers() async {
        guard let leftovers = try? await self.archive.prepared(), !leftovers.isEmpty else { return }
        var settlements: [Settlement] = []
        for leftover in leftovers {
            guard let settlement = await self.settlement(of: leftover.header.id, token: leftover.token) else { return }
            settlements.append(settlement)
        }
        await self.settle(settlements)
        // What the archive refuses is tried again, with what else it refuses.
        guard self.unsettled.isEmpty else { return }
        func count(_ outcome: Settlement.Outcome) -> String { String(settlements.count { $0.outcome == outcome }) }
        self.shard.log(
            .notice, "hand-overs that an earlier run left unfinished were settled",
            [
                "archive.path": self.archive.path, "committed": count(.committed), "discarded": count(.discarded),
                "reopened": count(.reopened), "quarantined": count(.quarantined),
            ])
    }
}

extension TranscriptEvent {
    /// A durable event as the archive keeps it; nil for an ephemeral one.
    init?(_ event: Event) {
        guard let seq = event.seq else { return nil }
        self.init(seq: seq, epoch: event.epoch, at: event.at.milliseconds, type: event.type, body: event.bytes)
    }
}
