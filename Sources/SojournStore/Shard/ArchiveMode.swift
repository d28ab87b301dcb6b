import SojournCore
import SojournLoop
import SojournRedis

/// What the keyspace says about ended sessions: that they wait for an archivist, or that nobody archives and they are
/// deleted. Loop-confined.
final class ArchiveMode {
    /// How often a node that deletes asks whether that is still so, in milliseconds.
    static let interval = 1_000

    private unowned let shard: StoreShard
    private var isOpen = true
    /// Whether ended sessions wait for an archivist.
    private(set) var keepsEnded = true

    init(shard: StoreShard) { self.shard = shard }

    /// Refuses to start a node that would delete what the others archive.
    func check() async throws(StoreError) {
        guard self.shard.configuration.archiving == false else { return }
        let live = try await self.shard.call(
            self.shard.scripts.alive, keys: [self.shard.keyspace.archivists], args: [.integer(Registry.silence)])
        guard let archivist = live.first?.string else { return }
        throw StoreError(
            .storeUnavailable,
            "--archive none says that nobody archives, but the archivist \(archivist) works on the keyspace "
                + "'\(self.shard.keyspace.namespace)' (or was killed seconds ago): start this node without it, or stop "
                + "that node first")
    }

    /// Takes what the keyspace says. Where nobody archives, goes on asking: when an archivist comes, ended sessions wait for
    /// it, also those that end on this node.
    func take(archives: Bool) {
        self.keepsEnded = archives
        guard !archives else { return }
        self.shard.loop.spawn { [weak self, loop = self.shard.loop] in
            while true {
                await loop.sleep(milliseconds: Self.interval)
                guard let self, self.isOpen else { return }
                let command: RedisCommand = ["HGET", .string(self.shard.keyspace.meta), "archive"]
                guard let answer = try? await self.shard.redis.send(command, kind: .read), answer.string == "archive"
                else { continue }
                self.keepsEnded = true
                self.shard.log(.notice, "an archivist has come: sessions that end here wait for one from now on")
                return
            }
        }
    }

    func close() { self.isOpen = false }
}
