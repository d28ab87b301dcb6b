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
        // The identity is immutable: it names the keys. All else the script checks.
        let command: RedisCommand = ["HMGET", .string(self.keyspace.keys(of: id).session), "a", "k"]
        let fields: [RESPValue]
        do throws(RedisError) {
            fields = try await self.redis.send(command, kind: .read).array ?? []
        } catch {
            throw self.translate(error, in: "end")
        }
        guard fields.count == 2 else { throw self.malformed("end") }
        guard let identity = fields[0].bytes else { return nil }
        guard let known = KnownIdentity(id: id, identity, keyHash: fields[1].bytes) else { throw self.malformed("end") }
        return try await self.end([known], reason: reason, claiming: claiming, discarding: discarding).first ?? nil
    }

    /// How many sessions one call may fire or end.
    static let endBatch = 16

    /// Ends sessions of one partition whose identity is known already, ``endBatch`` at the most, each in a step of its own.
    ///
    /// - Returns: for each, nil when there was nothing to end for this reason.
    func end(
        _ sessions: [KnownIdentity], reason: EndReason, claiming: Bool, discarding: Bool = false
    ) async throws(StoreError) -> [EndedSession?] {
        guard let partition = sessions.first?.id.partition else { return [] }
        let keyspace = self.keyspace
        let owner = claiming && self.archiving ? self.archive?.id : nil
        let random = Self.tokenDigits()
        var keys = [
            keyspace.clock(partition), keyspace.due(partition), keyspace.arc(partition), keyspace.all(partition),
            keyspace.behind(partition),
        ]
        for session in sessions {
            let one = keyspace.keys(of: session.id)
            keys += [
                one.session, one.blob, one.log, keyspace.agent(partition, session.agent),
                keyspace.user(partition, session.user),
                session.keyHash.map {
                    keyspace.conversation(partition, agent: session.agent, hash: Hex.encode($0))
                } ?? one.session,
                one.tombstone, one.channel, one.deltas, one.turns, one.queue,
            ]
        }
        let answers = try await self.call(
            self.scripts.end, keys: keys,
            args: [
                .string(reason.rawValue), self.replid,
                .string(self.archiving && !discarding ? "archive" : "none"),
                .integer(Int(self.configuration.tombstoneLife)), .string(owner ?? ""), .string(random),
                .integer(Int(self.configuration.archiveLease)),
            ] + sessions.map { .string($0.id.text) })
        guard answers.count == sessions.count else { throw self.malformed("end") }
        var ended: [EndedSession?] = []
        for (session, answer) in zip(sessions, answers) {
            guard let answer = answer.array, answer.first?.int == 1 else {
                ended.append(nil)
                continue
            }
            guard answer.count == 4, let head = answer[2].int, let major = answer[3].int else {
                throw self.malformed("end")
            }
            self.feed.observe(session.id, head: head)
            self.counters.ended[reason, default: 0] += 1
            ended.append(
                EndedSession(id: session.id, head: head, claim: major > 0 ? (Int64(major), random) : nil))
        }
        return ended
    }

    /// 64 random bits as 16 hexadecimal digits, the part of a token that makes it unique.
    static func tokenDigits() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}

/// What names the keys of a session beside its id; it never changes.
struct KnownIdentity {
    let id: SessionID
    let agent: String
    let user: String
    /// The hash of its conversation key, if it has one.
    let keyHash: [UInt8]?

    /// Nil when the identity is not whole.
    init?(id: SessionID, _ identity: [UInt8]?, keyHash: [UInt8]?) {
        guard let (agent, user) = SessionFields.identity(identity?[...]) else { return nil }
        (self.id, self.agent, self.user, self.keyHash) = (id, agent, user, keyHash)
    }
}
