import SojournCore
import SojournRedis

/// The nodes: whether there are any, and whether they do what they are there for.
extension Doctor {
    func examineMembers() async throws(StoreError) {
        let keyspace = self.shard.keyspace
        let nodes = try await self.members(keyspace.nodes)
        let archivists = try await self.members(keyspace.archivists)
        let working = try await self.members(keyspace.archiving)
        self.findings.append(
            nodes.isEmpty
                ? .warning("no node runs: nothing expires, nobody is warned", "start one; sessions get a grace then")
                : .fine("nodes that run: \(nodes.count), \(nodes.joined(separator: ", "))"))
        let mode = try await self.ask(["HGET", .string(keyspace.meta), "archive"])?.string
        guard mode != "none" else {
            // Only a keyspace that an older node or a person has changed can be so.
            if !archivists.isEmpty {
                self.findings.append(
                    .error(
                        "the keyspace says that nobody archives, and archivists run: \(archivists.joined(separator: ", "))",
                        "stop the nodes with --archive none, and start an archivist again: it says so to the others"))
            }
            return
        }
        let away = Set(try await self.pairs(keyspace.archives)).subtracting(archivists).sorted()
        if archivists.isEmpty {
            self.findings.append(
                .error(
                    "no archivist runs: ended sessions stay in Redis",
                    "start a node with --archive, or say --archive none"))
        } else if working.count < archivists.count {
            let troubled = Set(archivists).subtracting(working).sorted()
            self.findings.append(
                .warning(
                    "archivists that take nothing: \(troubled.joined(separator: ", "))",
                    "/health of their nodes says why: a full disk, a damaged file"))
        } else {
            self.findings.append(.fine("archivists that take sessions: \(archivists.count)"))
        }
        if !away.isEmpty {
            self.findings.append(
                .warning(
                    "archives that are away: \(away.joined(separator: ", "))",
                    "start their nodes; or, if a file is lost, sojourn archive adopt --from ID"))
        }
    }

    /// The members of a registry that have been heard of lately.
    private func members(_ registry: String) async throws(StoreError) -> [String] {
        guard let time = try await self.ask(["TIME"], at: self.masters.first)?.array?.first?.int else { return [] }
        let (since, until) = (time * 1000 - Registry.silence, (time + 1) * 1000 + Registry.silence)
        let command: RedisCommand = ["ZRANGE", .string(registry), .integer(since), .integer(until), "BYSCORE"]
        return (try await self.ask(command)?.array ?? []).compactMap(\.string).sorted()
    }

    private func pairs(_ hash: String) async throws(StoreError) -> [String] {
        let flat = try await self.ask(["HGETALL", .string(hash)])?.array ?? []
        return stride(from: 0, to: flat.count, by: 2).compactMap { flat[$0].string }
    }

    /// How the partitions are spread over the masters of a cluster, as the cluster says it.
    func examineSpread() async throws(StoreError) {
        guard self.masters.count > 1, let slots = try await self.ask(["CLUSTER", "SLOTS"], at: self.masters.first)
        else {
            return
        }
        let shares = Self.shares(of: self.shard.keyspace.tags, slots)
        let sentence =
            "partitions on the masters: "
            + shares.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        let missing = self.shard.keyspace.partitions - shares.values.reduce(0, +)
        if missing > 0 {
            self.findings.append(
                .error(
                    "\(missing) partitions are on no master",
                    "the cluster does not cover all slots: redis-cli --cluster check"))
        }
        let isEven = (shares.values.max() ?? 0) <= 2 * (shares.values.min() ?? 0) + 1
        self.findings.append(
            isEven
                ? .fine(sentence)
                : .warning(sentence, "redis-cli --cluster rebalance: each partition is as busy as another"))
    }

