/// For how long sessions are kept.
public struct Retention: Sendable, Hashable {
    /// How long after its end a session is kept, in ms; nil is for ever.
    public var standard: Int64?
    /// The same for single agents, by their ids; a nil inside is for ever.
    public var agents: [String: Int64?]

    /// A rule from its parts.
    public init(standard: Int64?, agents: [String: Int64?] = [:]) {
        (self.standard, self.agents) = (standard, agents)
    }

    /// Whether everything is kept for ever.
    public var isEndless: Bool { self.standard == nil && self.agents.values.allSatisfy { $0 == nil } }
}

extension Archive {
    /// Deletes served sessions that are older than the rule allows, the oldest first, and the lost events of those of which
    /// nothing else is left. Their words leave the index, and their pages go back to the file system, a moment later.
    ///
    /// - Parameters:
    ///   - now: Redis time in ms.
    ///   - limit: how many at most, in one transaction.
    /// - Returns: how many were deleted; as many as `limit` when there may be more.
    public func expire(_ retention: Retention, now: Int64, limit: Int = 100) async throws(ArchiveError) -> Int {
        if retention.isEndless { return 0 }
        return try await self.write { connection throws(ArchiveError) in
            var old: [(handover: Int64, id: String)] = []
            for (agent, life) in retention.agents {
                guard let life, old.count < limit else { continue }
                old += try connection.statement(
                    """
                    SELECT handover, id FROM sessions INDEXED BY sessions_by_agent
                    WHERE state = 'committed' AND agent = ? AND ended_at < ? ORDER BY ended_at LIMIT ?
                    """
                ).all(agent, now - life, limit - old.count) { ($0.integer(0), $0.text(1)) }
            }
            if let life = retention.standard {
                let others = Array(repeating: "?", count: retention.agents.count).joined(separator: ", ")
                let statement = try connection.statement(
                    """
                    SELECT handover, id FROM sessions INDEXED BY sessions_by_end
                    WHERE state = 'committed' AND ended_at < ? AND agent NOT IN (\(others)) ORDER BY ended_at LIMIT ?
                    """)
                defer { statement.reset() }
                try statement.bind(now - life, at: 1)
                for (place, agent) in retention.agents.keys.enumerated() { try statement.bind(agent, at: 2 + place) }
                try statement.bind(limit - old.count, at: 2 + retention.agents.count)
                old += try statement.rest { ($0.integer(0), $0.text(1)) }
            }
            for (handover, id) in old {
                try connection.run("DELETE FROM sessions WHERE handover = ?", handover)
                try connection.deleteLost(of: id)
            }
            return old.count
        }
    }
}
