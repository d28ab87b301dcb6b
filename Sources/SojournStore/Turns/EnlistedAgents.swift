import SojournCore

/// Agents that are known to work by turns, as long as Redis is the one that was told so.
struct EnlistedAgents {
    /// The most that are kept; any worker can name an agent while none is registered. Beyond that they are asked about
    /// again.
    static let limit = 10_000

    private var agents: Set<UUIDBits> = []
    private var replid: String?

    /// How many are kept.
    var count: Int { self.agents.count }

    /// Whether the Redis with this replication id is known to know that the agent works by turns.
    func contains(_ agent: UUIDBits, at replid: String?) -> Bool {
        replid != nil && replid == self.replid && self.agents.contains(agent)
    }

    /// Notes that the Redis with this replication id knows it; what others knew is forgotten.
    mutating func insert(_ agent: UUIDBits, at replid: String) {
        if replid != self.replid || self.agents.count >= Self.limit { self.agents.removeAll(keepingCapacity: true) }
        self.replid = replid
        self.agents.insert(agent)
    }
}
