import SojournCore
import SojournRedis

extension StoreShard {
    /// Notes that an agent works by turns, once in its life: from the first claim on, messages open turns.
    ///
    /// Messages that came before and that nobody has answered get their turns. Each partition notes it in the
    /// script that names its sessions, so no message falls between.
    func enlist(_ agent: UUIDBits) async throws(StoreError) {
        guard !self.enlisted.contains(agent) else { return }
        let done = "turns:" + agent.text
        do throws(RedisError) {
            let known = try await self.redis.send(
                ["HEXISTS", .string(self.keyspace.workersDone), .string(done)], kind: .read)
            if known.int == 1 {
                self.enlisted.insert(agent)
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
        do throws(RedisError) {
            _ = try await self.redis.send(
                ["HSET", .string(self.keyspace.workersDone), .string(done), "1"], kind: .write)
        } catch {
            throw self.translate(error, in: "claim")
        }
        self.enlisted.insert(agent)
    }

    private func enlist(_ agent: UUIDBits, in partition: Int) async throws(StoreError) {
        let answer = try await self.call(
            self.scripts.enlist, keys: [self.keyspace.workers(partition), self.keyspace.agent(partition, agent.text)],
            args: [.bytes(agent.bytes)])
        for id in answer.compactMap({ $0.string.flatMap { self.keyspace.sessionID($0) } }) {
            try await self.adopt(id, for: agent, always: false)
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
