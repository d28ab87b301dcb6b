import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

/// Brings ended sessions from Redis into this node's archive.
///
///     claim (or steal a lapsed lease) -> read the frozen log -> prepare -> ack in Redis -> settle
///
/// A crash between any two steps loses nothing: an unacknowledged session stays in Redis and its lease
/// lapses; a prepared one is settled at the next start by asking Redis again. Loop-confined; one a node.
final class Archivist {
    /// How often partitions are looked at for sessions that nobody has claimed.
    static let interval = 1_000
    /// The most sessions in one transaction.
    static let batch = 256
    /// Batches under way at once: while one waits for Redis another is written, and its transaction takes the
    /// settlements of the first along.
    static let workers = 3
    /// Ids that one look at a partition may take, and sessions of one script call.
    static let perLook = 32
    /// The most events that one batch holds in memory, unless a single session has more.
    static let eventsHeld = 20_000

    let shard: StoreShard
    let archive: Archive
    let registry: Registry
    private(set) var queue: [EndedSession] = []
    private var claimed: Set<SessionID> = []
    private var workers = 0
    private(set) var isRunning = false
    private var isPolling = false
    /// Whether it takes no sessions because the archive refuses them.
    var isPaused = false
    /// How long it is left alone after the next refusal, in milliseconds.
    var pause = Archivist.shortestPause
    /// Outcomes that Redis has given and the archive has not taken yet.
    private(set) var unsettled: [Settlement] = []
    /// Archivists that are away and were spoken of.
    private var toldAway: Set<String> = []
    /// Ended sessions that another archivist has followed, and until when they are left to it.
    private var postponed: [SessionID: Int] = [:]
    private var crashPoint: CrashPoint?
    private(set) lazy var behind = WriteBehind(archivist: self, registry: self.registry)
    /// What keeps the archive from taking sessions; nil while it works.
    var trouble: String?
    /// Sessions handed over since the start.
    private(set) var archived = 0

    init(shard: StoreShard, archive: Archive, registry: Registry) {
        self.shard = shard
        self.archive = archive
        self.registry = registry
        self.crashPoint = shard.configuration.crashPoint
    }

    /// Settles what an earlier process left prepared, then begins to work.
    func start() async {
        self.isRunning = true
        await self.settleLeftovers()
        self.behind.start()
        self.shard.loop.spawn { [weak self] in
            while let self, self.isRunning {
                await self.poll()
                await self.shard.loop.sleep(milliseconds: Self.interval)
            }
        }
    }

    /// Finishes the batch that is under way and what is claimed, as far as Redis answers.
    func stop() async {
        self.isRunning = false
        await self.behind.stop()
        while self.workers > 0 || self.isPolling { await self.shard.loop.sleep(milliseconds: 5) }
    }

    /// Takes a session that was claimed as it ended.
    func take(_ session: EndedSession) {
        guard self.claimed.insert(session.id).inserted else { return }
        self.crashPoint?.reached(.claimed)
        if self.isPaused {
            self.claimed.remove(session.id)
            self.shard.loop.spawn { await self.release([session]) }
            return
        }
        self.queue.append(session)
        self.work()
    }

    /// Looks for sessions without an archivist in the partitions that are this archivist's.
    func poll() async {
        // While the archive refuses, nothing is claimed: another archivist may have room.
        guard !self.isPaused, self.queue.count < 4 * Self.batch, !self.isPolling else { return }
        self.isPolling = true
        defer { self.isPolling = false }
        await self.shard.concurrently(Set(self.registry.partitions).union(self.behind.partitions)) {
            await self.poll($0)
        }
    }

    private func poll(_ partition: Int) async {
        // A backlog does not wait a second for each look: it is taken while there is room for it.
        while await self.claimWaiting(partition), self.queue.count < 4 * Self.batch, !self.isPaused {}
    }

