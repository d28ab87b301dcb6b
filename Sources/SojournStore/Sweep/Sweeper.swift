import SojournCore
import SojournLoop
import SojournRedis

/// Fires what is due in this node's partitions: warnings, re-armed timers, expiries.
///
/// It polls each partition when its next timer is due, after a second at the latest; the scripts decide, so
/// two sweepers on one partition do no harm, and a sweeper that dies is replaced by the next poll of another.
/// Loop-confined; one a node.
final class Sweeper {
    /// The longest time between two looks at a partition.
    static let longestWait: Int64 = 1_000
    /// Due ids that one look may take.
    static let perLook = 128

    private let shard: StoreShard
    private let registry: Registry
    /// When each partition is looked at next, on the monotonic clock.
    private var nextLook: [Int64]
    /// Whether a look at the partition is under way.
    private var isLooking: [Bool]
    private var timer: LoopTimer?
    private var isRunning = false
    private var underWay = 0
    /// Sessions this node has ended and claimed for its archive.
    var onClaimed: (EndedSession) -> Void = { _ in }
    /// Warnings and expiries, by how late they were, in microseconds.
    private(set) var warnings = Distribution(Distribution.waits)
    private(set) var expiries = Distribution(Distribution.waits)

    init(shard: StoreShard, registry: Registry) {
        self.shard = shard
        self.registry = registry
        let now = ServerClock.monotonic()
        // A random phase, so that the looks at an idle store are spread over the second.
        self.nextLook = (0..<shard.keyspace.partitions).map { _ in now + Int64.random(in: 0..<250) }
        self.isLooking = Array(repeating: false, count: shard.keyspace.partitions)
    }

    func start() {
        self.isRunning = true
        self.timer = LoopTimer(loop: self.shard.loop) { [weak self] in self?.look() }
        self.timer?.start(afterMilliseconds: 0)
    }

    /// Stops looking and waits for what is under way.
    func stop() async {
        self.isRunning = false
        self.timer?.stop()
        while self.underWay > 0 { await self.shard.loop.sleep(milliseconds: 5) }
    }

    /// Looks at everything at once; the test clock has moved.
    func hurry() {
        let now = ServerClock.monotonic()
        for partition in self.nextLook.indices { self.nextLook[partition] = now }
        self.timer?.start(afterMilliseconds: 0)
    }

    private func look() {
        guard self.isRunning else { return }
        let now = ServerClock.monotonic()
        var earliest = now + Self.longestWait
        for partition in self.registry.partitions where !self.isLooking[partition] {
            if self.nextLook[partition] <= now {
                self.isLooking[partition] = true
                self.underWay += 1
                self.shard.loop.spawn { await self.look(at: partition) }
            } else {
                earliest = min(earliest, self.nextLook[partition])
            }
        }
        self.timer?.start(afterMilliseconds: Int(max(1, earliest - now)))
    }

    private func look(at partition: Int) async {
        var looked = ServerClock.monotonic()
        var wait = Self.longestWait
        defer {
            self.nextLook[partition] = looked + wait
            self.isLooking[partition] = false
            self.underWay -= 1
            if self.isRunning { self.rearm(self.nextLook[partition]) }
        }
        let configuration = self.shard.configuration
        guard
            let answer = try? await self.shard.call(
                self.shard.scripts.tick,
                keys: [self.shard.keyspace.due(partition), self.shard.keyspace.clock(partition)],
                args: [
                    .integer(Int(configuration.outageThreshold)), .integer(Int(configuration.outageHold)),
                    .integer(Self.perLook),
                ], timed: true), answer.count == 4
        else { return }
        looked = ServerClock.monotonic()
        if let gap = answer[3].int, gap != 0 { self.tellOutage(partition, gap: gap) }
        let ids = (answer[2].array ?? []).compactMap { $0.string.flatMap { SessionID($0) } }
        // A timer that came up early is armed anew, maybe for an instant before all that the look has seen.
        var next = answer[1].int.flatMap { $0 >= 0 ? Int64($0) : nil } ?? Self.longestWait
        let now = Int64(answer[0].int ?? 0)
        let calls = stride(from: 0, to: ids.count, by: StoreShard.endBatch).map {
            Array(ids[$0..<min($0 + StoreShard.endBatch, ids.count)])
        }
        await self.shard.concurrently(calls) {
            if let armed = await self.fire($0, in: partition) { next = min(next, armed - now) }
        }
        // At least a few ms, so that timers that are dense in time are taken together.
        wait = ids.count == Self.perLook ? 0 : min(Self.longestWait, max(5, next))
    }

