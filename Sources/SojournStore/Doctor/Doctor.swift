package import SojournCore
package import SojournLoop
import SojournRedis

/// Examines a Redis and the keyspace in it: whether nodes can work with them, whether they do, and whether every key is
/// where the laws of the keyspace want it. Nodes may run meanwhile. Loop-confined.
package final class Doctor {
    /// What it is to do.
    package struct Options: Sendable {
        /// Whether what can be repaired safely is repaired.
        package var repairs = false
        /// Whether every key is looked at.
        package var walks = true
        /// How many keys a second are looked at, at the most.
        package var rate = 20_000
        /// The Redis user whose rights are looked at; nil is the one that asks.
        package var user: String?

        /// The defaults.
        package init() {}
    }

    let shard: StoreShard
    let options: Options
    /// Hears how many keys of how many were looked at.
    let progress: (Int, Int) -> Void
    var findings: [Finding] = []
    var walked = Walked()
    /// Commands that this user may not give.
    private var denied: Set<String> = []
    var walkedSince = 0

    private init(shard: StoreShard, options: Options, progress: @escaping (Int, Int) -> Void) {
        self.shard = shard
        self.options = options
        self.progress = progress
    }

    /// Examines, and says what was found, in the order of the examination.
    ///
    /// - Parameter configuration: how nodes reach their Redis; its number of partitions counts only where there is no
    ///   keyspace yet.
    /// - Throws: `STORE_UNAVAILABLE` when the connection is lost on the way.
    package static func examine(
        _ configuration: StoreConfiguration, on loop: EventLoop, options: Options = Options(), log: Log = .silent,
        progress: @escaping (Int, Int) -> Void = { _, _ in }
    ) async throws(StoreError) -> [Finding] {
        var configuration = configuration
        let first = StoreShard(loop: loop, configuration: configuration, archive: nil, log: log)
        let doctor = Doctor(shard: first, options: options, progress: progress)
        defer { first.close() }
        guard await doctor.connect() else { return doctor.findings }
        for master in doctor.masters { try await doctor.examineServer(master) }
        try await doctor.examineRights()
        guard let partitions = try await doctor.examineMeta() else { return doctor.findings }
        configuration.partitions = partitions
        let shard = StoreShard(loop: loop, configuration: configuration, archive: nil, log: log)
        let inner = Doctor(shard: shard, options: options, progress: progress)
        defer { shard.close() }
        guard await inner.connect() else { return doctor.findings + inner.findings }
        inner.findings = doctor.findings
        try await inner.examineMembers()
        try await inner.examineSpread()
        try await inner.examinePartitions()
        if options.walks { try await inner.walk() }
        inner.denied.formUnion(doctor.denied)
        inner.tellDenied()
        return inner.findings
    }

    /// Whether Redis can be used; if not, that is a finding.
    private func connect() async -> Bool {
        self.shard.redis.start()
        do {
            _ = try await self.shard.redis.send(["EXISTS", .string(self.shard.keyspace.meta)], kind: .read)
            return true
        } catch {
            if case .refused(let reason) = self.shard.redis.state {
                self.findings.append(
                    .error("nodes do not work with this Redis: \(reason)", "change that; nodes try again by themselves")
                )
            } else {
                self.findings.append(
                    .error(
                        "redis at \(error.endpoint) does not answer: \(error.message)",
                        "start it, or look at the address, the network and the password"))
            }
            return false
        }
    }

    /// The servers: what is about a server and not about a key is asked of each.
    var masters: [RedisConnection] { self.shard.redis.masters }

    /// What tells a server from the others, in front of a sentence; nothing where there is only one.
    func place(of master: RedisConnection) -> String { self.masters.count > 1 ? "\(master.endpoint): " : "" }

    /// A command of the examination; nil when this user may not give it.
    ///
    /// - Parameter master: whom to ask; nil is whoever has the key that is the command's second word.
    func ask(_ command: RedisCommand, at master: RedisConnection? = nil) async throws(StoreError) -> RESPValue? {
        do throws(RedisError) {
            guard let master else { return try await self.shard.redis.send(command, kind: .read) }
            return try await master.send(command, kind: .read)
        } catch {
            if error.serverCode == "NOPERM" {
                if case .string(let name)? = command.arguments.first { self.denied.insert(name) }
                return nil
            }
            throw self.shard.translate(error, in: "doctor")
        }
    }

    private func tellDenied() {
        guard !self.denied.isEmpty else { return }
        let names = self.denied.sorted().joined(separator: ", ")
        self.findings.append(
            .warning(
                "this Redis user may not use \(names): what needs them was not looked at",
                "ask as another user, or allow it; ops/redis/users.acl has a user for the doctor"))
    }

    /// What the namespace was made with; nil when there is none, or not one for this version.
    private func examineMeta() async throws(StoreError) -> Int? {
        let meta = try await self.ask([
            "HMGET", .string(self.shard.keyspace.meta), "schema", "partitions", "archive",
        ])?.array
        guard let meta, meta.count == 3, let schema = meta[0].string, let text = meta[1].string else {
            self.findings.append(
                .note("namespace \(self.shard.keyspace.namespace) is empty: no node has used it yet"))
            return nil
        }
        guard schema.split(separator: ".").first == Schema.version.split(separator: ".").first,
            let partitions = Int(text), PartitionTags.isValid(count: partitions)
        else {
            self.findings.append(
                .error(
                    "the keyspace has schema \(schema) with \(text) partitions; this program knows \(Schema.version)",
                    "use the doctor of the version that the nodes have"))
            return nil
        }
        self.findings.append(
            .fine("schema \(schema), \(partitions) partitions, archive mode \(meta[2].string ?? "archive")"))
        if partitions != self.shard.configuration.partitions {
            self.findings.append(
                .warning(
                    "the settings say \(self.shard.configuration.partitions) partitions: nodes with them do not start",
                    "set partitions to \(partitions); the number is fixed once a keyspace is used"))
        }
        return partitions
    }
}
