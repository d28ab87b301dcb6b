import SojournCore
import SojournRedis

extension StoreShard {
    /// Notes that an agent works by turns, once in its life: from the first claim on, messages open turns.
    ///
    /// Messages that came before and that nobody has answered get a turn each session. Each partition notes it in the
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
            try await self.adopt(id, for: agent)
        }
    }

    /// Opens a session's first turn for messages of its user after the last one of its agent, if there are any.
    private func adopt(_ id: SessionID, for agent: UUIDBits) async throws(StoreError) {
        for _ in 0..<8 {
            guard
                case .success(let stretch) = try await self.stretch(
                    id, from: 1, limit: 64, newestFirst: true, isWhole: false),
                stretch.state == .live
            else { return }
            let unanswered = stretch.events.prefix { $0.type != EventType.agentMessage }
                .filter { $0.type == EventType.userMessage }.compactMap(\.seq).reversed()
            guard !unanswered.isEmpty else { return }
            let keys = self.keyspace.keys(of: id)
            let answer = try await self.call(
                self.scripts.adopt, keys: keys.turnWork,
                args: [
                    .string(id.text), self.replid, .integer(stretch.history.head),
                    .string(unanswered.map { String($0) }.joined(separator: ",")),
                ])
            if answer.first?.int == 1 { self.ring(agent.bytes, for: id) }
            guard answer.first?.int == 4 else { return }
        }
    }
}
