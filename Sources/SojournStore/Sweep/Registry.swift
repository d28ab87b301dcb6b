import SojournCore
import SojournLoop
import SojournRedis

/// This node's entry among the live nodes, renewed every second, and the others it sees there.
///
/// Loop-confined. A node that is silent for ``silence`` counts as gone.
final class Registry {
    static let interval = 1_000
    static let silence = 5_000

    private let shard: StoreShard
    private let key: String
    private let name: String
    /// The live entries, as last seen; empty before the first answer.
    private(set) var live: [String] = []
    /// The partitions of this node, among the live ones.
    private(set) var partitions: [Int]
    private var isRunning = false
    private var isPaused = false
    private var lastRenewal = EventLoop.now
    /// Since when it has been a member without a break.
    private var joined: Int?
    /// How often the others may have thought that this member was gone.
    private(set) var absences = 0

    init(shard: StoreShard, key: String, name: String) {
        self.shard = shard
        self.key = key
        self.name = name
        // Until the registry answers, everything is ours: the scripts re-check, so this does no harm.
        self.partitions = Array(0..<shard.keyspace.partitions)
    }

    func start() {
        self.isRunning = true
        self.shard.loop.spawn { [weak self] in
            while let self, self.isRunning {
                await self.renew()
                await self.shard.loop.sleep(milliseconds: Self.interval)
            }
        }
    }

    /// Leaves for a while: its share of the work goes to the others at once.
    func pause() async {
        self.isPaused = true
        self.joined = nil
        self.absences += 1
        await self.leave()
    }

    /// Comes back.
    func resume() async {
        self.isPaused = false
        await self.renew()
    }

    private func renew() async {
        guard !self.isPaused else { return }
        guard
            let answer = try? await self.shard.call(
                self.shard.scripts.register, keys: [self.key], args: [.string(self.name), .integer(Self.silence)])
        else { return }
        let now = EventLoop.now
        if now - self.lastRenewal > Self.silence - Self.interval {
            self.absences += 1
            self.joined = nil
        }
        self.lastRenewal = now
        if self.joined == nil { self.joined = now }
        let live = answer.compactMap(\.string).sorted()
        guard live != self.live else { return }
        self.live = live
        self.partitions = Rendezvous.partitions(of: self.name, among: live, count: self.shard.keyspace.partitions)
        self.shard.log(
            .info, "the live members changed; partitions are shared out anew",
            [
                "registry": self.key, "members": live.joined(separator: ","),
                "partitions": String(self.partitions.count),
            ])
    }

    /// The live members as the scripts take them: a space before and behind each; empty while they are not known, or
    /// what is known is old.
    var words: String {
        guard self.live.contains(self.name), EventLoop.now - self.lastRenewal <= 2 * Self.interval else { return "" }
        return " " + self.live.joined(separator: " ") + " "
    }

    /// Whether all others know of this member, or count what they know as old: whose name is in Redis as the owner of
    /// something must not seem to be gone because it has just come.
    var isSeen: Bool {
        self.live == [self.name] || self.joined.map { EventLoop.now - $0 > 3 * Self.interval } ?? false
    }

    /// Whether a member that was there is not any more; false as long as that is not certain.
    func isGone(_ member: String) -> Bool {
        self.isRunning && self.live.contains(self.name) && !self.live.contains(member)
    }

    /// Leaves, so that the others take over at once.
    func stop() async {
        self.isRunning = false
        await self.leave()
    }

    private func leave() async {
        // While Redis is away the entry lapses by itself; a node that stops then need not wait for an answer.
        guard self.shard.isConnected else { return }
        _ = try? await self.shard.redis.send(["ZREM", .string(self.key), .string(self.name)], kind: .write)
    }
}
