package import SojournCore
import SojournRedis

extension StoreShard {
    /// Creates a session, or answers with the live one that holds its conversation key.
    ///
    /// - Throws: `STORE_UNAVAILABLE`, `OUTCOME_UNKNOWN`.
    package func create(_ request: SessionRequest) async throws(StoreError) -> CreatedSession {
        let policy = request.policy ?? self.configuration.timeouts.defaults
        let hash = request.conversationKey.map { Digest.sha256Prefix($0) }
        let partition = self.partition(of: request, hash) ?? Int.random(in: 0..<self.keyspace.partitions)
        let keyName = hash.map {
            self.keyspace.conversation(partition, agent: request.agentID, hash: Hex.encode($0))
        }
        let blob = self.blob(of: request)
        var holder = ""
        for _ in 0..<32 {
            let id = SessionID(at: self.clock.now, partition: partition)
            let keys = self.keyspace.keys(of: id)
            let answer = try await self.call(
                self.scripts.create,
                keys: [
                    keys.session, keys.clock, keys.blob, keys.log, keys.due, keys.all,
                    self.keyspace.agent(partition, request.agentID), self.keyspace.user(partition, request.userID),
                    keyName ?? keys.session, holder.isEmpty ? keys.session : keys.prefix + "s:" + holder, keys.channel,
                    request.idempotency.map { self.keyspace.idempotency(partition, $0.hash) } ?? keys.session,
                    keys.behind,
                ],
                args: [
                    .string(id.text), .bytes(self.identity(of: request)), self.replid, .bytes(hash ?? []),
                    .string(holder),
                    .integer(Int(policy.timeout)), .integer(Int(policy.warning)), .integer(Int(policy.maxDuration)),
                    .integer(policy.autoRenew ? 1 : 0), .bytes(blob), .bytes(self.creationBody(request, id: id)),
                    .string(request.idempotency?.fingerprint ?? ""), .string(request.timeoutSources?.letters ?? ""),
                ])
            let seen = answer.count > 1 ? answer[1].string ?? "" : ""
            switch answer.first?.int {
            case 1:
                guard let epoch = answer.dropFirst(2).first?.string else { throw self.malformed("create") }
                if answer.count > 3 { return try self.created(before: answer, request, epoch: epoch) }
                self.counters.created += 1
                let now = self.note(answer[1])
                return CreatedSession(
                    session: Session(
                        id: id, agentID: request.agentID, userID: request.userID, createdAt: now, base: now,
                        policy: policy, lastActivity: now, head: 1, epoch: epoch, metadata: request.metadata,
                        conversationKey: request.conversationKey, ifBusy: request.ifBusy,
                        aliveWhileWatched: request.aliveWhileWatched, timeoutSources: request.timeoutSources, asOf: now),
                    isNew: true)
            case 2:
                guard let held = self.keyspace.sessionID(seen) else { throw self.malformed("create") }
                do {
                    return CreatedSession(session: try await self.session(held), isNew: false)
                } catch  where [.sessionExpired, .sessionNotFound].contains(error.code) {
                    holder = seen  // it ended in between; look again
                }
            case 3: holder = seen
            case 4:
                guard let held = self.keyspace.sessionID(seen) else { throw self.malformed("create") }
                _ = try await self.end(held, reason: .expired)
                holder = seen
            case 5: continue
            case 7: throw .idempotencyKeyReused
            default: throw self.malformed("create")
            }
        }
        throw StoreError(
            .storeUnavailable, "The conversation key changed hands too often; nothing was done", retryAfter: 1)
    }

    /// The partition that a request names; nil when any will do. What belongs to one conversation stays in one slot: the
    /// key alone chooses the partition.
    private func partition(of request: SessionRequest, _ hash: [UInt8]?) -> Int? {
        hash.map { (Int($0[0]) << 8 | Int($0[1])) % self.keyspace.partitions }
            ?? request.idempotency.flatMap { Int($0.hash.prefix(4), radix: 16) }.map { $0 % self.keyspace.partitions }
    }

    /// Whether the user of a request has fewer than `most` live sessions, or asks for one that may be there already. Creates
    /// at the same moment may go beyond it.
    package func hasRoom(for request: SessionRequest, most: Int) async throws(StoreError) -> Bool {
        guard try await self.sessionCount(ofUser: request.userID) >= most else { return true }
        let hash = request.conversationKey.map { Digest.sha256Prefix($0) }
        guard let partition = self.partition(of: request, hash) else { return false }
        var keys: [String] = []
        if let hash {
            keys.append(self.keyspace.conversation(partition, agent: request.agentID, hash: Hex.encode(hash)))
        }
        if let idempotency = request.idempotency { keys.append(self.keyspace.idempotency(partition, idempotency.hash)) }
        return try await self.exist(keys)
    }

    /// The answer to a create that is repeated.
    private func created(
        before answer: [RESPValue], _ request: SessionRequest, epoch: String
    ) throws(StoreError) -> CreatedSession {
        guard answer.count == 8, let at = answer[1].int, let id = answer[3].string.flatMap({ SessionID($0) }),
            let timeout = answer[4].int, let warning = answer[5].int, let maxDuration = answer[6].int
        else { throw self.malformed("create") }
        let then = Instant(milliseconds: Int64(at))
        let policy = TimeoutPolicy(
            timeout: Int64(timeout), autoRenew: answer[7].int == 1, maxDuration: Int64(maxDuration),
            warning: Int64(warning))
        return CreatedSession(
            session: Session(
                id: id, agentID: request.agentID, userID: request.userID, createdAt: then, base: then, policy: policy,
                lastActivity: then, head: 1, epoch: epoch, metadata: request.metadata,
                conversationKey: request.conversationKey, ifBusy: request.ifBusy,
                aliveWhileWatched: request.aliveWhileWatched, timeoutSources: request.timeoutSources, asOf: then),
            isNew: true)
    }

    private func identity(of request: SessionRequest) -> [UInt8] {
        guard let agent = UUIDBits(request.agentID), let user = UUIDBits(request.userID) else {
            preconditionFailure("agent and user of a session are UUIDs; the caller checks them")
        }
        return agent.bytes + user.bytes
    }

    private func blob(of request: SessionRequest) -> [UInt8] {
        var blob = JSONObject()
        if !request.metadata.members.isEmpty { blob["metadata"] = .object(request.metadata) }
        if let key = request.conversationKey { blob["key"] = .string(key) }
        if let ifBusy = request.ifBusy { blob["ifBusy"] = .string(ifBusy.rawValue) }
        if let alive = request.aliveWhileWatched { blob["aliveWhileWatched"] = .bool(alive) }
        return blob.members.isEmpty ? [] : JSON.object(blob).bytes
    }

    /// The body of `session.created`, open at its end: the script adds the times.
    private func creationBody(_ request: SessionRequest, id: SessionID) -> [UInt8] {
        var data: JSONObject = ["agentId": .string(request.agentID), "userId": .string(request.userID)]
        if !request.metadata.members.isEmpty { data["metadata"] = .object(request.metadata) }
        return Event.body(
            type: EventType.sessionCreated, sessionID: id, trace: request.trace, data: JSON.object(data).bytes
        ).dropLast(2)
    }
}

extension [UInt8] {
    fileprivate func dropLast(_ count: Int) -> [UInt8] { Array(self[..<(self.count - count)]) }
}
