import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

extension Archivist {
    /// Hand-overs of which Redis is asked in one call: of one partition, ``perLook`` at the most.
    typealias HandOvers = [(id: SessionID, token: HandoverToken)]

    /// Hand-overs as Redis can be asked of them. What is no session of this keyspace is left out.
    func byPartition(_ handOvers: [(id: String, token: HandoverToken)]) -> [HandOvers] {
        var partitions: [Int: HandOvers] = [:]
        for (text, token) in handOvers {
            if let id = self.shard.keyspace.sessionID(text) {
                partitions[id.partition, default: []].append((id, token))
            }
        }
        return partitions.values.flatMap { all in
            stride(from: 0, to: all.count, by: Self.perLook).map { Array(all[$0..<min($0 + Self.perLook, all.count)]) }
        }
    }

    /// Asks Redis for the outcomes of hand-overs of one partition until it answers; asking again is harmless.
    ///
    /// - Returns: nothing of those that it does not answer for when this archivist is to stop: the next start settles
    ///   them.
    func settlements(of handOvers: HandOvers) async -> [Settlement] {
        while true {
            if let (now, answers) = await self.acknowledge(handOvers) {
                self.reached(.acknowledged, handOvers.count)
                var settlements: [Settlement] = []
                for (one, answer) in zip(handOvers, answers) {
                    guard let outcome = answer == .refused ? await self.outcome(ofRefused: one.id) : .committed else {
                        continue
                    }
                    settlements.append(Settlement(id: one.id.text, token: one.token, outcome: outcome, at: now))
                }
                return settlements
            }
            guard self.isRunning else { return [] }
            await self.shard.loop.sleep(milliseconds: 200)
            if handOvers.count > 1 { break }
        }
        // Each by itself: one that spoils the call must not keep the others.
        var settlements: [Settlement] = []
        await self.shard.concurrently(handOvers) { settlements += await self.settlements(of: [$0]) }
        return settlements
    }

    /// What becomes of a hand-over that Redis has refused. What was written behind its session may be nowhere else: it is
    /// deleted only where another archive serves it from its first event on.
    ///
    /// - Returns: nil when Redis does not answer and this archivist is to stop.
    private func outcome(ofRefused id: SessionID) async -> Settlement.Outcome? {
        while true {
            switch try? await self.shard.read(id) {
            case .live?, .due?, .closed?: return .reopened
            case .tombstone(let tombstone)?:
                let isElsewhere = tombstone.archivist != nil && tombstone.first <= 1
                return tombstone.isPurged || isElsewhere ? .discarded : .quarantined
            case .nothing?: return .quarantined
            case nil:
                guard self.isRunning else { return nil }
                await self.shard.loop.sleep(milliseconds: 200)
            }
        }
    }

    /// Asks Redis for the outcome of one hand-over until it answers.
    ///
    /// - Returns: nil when it does not answer and this archivist is to stop.
    func settlement(of text: String, token: HandoverToken) async -> Settlement? {
        guard let id = self.shard.keyspace.sessionID(text) else {
            return Settlement(id: text, token: token, outcome: .quarantined)
        }
        return await self.settlements(of: [(id, token)]).first
    }

    /// What Redis says to the confirmation of a hand-over.
    enum Acknowledgement: Int {
        /// Another token is current, or nobody knows the session.
        case refused = 0
        /// Redis has let the session go.
        case done = 1
        /// It had done so before, for this token.
        case known = 2
    }

    /// Confirms hand-overs of one partition: when that was by Redis' time, and what it says to each; nil when it did not
    /// answer.
    func acknowledge(_ handOvers: HandOvers) async -> (now: Int64, answers: [Acknowledgement])? {
        guard let first = handOvers.first else { return (0, []) }
        let keyspace = self.shard.keyspace
        var keys = [keyspace.arc(first.id.partition)]
        var args: [RedisArgument] = [
            .string(self.archive.id), .integer(Int(self.shard.configuration.tombstoneLife)),
        ]
        for (id, token) in handOvers {
            let one = keyspace.keys(of: id)
            keys += [one.session, one.blob, one.log, one.tombstone]
            args += [.string(id.text), .string(String(token.major)), .string(token.random)]
        }
        guard let answer = try? await self.shard.call(self.shard.scripts.ack, keys: keys, args: args),
            answer.count == handOvers.count + 1, let now = answer[0].int
        else { return nil }
        return (Int64(now), answer.dropFirst().map { $0.int.flatMap(Acknowledgement.init) ?? .refused })
    }
}
