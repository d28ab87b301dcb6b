package import SojournCore
import SojournLoop
import SojournRedis

/// The registered agents as this loop knows them, half a second old at the most. Loop-confined.
package final class AgentBook {
    /// How often the registry is asked whether it has changed, in milliseconds.
    static let interval = 500

    private unowned let shard: StoreShard
    private var version = ""
    private var agents: [String: Agent] = [:]
    private var versions: [String: Int64] = [:]
    /// The ids of agents whose settings this program cannot read; a later one may have written them.
    private(set) var unreadable: Set<String> = []
    private var isOpen = true

    init(shard: StoreShard) { self.shard = shard }

    /// The registered agents, by id.
    package var all: [Agent] { self.agents.values.sorted { $0.id < $1.id } }

    /// The agent with this id, if it is registered.
    package subscript(id: String) -> Agent? { self.agents[id] }

    /// When an agent was registered or changed last, in ms of Redis time; 0 when an earlier program did it. Of two
    /// settings of one agent the one with the greater number is the later one.
    func version(of id: String) -> Int64 { self.versions[id] ?? 0 }

    /// Reads the registry, and goes on asking for changes.
    func start() async throws(StoreError) {
        try await self.refresh()
        self.shard.loop.spawn { [weak self, loop = self.shard.loop] in
            while true {
                await loop.sleep(milliseconds: Self.interval)
                guard let self, self.isOpen else { return }
                try? await self.refresh()
            }
        }
    }

    func close() { self.isOpen = false }

    /// Throws `AGENT_NOT_FOUND` for an agent that is not registered, while any is.
    package func check(_ id: String) async throws(StoreError) {
        guard !self.agents.isEmpty, self.agents[id] == nil else { return }
        // It may have been registered a moment ago, on another node.
        try await self.refresh()
        guard self.agents.isEmpty || self.agents[id] != nil else { throw .agentNotFound(id) }
    }

    /// Registers an agent, or changes its settings.
    package func put(_ agent: Agent) async throws(StoreError) { try await self.change(agent.id, agent.json.text) }

    /// Takes an agent from the registry; its sessions stay, for as long as it last wanted them kept.
    ///
    /// - Throws: `AGENT_NOT_FOUND`.
    package func delete(_ id: String) async throws(StoreError) {
        try await self.refresh()
        guard self.agents[id] != nil else { throw .agentNotFound(id) }
        try await self.change(id, "")
    }

    /// Asks for changes now.
    package func refresh() async throws(StoreError) { try await self.change("", "") }

    private func change(_ id: String, _ settings: String) async throws(StoreError) {
        let answer = try await self.shard.call(
            self.shard.scripts.agents, keys: [self.shard.keyspace.agents],
            args: [.string(self.version), .string(id), .string(settings)])
        guard let version = answer.first?.string else { throw self.shard.malformed("agents") }
        guard version != self.version else { return }
        self.version = version
        (self.agents, self.versions, self.unreadable) = ([:], [:], [])
        for place in stride(from: 1, to: answer.count - 2, by: 3) {
            guard let id = answer[place].string, let text = answer[place + 1].bytes else { continue }
            guard let agent = try? Agent(id: id, settings: try? JSON.parse(text)) else {
                self.unreadable.insert(id)
                continue
            }
            self.agents[id] = agent
            self.versions[id] = answer[place + 2].string.flatMap { Int64($0) }
        }
    }

    // MARK: Timeouts

    /// The policy of a new session and where its values come from: the session over its agent over the environment.
    package func policy(
        for id: String, _ config: JSON?
    ) -> (policy: TimeoutPolicy, sources: TimeoutSources) {
        let configuration = self.shard.configuration
        var settings = configuration.timeouts
        var sources = TimeoutSources(.environment)
        let agent = self.agents[id]
        let names = [agent?.name, id].compactMap { $0 }.map(Self.variable)
        for name in names {
            if let variables = configuration.agentTimeouts[name] {
                settings.defaults = settings.policy(forCreate: .object(variables))
            }
        }
        if let own = agent?.timeoutConfig.map(JSON.object) {
            settings.defaults = settings.policy(forCreate: own)
            sources.take(.agent, own)
        }
        sources.take(.session, config)
        return (settings.policy(forCreate: config), sources)
    }

    /// How an agent's id or name stands in the name of a variable: capitals, digits and underscores.
    package static func variable(_ name: String) -> String {
        String(name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
}
