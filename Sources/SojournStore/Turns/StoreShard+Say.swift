package import SojournCore
import SojournRedis

extension StoreShard {
    /// Appends a user's message; under auto-renewal that renews the session. Where the agent works by turns it opens
    /// one, or does what `ifBusy` says.
    ///
    /// Two messages that this shard sends to one session are appended in the order of the calls.
    /// - Parameter byTurns: opens a turn also where nobody has claimed one yet.
    /// - Throws: `SESSION_BUSY`, `RATE_LIMIT_EXCEEDED` when the queue is full, `IDEMPOTENCY_KEY_REUSED`,
    ///   `SESSION_EXPIRED`, `SESSION_NOT_FOUND`, `SESSION_ARCHIVED`, `STORE_UNAVAILABLE`, `OUTCOME_UNKNOWN`.
    package func say(
        _ draft: MessageDraft, to id: SessionID, ifBusy: IfBusy = .enqueue, idempotency: Idempotency? = nil,
        byTurns: Bool = false
    ) async throws(StoreError) -> SentMessage {
        let messageID = draft.id ?? SessionID(at: self.clock.now, partition: id.partition).text
        let body = Event.body(
            type: draft.author.eventType, sessionID: id, trace: draft.trace, data: draft.data(id: messageID))
        let keys = self.keyspace.keys(of: id)
        var answer: [RESPValue] = []
        var durability: Durability?
        repeat {
            if answer.first?.int == 8 { try await self.openTurns(id, agentID: try await self.known(id).agentID) }
            (answer, durability) = try await self.callDurably(
                self.scripts.say,
                keys: [
                    keys.session, keys.clock, keys.log, keys.channel, keys.due, keys.workers, keys.turns, keys.queue,
                    keys.deltas, keys.idempotency(idempotency?.hash), keys.behind,
                ],
                args: [
                    .string(id.text), self.replid, .bytes(body), .string(messageID), .string(ifBusy.rawValue),
                    .integer(self.configuration.turnQueue), .string(idempotency?.fingerprint ?? ""),
                    .string(byTurns ? "1" : ""),
                ], order: id.text)
        } while answer.first?.int == 8
        switch answer.first?.int {
        case 1: break
        case 5:
            throw StoreError(
                .sessionBusy, "Session '\(id)' is busy",
                details: ["turnId": .string("\(id).\(answer.dropFirst().first?.string ?? "")")])
        case 6:
            throw StoreError(
                .rateLimited, "The queue of session '\(id)' is full: \(self.configuration.turnQueue) turns wait",
                retryAfter: 1)
        case 7: throw .idempotencyKeyReused
        default: throw try await self.gone(id)
        }
        guard answer.count >= 11, let epoch = answer[2].string, let seq = answer[3].int,
            let deadline = answer[4].int, let lead = answer[5].int, let renewals = answer[6].int,
            let kept = answer[8].string, let turn = answer[9].int
        else { throw self.malformed("say") }
        if answer.count > 11 { self.crashPoint?.reached(.accepted) }
        self.ring(answer.dropFirst(11).first?.bytes, for: id)
        let now = Instant(milliseconds: Int64(answer[1].int ?? 0))
        let expiresAt = Instant(milliseconds: Int64(deadline))
        // An answer that was kept carries an old time.
        if kept == messageID {
            self.note(answer[1])
            self.counters.messages[.user, default: 0] += 1
            if answer[7].int == 1 { self.counters.renewed[.message, default: 0] += 1 }
        }
        return SentMessage(
            id: kept, cursor: Cursor(epoch: epoch, seq: seq), createdAt: now, expiresAt: expiresAt,
            renewalCount: renewals, wasRenewed: answer[7].int == 1, isNearExpiration: now >= expiresAt - Int64(lead),
            turnID: turn > 0 ? TurnID(session: id, number: turn).text : nil, isSteered: answer[10].int == 1,
            durability: durability)
    }
}

extension MessageDraft {
    /// The data of the message's event.
    func data(id: String) -> [UInt8] {
        var data = JSONWriter(reserving: 256 + self.content.utf8.count)
        data.open()
        data.member("id", id)
        data.member("content", self.content)
        data.member("authorId", self.authorID)
        if let attachments { data.member("attachments", attachments) }
        if let metadata { data.member("metadata", .object(metadata)) }
        data.close()
        return data.bytes
    }
}

extension StoreError {
    static let idempotencyKeyReused = StoreError(
        .idempotencyKeyReused, "The idempotency key was used with another request")
}
