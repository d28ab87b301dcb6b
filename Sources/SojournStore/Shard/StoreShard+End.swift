import SojournArchive
package import SojournCore
import SojournRedis

/// A session that has ended, and the token under which this node's archive has claimed it, if it has.
struct EndedSession {
    let id: SessionID
    let head: Int
    let claim: (major: Int64, random: String)?
}

extension StoreShard {
    /// Deletes a live session: its life ends, its transcript goes to the archive.
    ///
    /// - Throws: `SESSION_NOT_FOUND` when it was deleted before, `SESSION_EXPIRED`.
    package func delete(_ id: SessionID) async throws(StoreError) {
        guard try await self.end(id, reason: .ended) != nil else { throw try await self.gone(id) }
    }

    /// Ends a session's life in one step, if it is live; an expiry only when its deadline has passed.
    ///
    /// - Parameter discarding: whether no archive gets it.
    /// - Returns: nil when there was nothing to end for this reason.
    @discardableResult
    func end(
        _ id: SessionID, reason: EndReason, claiming: Bool = false, discarding: Bool = false
    ) async throws(StoreError) -> EndedSession? {
        // The identity is immutable; what was read before names the keys, the script re-checks the rest.
        let keys = self.keyspace.keys(of: id)
        let read = try await self.call(
            self.scripts.read, keys: [keys.session, keys.clock, keys.blob, keys.tombstone], args: [])
        guard read.count == 4, let state = read[0].int, let flat = read[2].array else { throw self.malformed("read") }
        guard state == 1 || state == 2 else { return nil }
        let fields = SessionFields(flat: flat)
        return try await self.end(
            id, reason: reason, identity: fields.bytes("a"), keyHash: fields.bytes("k"), claiming: claiming,
            discarding: discarding)
    }

    /// Ends a session whose identity is known already.
    func end(
        _ id: SessionID, reason: EndReason, identity: [UInt8]?, keyHash: [UInt8]?, claiming: Bool,
        discarding: Bool = false
    ) async throws(StoreError) -> EndedSession? {
        guard let (agent, user) = SessionFields.identity(identity?[...]) else { throw self.malformed("read") }
        let keys = self.keyspace.keys(of: id)
        let owner = claiming && self.archiving ? self.archive?.id : nil
        let random = Hex.encode((0..<8).map { _ in UInt8.random(in: .min ... .max) })
        let answer = try await self.call(
            self.scripts.end,
            keys: [
                keys.session, keys.clock, keys.blob, keys.log, keys.due, keys.arc, keys.all,
                self.keyspace.agent(id.partition, agent), self.keyspace.user(id.partition, user),
                keyHash.map { self.keyspace.conversation(id.partition, agent: agent, hash: Hex.encode($0)) }
                    ?? keys.session,
                keys.tombstone, keys.channel, keys.deltas, keys.turns, keys.queue, keys.behind,
            ],
            args: [
                .string(id.text), .string(reason.rawValue), self.replid,
                .string(self.archiving && !discarding ? "archive" : "none"),
                .integer(Int(self.configuration.tombstoneLife)), .string(owner ?? ""), .string(random),
                .integer(Int(self.configuration.archiveLease)),
            ])
        guard answer.first?.int == 1 else { return nil }
        guard answer.count == 4, let head = answer[2].int, let major = answer[3].int else {
            throw self.malformed("end")
        }
        self.feed.observe(id, head: head)
        self.counters.ended[reason, default: 0] += 1
        return EndedSession(id: id, head: head, claim: major > 0 ? (Int64(major), random) : nil)
    }
}
