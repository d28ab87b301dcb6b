import SojournCore
import SojournHTTP
import SojournStore

/// The registry of agents.
extension NodeServer {
    static let agentBase = "/api/messaging/agents"

    var agentRoutes: [Route] {
        [
            Route(.get, Self.agentBase, needs: .admin) { [unowned self] _ throws(StoreError) in
                try await self.shard.agents.refresh()
                return .json(200, ["agents": .array(self.shard.agents.all.map(\.json))])
            },
            Route(.put, Self.agentBase + "/:id", needs: .admin) { [unowned self] context throws(StoreError) in
                let agent = try Agent(id: context.captures[0], settings: try context.body() ?? .object(JSONObject()))
                try await self.shard.agents.put(agent)
                return .json(200, agent.json)
            },
            Route(.get, Self.agentBase + "/:id", needs: .admin) { [unowned self] context throws(StoreError) in
                try await self.shard.agents.refresh()
                guard let agent = self.shard.agents[context.captures[0]] else {
                    throw .agentNotFound(context.captures[0])
                }
                return .json(200, agent.json)
            },
            Route(.delete, Self.agentBase + "/:id", needs: .admin) { [unowned self] context throws(StoreError) in
                try await self.shard.agents.delete(context.captures[0])
                return .json(200, ["id": .string(context.captures[0]), "deleted": true])
            },
        ]
    }
}