    private func rearm(_ at: Int64) {
        let wait = at - ServerClock.monotonic()
        if wait < Self.longestWait { self.timer?.start(afterMilliseconds: Int(max(0, min(wait, self.untilNext())))) }
    }

    private func untilNext() -> Int64 {
        let now = ServerClock.monotonic()
        var earliest = now + Self.longestWait
        for partition in self.registry.partitions where !self.isLooking[partition] {
            earliest = min(earliest, self.nextLook[partition])
        }
        return max(0, earliest - now)
    }

    /// Fires sessions of one partition in one call, and ends those whose time is over in another.
    ///
    /// - Returns: when the earliest of the timers is armed for, of those that are not over.
    private func fire(_ ids: [SessionID], in partition: Int) async -> Int64? {
        let shard = self.shard
        let keyspace = shard.keyspace
        var keys = [keyspace.clock(partition), keyspace.due(partition), keyspace.behind(partition)]
        for id in ids {
            let one = keyspace.keys(of: id)
            keys += [one.session, one.log, one.channel, one.turns, one.queue, one.deltas]
        }
        do throws(StoreError) {
            let answers = try await shard.call(
                shard.scripts.fire, keys: keys,
                args: [shard.replid, .integer(shard.configuration.turnAttempts)] + ids.map { .string($0.text) })
            guard answers.count == ids.count else { throw shard.malformed("fire") }
            var earliest: Int64?
            var over: [(session: KnownIdentity, deadline: Int)] = []
            for (id, answer) in zip(ids, answers) {
                let answer = answer.array ?? []
                guard let state = answer.first?.int, state > 0, answer.count > 1, let time = answer[1].int else {
                    continue
                }
                if state == 3 {
                    guard answer.count == 4,
                        let session = KnownIdentity(id: id, answer[2].bytes, keyHash: answer[3].bytes)
                    else { throw shard.malformed("fire") }
                    over.append((session, time))
                    continue
                }
                shard.ring(answer.dropFirst(state == 1 ? 2 : 3).first?.bytes, for: id)
                if state == 2 { self.warnings.record((answer.dropFirst(2).first?.int ?? 0) * 1000) }
                earliest = min(earliest ?? .max, Int64(time))
            }
            let ended = try await shard.end(over.map(\.session), reason: .expired, claiming: true)
            for (ended, deadline) in zip(ended, over.map(\.deadline)) {
                guard let ended else { continue }
                self.expiries.record(Int(shard.now.milliseconds - Int64(deadline)) * 1000)
                if ended.claim != nil { self.onClaimed(ended) }
            }
            return earliest
        } catch {
            // One of them may spoil the call for all.
            if ids.count > 1, error.code != .storeUnavailable, error.code != .outcomeUnknown {
                await shard.concurrently(ids) { _ = await self.fire([$0], in: partition) }
                return nil
            }
            // The entries in `due` stay; the next look takes them again.
            shard.log(
                .debug, "timers could not be fired; they are tried again",
                ["session.id": ids[0].text, "sessions": String(ids.count), "error": "\(error)"])
        }
        return nil
    }

    private var toldOutage: Int64 = 0

    /// Says once, not once a partition, that sessions live on after an outage.
    private func tellOutage(_ partition: Int, gap: Int) {
        let now = ServerClock.monotonic()
        guard now - self.toldOutage > 10_000 else { return }
        self.toldOutage = now
        self.shard.log(
            .warning, "no node swept for longer than the outage threshold; sessions get a grace before they expire",
            [
                "outage.ms": String(gap), "hold.ms": String(self.shard.configuration.outageHold),
                "partition": String(partition),
            ])
    }
}
