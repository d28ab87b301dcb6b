/// For how long an agent wanted its sessions kept when it was heard of last.
public struct AgentRetention: Sendable, Hashable {
    /// The agent's id.
    public let agent: String
    /// How long after its end a session is kept, in ms; nil is for ever.
    public let life: Int64?
    /// When the agent got this setting, in ms of Redis time; 0 when nobody knows.
    public let saidAt: Int64

    /// A setting from its parts.
    public init(agent: String, life: Int64?, saidAt: Int64) {
        (self.agent, self.life, self.saidAt) = (agent, life, saidAt)
    }
}

/// What agents said about their sessions is kept beside these: Redis, where the agents are registered, may forget it.
extension Archive {
    /// What is noted of all agents.
    public func agentRetentions() async throws(ArchiveError) -> [AgentRetention] {
        try await self.read { connection throws(ArchiveError) in
            try connection.statement("SELECT agent, life, said_at FROM retentions").all { row in
                AgentRetention(agent: row.text(0), life: row.optionalInteger(1), saidAt: row.integer(2))
            }
        }
    }

    /// Notes what agents say, instead of what they said before.
    ///
    /// - Parameter silent: agents that say nothing of their own any more.
    public func note(_ retentions: [AgentRetention], silent: [String]) async throws(ArchiveError) {
        try await self.write { connection throws(ArchiveError) in
            for agent in silent { try connection.run("DELETE FROM retentions WHERE agent = ?", agent) }
            for retention in retentions {
                try connection.run(
                    "INSERT OR REPLACE INTO retentions (agent, life, said_at) VALUES (?, ?, ?)", retention.agent,
                    retention.life, retention.saidAt)
            }
        }
    }
}
