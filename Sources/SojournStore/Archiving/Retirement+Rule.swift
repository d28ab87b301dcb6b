import SojournArchive
import SojournCore

/// For how long sessions are kept. The registry of agents is in Redis, which may lose it, and what is deleted does not come
/// back; so the archive notes what each agent said last, and that counts until an admin says something else.
extension Retirement {
    /// The rule now. What is new in the registry is in the archive before anything is deleted by it.
    func rule() async throws(StoreError) -> Retention {
        let noted = try await self.readNoted()
        let book = self.shard.agents
        try await book.refresh()
        var rule = Retention(standard: self.shard.configuration.archiveRetention)
        var (news, silent): ([AgentRetention], [String]) = ([], [])
        // Of those that are registered no more.
        for retention in noted.values { rule.agents.updateValue(retention.life, forKey: retention.agent) }
        for agent in book.all {
            let saidAt = book.version(of: agent.id)
            let own = agent.archiveRetention
            if let before = noted[agent.id], before.saidAt > saidAt {
                // Redis was taken back to what an admin has changed since.
                let life = Self.longer(before.life, own.map(\.milliseconds) ?? rule.standard)
                rule.agents.updateValue(life, forKey: agent.id)
            } else if let own {
                let retention = AgentRetention(agent: agent.id, life: own.milliseconds, saidAt: saidAt)
                // Nil is for ever here, and no value at all is what counts for all.
                rule.agents.updateValue(retention.life, forKey: agent.id)
                if noted[agent.id] != retention { news.append(retention) }
            } else if noted[agent.id] != nil {
                rule.agents.removeValue(forKey: agent.id)
                silent.append(agent.id)
            }
        }
        // They may say "forever" there.
        for id in book.unreadable { rule.agents.updateValue(nil, forKey: id) }
        try await self.note(news, silent: silent)
        return rule
    }

    private func readNoted() async throws(StoreError) -> [String: AgentRetention] {
        if let noted { return noted }
        do throws(ArchiveError) {
            var noted: [String: AgentRetention] = [:]
            for retention in try await self.archive.agentRetentions() { noted[retention.agent] = retention }
            self.noted = noted
            return noted
        } catch {
            throw StoreError(.archiveUnavailable, "\(error)")
        }
    }

    private func note(_ news: [AgentRetention], silent: [String]) async throws(StoreError) {
        if news.isEmpty, silent.isEmpty { return }
        do throws(ArchiveError) {
            try await self.archive.note(news, silent: silent)
        } catch {
            throw StoreError(.archiveUnavailable, "\(error)")
        }
        for agent in silent { self.noted?[agent] = nil }
        for retention in news { self.noted?[retention.agent] = retention }
    }

    /// The longer one of two times in ms, of which nil is for ever.
    private static func longer(_ one: Int64?, _ other: Int64?) -> Int64? {
        guard let one, let other else { return nil }
        return max(one, other)
    }
}