    /// How many partitions each master has, by the answer of `CLUSTER SLOTS`: ranges with their master first.
    static func shares(of tags: PartitionTags, _ slots: RESPValue) -> [String: Int] {
        var shares: [String: Int] = [:]
        for range in slots.array ?? [] {
            guard let parts = range.array, parts.count > 2, let first = parts[0].int, let last = parts[1].int,
                first <= last, let master = parts[2].array, master.count > 1, let host = master[0].string,
                let port = master[1].int
            else { continue }
            shares["\(host):\(port)", default: 0] += (0..<tags.count).count {
                (first...last).contains(tags.slot(of: $0))
            }
        }
        return shares
    }

    /// What the partitions say together.
    private struct Sums {
        var live: [Int] = []
        var ended = 0
        var overdue = 0
        var unswept = 0
        var held = 0
        var lag = 0

        mutating func add(_ other: Sums) {
            self.live += other.live
            self.ended += other.ended
            self.overdue += other.overdue
            self.unswept += other.unswept
            self.held += other.held
            self.lag = max(self.lag, other.lag)
        }
    }

    func examinePartitions() async throws(StoreError) {
        var sums = Sums()
        var failure: StoreError?
        guard let time = try await self.ask(["TIME"], at: self.masters.first)?.array?.first?.int else { return }
        await self.shard.concurrently(0..<self.shard.keyspace.partitions) { partition in
            do throws(StoreError) {
                sums.add(try await self.look(at: partition, now: time * 1000))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        let total = sums.live.reduce(0, +)
        sums.live.sort()
        let (middle, most) = (sums.live[sums.live.count / 2], sums.live[sums.live.count - 1])
        let spread =
            "\(total) live sessions in \(sums.live.count) partitions, \(middle) in the middle one, \(most) at most"
        // Sessions without a key are dealt at random: what is far beyond that comes from one conversation key.
        self.findings.append(
            most > 100 + 4 * max(1, total / sums.live.count)
                ? .warning(
                    spread, "one key of one conversation has many sessions, or many share it: one slot carries them")
                : .fine(spread))
        self.findings.append(
            sums.overdue > 0
                ? .error(
                    "\(sums.overdue) timers are over 5 s late",
                    "nodes are too few or too busy: look at sojourn_loop_lag_seconds")
                : .fine("no timer is late"))
        if sums.unswept > 0 {
            self.findings.append(
                .error(
                    "\(sums.unswept) partitions are swept by nobody",
                    "start a node; with nodes running, see that all have the same --partitions and --namespace"))
        }
        if sums.held > 0 {
            self.findings.append(
                .note("\(sums.held) partitions have a grace: Redis or all nodes were away, and nothing expires yet"))
        }
        self.findings.append(
            sums.ended > 1000
                ? .warning("\(sums.ended) ended sessions wait for an archive", "look at the archivists")
                : .fine("\(sums.ended) ended sessions wait for an archive"))
        if self.shard.archiving, sums.lag > 60_000 {
            self.findings.append(
                .warning(
                    "the oldest event that no archive has is \(sums.lag / 1000) s old",
                    "nobody follows its session: look at the archivists, and at --archive-follow"))
        }
    }

    private func look(at partition: Int, now: Int) async throws(StoreError) -> Sums {
        let keyspace = self.shard.keyspace
        let counts = try await self.shard.call(
            self.shard.scripts.stats,
            keys: [
                keyspace.all(partition), keyspace.arc(partition), keyspace.due(partition), keyspace.clock(partition),
                keyspace.behind(partition),
            ], args: [-5_000])
        let clock = try await self.ask(["HMGET", .string(keyspace.clock(partition)), "seen", "hold", "outage"])?.array
        func count(_ place: Int) -> Int { counts.indices.contains(place) ? counts[place].int ?? 0 : 0 }
        var sums = Sums(live: [count(0)], ended: count(1), lag: count(3))
        sums.held = (clock?.dropFirst().first?.int ?? 0) > now ? 1 : 0
        if sums.held == 0 { sums.overdue = count(2) }
        let outage = clock?.last?.int ?? Int(self.shard.configuration.outageThreshold)
        if let seen = clock?.first?.int, now - seen > outage { sums.unswept = 1 }
        return sums
    }
}
