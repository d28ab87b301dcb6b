import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

/// Carries out, in this node's archive, the purges of the keyspace that it has not seen yet, in their order.
///
/// They stay listed until every archive has carried them out, and for some time longer, so an archivist that was away
/// finds them when it comes back, and a copy that is restored, too. Loop-confined; one a node.
final class Purger {
    /// How often the list is looked at when nobody says that there is something, in milliseconds.
    static let look = 1_000
    /// How long a purge stays listed at least, in milliseconds.
    static let kept: Int64 = 90 * 86_400_000

    private let shard: StoreShard
    private let archive: Archive
    private var isRunning = false
    private var isWorking = false
    private var position: Int64?
    /// The replication id of the Redis that has this archive's entry.
    private var replid: String?
    private var isTold = false

    init(shard: StoreShard, archive: Archive) {
        self.shard = shard
        self.archive = archive
    }

    /// Takes what was purged while this archive was away, or what a restored copy has of it, out of what is served; then
    /// enters the archive among those of the keyspace, and begins to look.
    func start() async {
        self.isRunning = true
        await self.withdraw()
        // What was said to be done must be done here: the answer comes when everything listed is.
        self.shard.desk?.hire("purge") { [weak self] _ throws(StoreError) in
            await self?.catchUp()
            return JSON(self?.position ?? 0)
        }
        self.shard.loop.spawn { [weak self] in
            while let self, self.isRunning {
                await self.catchUp()
                await self.shard.loop.sleep(milliseconds: Self.look)
            }
        }
    }

    /// Finishes the purge that is under way.
    func stop() async {
        self.isRunning = false
        while self.isWorking { await self.shard.loop.sleep(milliseconds: 5) }
    }

    /// Has nothing served that is listed; to take it out of the files as well may last, and can be done beside serving.
    private func withdraw() async {
        do {
            var position = try await self.archive.purgePosition()
            while let purges = await self.listed(after: position), let last = purges.last {
                for purge in purges { try await self.archive.withdraw(purge) }
                position = last.number
            }
        } catch {
            self.shard.log(
                .error, "a purge could not be carried out; it is tried again",
                ["archive.path": self.archive.path, "error": "\(error)"])
            self.isTold = true
        }
    }

    /// Carries out what is listed.
    private func catchUp() async {
        while self.isWorking { await self.shard.loop.sleep(milliseconds: 5) }
        guard self.isRunning else { return }
        self.isWorking = true
        defer { self.isWorking = false }
        do {
            let start: Int64
            if let position { start = position } else { start = try await self.archive.purgePosition() }
            // A Redis that may have lost the entry gets it again. Only an archivist that lives can do that: an archive
            // that is away is missing there until its node starts, and no erasure waits for it until then; that node
            // carries out what is still listed when it does.
            if self.position == nil || self.replid != self.shard.redis.replid { await self.tell(start) }
            var position = start
            while self.isRunning, let purges = await self.listed(after: position), !purges.isEmpty {
                for purge in purges {
                    _ = try await self.archive.carryOut(purge) { await self.note($0) }
                    position = purge.number
                    await self.tell(position)
                }
            }
            self.isTold = false
        } catch {
            if !self.isTold {
                self.shard.log(
                    .error, "a purge could not be carried out; it is tried again",
                    ["archive.path": self.archive.path, "error": "\(error)"])
            }
            self.isTold = true
        }
    }

    private func listed(after position: Int64) async -> [Purge]? {
        let command: RedisCommand = [
            "ZRANGE", .string(self.shard.keyspace.purges), .string("(\(position)"), "+inf", "BYSCORE", "LIMIT", 0, 100,
        ]
        return (try? await self.shard.redis.send(command, kind: .read))?.array?.compactMap {
            $0.string.flatMap(Purge.init(listed:))
        }
    }

    /// Tells the others how far this archive is, and takes from the list what all have done.
    private func tell(_ position: Int64) async {
        let (redis, keyspace) = (self.shard.redis, self.shard.keyspace)
        let replid = redis.replid
        let entry: RedisCommand = [
            "HSET", .string(keyspace.archives), .string(self.archive.id), .string(String(position)),
        ]
        guard (try? await redis.send(entry, kind: .write)) != nil else { return }
        (self.position, self.replid) = (position, replid)
        guard let all = try? await self.shard.pairs(keyspace.archives),
            let least = all.values.compactMap({ Int64($0) }).min()
        else { return }
        let end = min(least, position - Self.kept * 1_000)
        _ = try? await redis.send(
            ["ZREMRANGEBYSCORE", .string(keyspace.purges), "-inf", .string(String(end))], kind: .write)
    }

    private func note(_ record: PurgeRecord) async {
        await self.shard.note(
            record.purge.number, self.archive.id,
            [
                "sessions": JSON(record.sessions), "events": JSON(record.events), "bytes": JSON(record.bytes),
                "done": .bool(record.isDone),
            ])
    }
}

extension Purge {
    /// A purge as it is listed: its number, kind, id and time, with spaces.
    init?(listed text: String) {
        let parts = text.split(separator: " ").map(String.init)
        guard parts.count == 4, let number = Int64(parts[0]), let kind = Kind(rawValue: parts[1]),
            let at = Int64(parts[3])
        else { return nil }
        self.init(number: number, kind: kind, id: parts[2], at: at)
    }
}
