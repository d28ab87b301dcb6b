package import SojournCore
import SojournRedis

/// How the sessions in Redis stand, over all nodes: live ones, and ended ones that are not archived yet.
///
/// It is counted exactly while a partition has few sessions, and estimated from a sample of each where there are many,
/// so that asking costs the same, however many sessions there are.
package struct SessionStandings: Sendable {
    /// Sessions by what they are doing; each status is there.
    package let statuses: [SessionStatus: Int]
    /// Sessions by where they stand in their lives; each phase is there.
    package let phases: [SessionPhase: Int]
    /// Turns that wait in the queues of all sessions.
    package let queued: Int
}

extension StoreShard {
    /// Counts sessions by status and phase.
    ///
    /// - Parameter reading: how many sessions are read at about the most, live ones and ended ones apart.
    /// - Throws: `STORE_UNAVAILABLE` while Redis is away.
    package func standings(reading: Int = 4_096) async throws(StoreError) -> SessionStandings {
        let most = max(4, reading / self.keyspace.partitions)
        var statuses: [SessionStatus: Double] = [:]
        var phases: [SessionPhase: Double] = [:]
        var queued = 0.0
        var failure: StoreError?
        await self.concurrently(0..<self.keyspace.partitions) { partition in
            do throws(StoreError) {
                let answer = try await self.call(
                    self.scripts.sample, keys: [self.keyspace.all(partition), self.keyspace.arc(partition)],
                    args: [.integer(most), .integer(.random(in: 0..<1000))])
                guard answer.count == 4 else { throw self.malformed("sample") }
                for place in [0, 2] {
                    let sessions = try await self.standing(answer[place + 1], in: partition)
                    // One of the sample stands for as many as the index has for each that was read.
                    let weight = Double(answer[place].int ?? 0) / Double(max(1, sessions.count))
                    for (session, waiting) in sessions {
                        queued += weight * Double(waiting)
                        statuses[session.status, default: 0] += weight
                        phases[session.phase, default: 0] += weight
                    }
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        func rounded<Word: CaseIterable & Hashable>(_ counts: [Word: Double]) -> [Word: Int] {
            Dictionary(uniqueKeysWithValues: Word.allCases.map { ($0, Int((counts[$0] ?? 0).rounded())) })
        }
        return SessionStandings(statuses: rounded(statuses), phases: rounded(phases), queued: Int(queued.rounded()))
    }

    /// The sessions of these ids, without what their status and phase do not follow from, and how long their queues are.
    private func standing(_ ids: RESPValue, in partition: Int) async throws(StoreError)
        -> [(session: Session, waiting: Int)]
    {
        let ids = (ids.array ?? []).compactMap { $0.string.flatMap { self.keyspace.sessionID($0) } }
        guard !ids.isEmpty else { return [] }
        let answer = try await self.call(
            self.scripts.stand,
            keys: [self.keyspace.clock(partition)]
                + ids.flatMap { [self.keyspace.keys(of: $0).session, self.keyspace.keys(of: $0).queue] },
            args: [], timed: true)
        guard answer.count == ids.count + 1 else { throw self.malformed("stand") }
        let now = self.note(answer[0])
        return zip(ids, answer.dropFirst()).compactMap { id, one in
            guard let one = one.array, one.count == 2,
                let session = SessionFields(flat: one[1].array ?? []).session(id: id, blob: nil, asOf: now)
            else { return nil }
            return (session, one[0].int ?? 0)
        }
    }
}