    /// Claims what waits in a partition; true when there may be more of it.
    private func claimWaiting(_ partition: Int) async -> Bool {
        let shard = self.shard
        guard
            let answer = try? await shard.call(
                shard.scripts.waiting, keys: [shard.keyspace.arc(partition)], args: [.integer(Self.perLook)]),
            answer.count == 2
        else { return false }
        var taken = 0
        for (script, ids) in zip([shard.scripts.claim, shard.scripts.steal], answer) {
            let free = (ids.array ?? []).compactMap { $0.string.flatMap { SessionID($0) } }.filter { id in
                !self.claimed.contains(id) && self.postponed[id].map { $0 <= EventLoop.now } ?? true
            }
            let sessions = await self.claim(free, in: partition, by: script)
            for session in sessions { self.take(session) }
            taken += sessions.count
        }
        return taken >= Self.perLook
    }

    /// Claims ended sessions of a partition, ``perLook`` at the most, and returns those that are not another's.
    func claim(_ ids: [SessionID], in partition: Int, by script: Script) async -> [EndedSession] {
        guard !ids.isEmpty else { return [] }
        let keyspace = self.shard.keyspace
        let random = StoreShard.tokenDigits()
        var keys = [keyspace.clock(partition), keyspace.arc(partition)]
        var args: [RedisArgument] = [
            .string(self.archive.id), .string(random), .integer(Int(self.shard.configuration.archiveLease)),
            .string(self.registry.words),
        ]
        for id in ids {
            let one = keyspace.keys(of: id)
            keys += [one.session, one.log]
            args.append(.string(id.text))
        }
        guard let answers = try? await self.shard.call(script, keys: keys, args: args), answers.count == ids.count
        else {
            return []
        }
        return zip(ids, answers).compactMap { self.claimed($0, $1.array ?? [], random) }
    }

    /// What the script has answered for one session; nil when it is another's.
    private func claimed(_ id: SessionID, _ answer: [RESPValue], _ random: String) -> EndedSession? {
        guard answer.count >= 2 else { return nil }
        if let other = answer[1].string, answer[0].int != 1 {
            // The script puts it off for two seconds: then its own archivist shall be the first to look.
            if self.postponed.count > 10_000 { self.postponed = self.postponed.filter { $0.value > EventLoop.now } }
            self.postponed[id] = EventLoop.now + 5_000
            if answer[0].int == 3 { self.tellAway(id, other) }
            return nil
        }
        guard answer.count >= 3, let major = answer[1].int, let head = answer[2].int else { return nil }
        if answer.count > 3, answer[3].string != nil {
            self.shard.log(
                .notice, "an archivist let its lease lapse; this one takes the session over",
                ["session.id": id.text, "archive.id": self.archive.id])
        }
        return EndedSession(id: id, head: head, claim: (Int64(major), random))
    }

    private func tellAway(_ id: SessionID, _ other: String) {
        guard self.registry.isGone(other), self.toldAway.insert(other).inserted else { return }
        self.shard.log(
            .warning, "ended sessions wait for an archivist that is away: only it has their beginnings",
            ["session.id": id.text, "archive.id": other])
    }

    // MARK: Work

    private func work() {
        guard self.workers < Self.workers, !self.queue.isEmpty else { return }
        self.workers += 1
        self.shard.loop.spawn { [weak self] in await self?.drain() }
    }

    private func drain() async {
        // Sessions that end together go in one transaction: wait a moment for the others.
        await self.shard.loop.sleep(milliseconds: 5)
        while !self.queue.isEmpty {
            // Redis is asked in fewer calls when many of a batch are of one partition.
            if self.queue.count > Self.batch { self.queue.sort { $0.id.partition < $1.id.partition } }
            let batch = Array(self.queue.prefix(Self.batchSize(self.queue.lazy.map(\.head))))
            self.queue.removeFirst(batch.count)
            if !self.queue.isEmpty { self.work() }
            await self.handOver(batch)
            for session in batch { self.claimed.remove(session.id) }
        }
        self.workers -= 1
    }

