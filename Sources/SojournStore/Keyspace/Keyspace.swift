import SojournCore

/// The Redis keys of one namespace, which is one tenant.
///
/// All keys of a partition carry its hash tag, so they live in one cluster slot and one script can change
/// them together.
struct Keyspace: Sendable {
    let namespace: String
    let tags: PartitionTags
    private let prefixes: [String]

    init(namespace: String, partitions: Int) {
        self.namespace = namespace
        let tags = PartitionTags(count: partitions)
        self.tags = tags
        self.prefixes = (0..<partitions).map { "\(namespace):{\(tags[$0])}:" }
    }

    var partitions: Int { self.tags.count }
    /// What all nodes agree on.
    var meta: String { self.namespace + ":meta" }
    /// The live nodes.
    var nodes: String { self.namespace + ":nodes" }
    /// The live archivists.
    var archivists: String { self.namespace + ":archivists" }
    /// The archivists that take sessions now; one in trouble still answers questions.
    var archiving: String { self.namespace + ":archiving" }
    /// What every archive must erase, in the slot of the first partition.
    var purges: String { self.prefixes[0] + "purges" }
    /// How far an erasure has come.
    func report(_ number: Int64) -> String { self.prefixes[0] + "pr:" + String(number) }
    /// All archives there are, whether their archivists live or not: how far each has come with the purges.
    var archives: String { self.namespace + ":archives" }

    /// The registered agents.
    var agents: String { self.namespace + ":agents" }

    /// The session with this id in text form; nil when the id is not one of this keyspace.
    func sessionID(_ text: String) -> SessionID? {
        guard let id = SessionID(text), id.partition < self.partitions else { return nil }
        return id
    }

    func due(_ partition: Int) -> String { self.prefixes[partition] + "due" }
    func arc(_ partition: Int) -> String { self.prefixes[partition] + "arc" }
    /// The sessions of a partition with events that are not archived yet.
    func behind(_ partition: Int) -> String { self.prefixes[partition] + "wb" }
    func clock(_ partition: Int) -> String { self.prefixes[partition] + "clk" }
    func all(_ partition: Int) -> String { self.prefixes[partition] + "all" }
    func agent(_ partition: Int, _ agent: String) -> String { self.prefixes[partition] + "a:" + agent }
    func user(_ partition: Int, _ user: String) -> String { self.prefixes[partition] + "u:" + user }
    /// The live session of an agent's conversation key; `hash` is the key's digest in hexadecimal.
    func conversation(_ partition: Int, agent: String, hash: String) -> String {
        self.prefixes[partition] + "k:" + agent + ":" + hash
    }
    /// The agents that work by turns in all partitions.
    var workersDone: String { self.namespace + ":workers" }
    /// The agents that work by turns.
    func workers(_ partition: Int) -> String { self.prefixes[partition] + "wk" }
    /// The sessions of an agent with a turn that waits; a doorbell only.
    func ready(_ agent: UUIDBits) -> String { self.prefixes[self.partition(of: agent)] + "r:" + agent.text }
    /// The channel on which that doorbell rings.
    func bell(_ agent: UUIDBits) -> String { self.ready(agent) }
    /// The answer kept under the idempotency key of a create.
    func idempotency(_ partition: Int, _ hash: String) -> String { self.prefixes[partition] + "i:" + hash }
    /// The questions to an archivist, and the channel that rings for them.
    func questions(_ archivist: String) -> String { self.prefixes[self.partition(of: archivist)] + "aq:" + archivist }
    /// The channel that rings for the answers to one who asks.
    func answers(_ asker: String) -> String { self.prefixes[self.partition(of: asker)] + "aa:" + asker }
    /// The answer to one question.
    func answer(_ asker: String, _ number: Int) -> String { self.answers(asker) + ":" + String(number) }
    /// Of 16 hexadecimal digits, which are random.
    private func partition(of name: String) -> Int {
        Int((UInt64(name, radix: 16) ?? 0) % UInt64(self.partitions))
    }
    private func partition(of agent: UUIDBits) -> Int { Int((agent.high ^ agent.low) % UInt64(self.partitions)) }
    /// The bucket of a rate limit.
    func rate(_ partition: Int, _ hash: String) -> String { self.prefixes[partition] + "rl:" + hash }
    /// Until when a refreshed session token lasts.
    func token(_ partition: Int, _ hash: String) -> String { self.prefixes[partition] + "tk:" + hash }
    /// The channels on which a loop can hear itself, one a partition.
    func probes(_ name: String) -> [String] { self.prefixes.map { $0 + "probe:" + name } }

    func keys(of id: SessionID) -> SessionKeys { SessionKeys(prefix: self.prefixes[id.partition], id: id.text) }
}

/// The keys of one session.
struct SessionKeys {
    let prefix: String
    let id: String

    var session: String { self.prefix + "s:" + self.id }
    var blob: String { self.prefix + "b:" + self.id }
    var log: String { self.prefix + "l:" + self.id }
    var turns: String { self.prefix + "tn:" + self.id }
    var queue: String { self.prefix + "q:" + self.id }
    var workers: String { self.prefix + "wk" }
    /// The answer kept under an idempotency key; without one any key of the slot.
    func idempotency(_ hash: String?) -> String { hash.map { self.prefix + "i:" + self.id + ":" + $0 } ?? self.session }
    /// Who is attached to it.
    var presence: String { self.prefix + "p:" + self.id }
    var deltas: String { self.prefix + "d:" + self.id }
    var tombstone: String { self.prefix + "t:" + self.id }
    var channel: String { self.prefix + "ch:" + self.id }
    var clock: String { self.prefix + "clk" }
    var due: String { self.prefix + "due" }
    var arc: String { self.prefix + "arc" }
    /// Sessions with events that are not archived yet.
    var behind: String { self.prefix + "wb" }
    var all: String { self.prefix + "all" }
}
