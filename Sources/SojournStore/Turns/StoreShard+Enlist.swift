import SojournCore
import SojournRedis

extension StoreShard {
    /// Notes that an agent works by turns: from its first claim on, messages open turns.
    ///
    /// Messages that came before and that nobody has answered get their turns. Each partition notes it in the
    /// script that names its sessions, so no message falls between. A Redis that may have lost it is told again: by the
    /// first shard that has it all there, the others read in the hash for which replication ids that is so. The hash
    /// alone says nothing, as in a cluster it lies on one master and the partitions on all of them.
    func enlist(_ agent: UUIDBits) async throws(StoreError) {
        guard !self.enlisted.contains(agent, at: self.redis.replid) else { return }
        // All workers of an agent come at once when Redis is there again: one of them does it for all.
        if self.enlisting[agent] != nil {
            return try await withCheckedContinuation { self.enlisting[agent]?.append($0) }.get()
        }
        self.enlisting[agent] = []
        let result: Result<Void, StoreError>
        do throws(StoreError) {
            result = .success(try await self.enlistNow(agent))
        } catch {
            result = .failure(error)
        }
        for waiting in self.enlisting.removeValue(forKey: agent) ?? [] { waiting.resume(returning: result) }
        try result.get()
    }

    private func enlistNow(_ agent: UUIDBits) async throws(StoreError) {
        let replid = self.redis.replid
        let field = "turns:" + agent.text
        do throws(RedisError) {
            let known = try await self.redis.send(
                ["HGET", .string(self.keyspace.workersDone), .string(field)], kind: .read)
            if let replid, known.string == replid {
                self.enlisted.insert(agent, at: replid)
                return
            }
        } catch {
            throw self.translate(error, in: "claim")
        }
        var failure: StoreError?
        await self.concurrently(0..<self.keyspace.partitions) { partition in
            do throws(StoreError) {
                try await self.enlist(agent, in: partition)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        // What was written while another Redis came may be lost already: the next claim looks again.
        guard let replid, replid == self.redis.replid else { return }
        do throws(RedisError) {
            _ = try await self.redis.send(
                ["HSET", .string(self.keyspace.workersDone), .string(field), .string(replid)], kind: .write)
        } catch {
            throw self.translate(error, in: "claim")
        }
        self.enlisted.insert(agent, at: replid)
    }

    private func enlist(_ agent: UUIDBits, in partition: Int) async throws(StoreError) {
        let workers = self.keyspace.workers(partition)
        let answer = try await self.call(
            self.scripts.enlist, keys: [workers, self.keyspace.agent(partition, agent.text)],
            args: [.bytes(agent.bytes)])
        guard !answer.isEmpty else { return }
        for id in answer.compactMap({ $0.string.flatMap { self.keyspace.sessionID($0) } }) {
            try await self.adopt(id, for: agent, always: false)
        }
        do throws(RedisError) {
            // It lies beside what it speaks of and is written later, so no loss leaves it alone.
            _ = try await self.redis.send(
                ["SADD", .string(workers), .bytes(agent.bytes + Array("+".utf8))], kind: .write)
        } catch {
            throw self.translate(error, in: "claim")
        }
    }

    /// Lets a session work by turns from now on, although nobody has claimed one yet: somebody asks about its turns.
    ///
    /// - Returns: whether that opened any.
    @discardableResult
    func openTurns(_ id: SessionID, agentID: String) async throws(StoreError) -> Bool {
        guard let agent = UUIDBits(agentID) else { return false }
        return try await self.adopt(id, for: agent, always: true)
    }

    /// Opens turns for a session's messages after the last one of its agent, if there are any.
    ///
    /// - Parameter always: lets the session work by turns also when there are none.
    @discardableResult
    private func adopt(_ id: SessionID, for agent: UUIDBits, always: Bool) async throws(StoreError) -> Bool {
        for _ in 0..<8 {
            guard
                case .success(let stretch) = try await self.stretch(
                    id, from: 1, newestFirst: true, isWhole: false),
                stretch.state == .live
            else { return false }
            let unanswered = stretch.events.prefix { $0.type != EventType.agentMessage }
                .filter { $0.type == EventType.userMessage }.compactMap(\.seq)
                .prefix(self.configuration.turnQueue).reversed()
            guard always || !unanswered.isEmpty else { return false }
            let keys = self.keyspace.keys(of: id)
            let answer = try await self.call(
                self.scripts.adopt, keys: keys.turnWork,
                args: [
                    .string(id.text), self.replid, .integer(stretch.history.head),
                    .string(unanswered.map { String($0) }.joined(separator: ",")),
                ])
            if answer.first?.int == 1, !unanswered.isEmpty { self.ring(agent.bytes, for: id) }
            guard answer.first?.int == 4 else { return answer.first?.int == 1 && !unanswered.isEmpty }
        }
        throw StoreError(
            .storeUnavailable, "The session's log grew too fast; its turns were not opened", retryAfter: 1)
    }
}