    /// How many sessions of these lengths, from the first on, go in one transaction: one at least.
    static func batchSize(_ heads: some Sequence<Int>) -> Int {
        var (sessions, events) = (0, 0)
        for head in heads.prefix(Self.batch) {
            events += head
            guard sessions == 0 || events <= Self.eventsHeld else { break }
            sessions += 1
        }
        return sessions
    }

    private func handOver(_ batch: [EndedSession]) async {
        var ready = await self.transcripts(of: batch)
        guard !ready.isEmpty else { return }
        var purged: [SessionID] = []
        do {
            let results = try await self.prepare(&ready, of: batch)
            var settlements: [Settlement] = []
            var acknowledged: [Transcript] = []
            for (transcript, result) in zip(ready, results) {
                self.crashPoint?.reached(.prepared)
                switch result {
                case .prepared, .alreadyCommitted: acknowledged.append(transcript)
                case .purged:
                    purged.append(contentsOf: self.shard.keyspace.sessionID(transcript.header.id).map { [$0] } ?? [])
                case .stale, .incomplete: break  // the archive has said why; the lease lapses
                }
            }
            // They were erased before they came here.
            await self.shard.concurrently(purged) { _ = try? await self.shard.eraseEnded($0) }
            let replid = self.shard.redis.replid
            await self.shard.concurrently(self.byPartition(acknowledged.map { ($0.header.id, $0.token) })) {
                settlements += await self.settlements(of: $0)
            }
            await self.settle(settlements)
            // What Redis has said before it went back is served only now.
            if self.shard.redis.replid != replid { self.behind.wantsReview = true }
        } catch {
            if batch.count > 1, error.code == .other || error.code == .corrupt {
                // One of them may spoil it for all.
                for session in batch { await self.handOver([session]) }
                return
            }
            await self.release(batch)
            self.failed(error, sessions: ready.count)
        }
    }

    /// Puts transcripts on disk. One that is only the rest of what was written behind its session, and does not fit to
    /// that, is read again, whole.
    private func prepare(
        _ transcripts: inout [Transcript], of batch: [EndedSession]
    ) async throws(ArchiveError) -> [PrepareResult] {
        var results = try await self.archive.prepare(transcripts)
        for (place, result) in results.enumerated() {
            guard case .incomplete = result,
                let ended = batch.first(where: { $0.id.text == transcripts[place].header.id }),
                let whole = await self.transcript(of: ended, whole: true), whole != transcripts[place]
            else { continue }
            transcripts[place] = whole
            results[place] = try await self.archive.prepare([whole]).first ?? result
        }
        return results
    }

    /// Notes that so many sessions came to a step; see ``CrashPoint``.
    func reached(_ step: CrashPoint.Step, _ count: Int) {
        for _ in 0..<count { self.crashPoint?.reached(step) }
    }

    /// Writes down how hand-overs ended. What the archive refuses now is tried again until it takes it: Redis has
    /// let those sessions go, and what is only prepared is not served.
    func settle(_ settlements: [Settlement]) async {
        let due = self.unsettled + settlements
        self.unsettled = []
        do {
            let settled = try await self.archive.settle(due)
            for _ in settled { self.crashPoint?.reached(.settled) }
            for (one, result) in zip(due, settled) where result == .reopened { self.behind.undecided.insert(one.id) }
            self.archived += settled.count { $0 == .committed }
            if due.count > settlements.count { self.behind.wantsReview = true }
            if !due.isEmpty { self.recovered() }
        } catch {
            self.unsettled = due + self.unsettled
            self.failed(error, sessions: due.count)
        }
    }

    /// What is claimed and not begun with.
    func takeQueue() -> [EndedSession] {
        defer { self.queue.removeAll() }
        for session in self.queue { self.claimed.remove(session.id) }
        return self.queue
    }
}
