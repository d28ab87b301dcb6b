package import SojournCore
import SojournRedis

extension StoreShard {
    /// Appends a message to a session's log; under auto-renewal that renews the session.
    ///
    /// Two messages that this shard sends to one session are appended in the order of the calls.
    /// - Throws: `SESSION_EXPIRED`, `SESSION_NOT_FOUND`, `SESSION_ARCHIVED`, `STORE_UNAVAILABLE`, `OUTCOME_UNKNOWN`.
    package func send(_ draft: MessageDraft, to id: SessionID) async throws(StoreError) -> SentMessage {
        if draft.author == .user { return try await self.say(draft, to: id) }
        let messageID = draft.id ?? SessionID(at: self.clock.now, partition: id.partition).text
        var data: JSONObject = [
            "id": .string(messageID), "content": .string(draft.content), "authorId": .string(draft.authorID),
        ]
        if let attachments = draft.attachments { data["attachments"] = attachments }
        if let metadata = draft.metadata { data["metadata"] = .object(metadata) }
        let body = Event.body(
            type: draft.author.eventType, sessionID: id, trace: draft.trace, data: JSON.object(data).bytes)
        let keys = self.keyspace.keys(of: id)
        let (answer, durability) = try await self.callDurably(
            self.scripts.append,
            keys: [keys.session, keys.clock, keys.log, keys.due, keys.channel, keys.deltas, keys.behind],
            args: [.string(id.text), self.replid, .integer(1), .bytes(body)], order: id.text)
        guard answer.first?.int == 1 else { throw try await self.gone(id) }
        guard answer.count == 8, let epoch = answer[2].string, let seq = answer[3].int, let deadline = answer[4].int,
            let lead = answer[5].int, let renewals = answer[6].int
        else { throw self.malformed("append") }
        let now = self.note(answer[1])
        self.counters.messages[draft.author, default: 0] += 1
        if answer[7].int == 1 { self.counters.renewed[.message, default: 0] += 1 }
        let expiresAt = Instant(milliseconds: Int64(deadline))
        return SentMessage(
            id: messageID, cursor: Cursor(epoch: epoch, seq: seq), createdAt: now, expiresAt: expiresAt,
            renewalCount: renewals, wasRenewed: answer[7].int == 1, isNearExpiration: now >= expiresAt - Int64(lead),
            durability: durability)
    }
}
