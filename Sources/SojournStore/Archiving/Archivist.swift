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
    static let batch = 64
    /// Ids that one look at a partition may take.
    static let perLook = 32
    /// The most events that one batch holds in memory, unless a single session has more.
    static let eventsHeld = 20_000

    let shard: StoreShard
    let archive: Archive
    private let registry: Registry
    private var queue: [EndedSession] = []
    private var claimed: Set<SessionID> = []
    private var isWorking = false
    private var isRunning = false
    private var isPolling = false
    private var isPaused = false
    /// Outcomes that Redis has given and the archive has not taken yet.
    private var unsettled: [Settlement] = []
    private var crashPoint: CrashPoint?
    /// What keeps the archive from taking sessions; nil while it works.
    private(set) var trouble: String?
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
        while self.isWorking || self.isPolling { await self.shard.loop.sleep(milliseconds: 5) }
    }

    /// Takes a session that was claimed as it ended.
    func take(_ session: EndedSession) {
        guard self.claimed.insert(session.id).inserted else { return }
        self.crashPoint?.reached(.claimed)
        self.queue.append(session)
        self.work()
    }

    /// Looks for sessions without an archivist in the partitions that are this archivist's.
    func poll() async {
        // While the archive refuses, nothing is claimed: another archivist may have room.
        guard !self.isPaused, self.queue.count < 4 * Self.batch, !self.isPolling else { return }
        self.isPolling = true
        defer { self.isPolling = false }
        await self.shard.concurrently(self.registry.partitions) { await self.poll($0) }
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
            for id in (ids.array ?? []).compactMap({ $0.string.flatMap { SessionID($0) } })
            where !self.claimed.contains(id) {
                guard let session = await self.claim(id, by: script) else { continue }
                if script == shard.scripts.steal {
                    shard.log(
                        .notice, "an archivist let its lease lapse; this one takes the session over",
                        ["session.id": id.text, "archive.id": self.archive.id])
                }
                self.take(session)
                taken += 1
            }
        }
        return taken >= Self.perLook
    }

    func claim(_ id: SessionID, by script: Script) async -> EndedSession? {
        let keys = self.shard.keyspace.keys(of: id)
        let random = Hex.encode((0..<8).map { _ in UInt8.random(in: .min ... .max) })
        guard
            let answer = try? await self.shard.call(
                script, keys: [keys.session, keys.clock, keys.arc],
                args: [
                    .string(id.text), .string(self.archive.id), .string(random),
                    .integer(Int(self.shard.configuration.archiveLease)),
                ]), answer.count == 3, let major = answer[1].int, let head = answer[2].int
        else { return nil }
        return EndedSession(id: id, head: head, claim: (Int64(major), random))
    }

    // MARK: Work

    private func work() {
        guard !self.isWorking, !self.queue.isEmpty else { return }
        self.isWorking = true
        self.shard.loop.spawn { [weak self] in await self?.drain() }
    }

    private func drain() async {
        // Sessions that end together go in one transaction: wait a moment for the others.
        await self.shard.loop.sleep(milliseconds: 5)
        while !self.queue.isEmpty {
            let batch = Array(self.queue.prefix(Self.batchSize(self.queue.lazy.map(\.head))))
            self.queue.removeFirst(batch.count)
            await self.handOver(batch)
            for session in batch { self.claimed.remove(session.id) }
        }
        self.isWorking = false
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
        var transcripts = [Transcript?](repeating: nil, count: batch.count)
        await self.shard.concurrently(batch.indices) { place in
            transcripts[place] = await self.transcript(of: batch[place])
            self.crashPoint?.reached(.read)
        }
        let ready = transcripts.compactMap { $0 }
        guard !ready.isEmpty else { return }
        do {
            let results = try await self.archive.prepare(ready)
            var settlements: [Settlement] = []
            var acknowledged: [Transcript] = []
            for (transcript, result) in zip(ready, results) {
                self.crashPoint?.reached(.prepared)
                switch result {
                case .prepared, .alreadyCommitted: acknowledged.append(transcript)
                case .stale, .incomplete: break  // the archive has said why; the lease lapses
                }
            }
            await self.shard.concurrently(acknowledged) { transcript in
                if let settlement = await self.settlement(of: transcript.header.id, token: transcript.token) {
                    settlements.append(settlement)
                }
            }
            await self.settle(settlements)
        } catch {
            self.failed(error, sessions: ready.count)
        }
    }

    /// Writes down how hand-overs ended. What the archive refuses now is tried again until it takes it: Redis has
    /// let those sessions go, and what is only prepared is not served.
    func settle(_ settlements: [Settlement]) async {
        let due = self.unsettled + settlements
        self.unsettled = []
        do {
            let settled = try await self.archive.settle(due)
            for _ in settled { self.crashPoint?.reached(.settled) }
            self.archived += settled.count { $0 == .committed }
            self.recovered()
        } catch {
            self.unsettled = due + self.unsettled
            self.failed(error, sessions: due.count)
        }
    }

    /// Asks Redis for a hand-over's outcome until it answers; asking again is harmless.
    ///
    /// - Returns: nil when it does not answer and this archivist is to stop: the next start settles it.
    func settlement(of text: String, token: HandoverToken) async -> Settlement? {
        guard let id = self.shard.keyspace.sessionID(text) else {
            return Settlement(id: text, token: token, outcome: .discarded)
        }
        while true {
            if let accepted = await self.acknowledge(id, token: token) {
                self.crashPoint?.reached(.acknowledged)
                return Settlement(id: text, token: token, outcome: accepted ? .committed : .discarded)
            }
            guard self.isRunning else { return nil }
            await self.shard.loop.sleep(milliseconds: 200)
        }
    }

    /// Confirms a hand-over; nil when Redis did not answer.
    func acknowledge(_ id: SessionID, token: HandoverToken) async -> Bool? {
        let keys = self.shard.keyspace.keys(of: id)
        let answer = try? await self.shard.call(
            self.shard.scripts.ack,
            keys: [keys.session, keys.clock, keys.blob, keys.log, keys.arc, keys.tombstone],
            args: [
                .string(id.text), .string(self.archive.id), .string(String(token.major)), .string(token.random),
                .integer(Int(self.shard.configuration.tombstoneLife)),
            ])
        return answer?.first?.int.map { $0 > 0 }
    }

    // MARK: Trouble

    private func failed(_ error: ArchiveError, sessions: Int) {
        let reason = "\(error)"
        if self.trouble == nil {
            self.shard.log(
                .error, "the archive refuses sessions; they stay in Redis and are tried again when their leases lapse",
                ["archive.path": self.archive.path, "sessions": String(sessions), "error": reason])
        }
        self.trouble = reason
        self.queue.removeAll()
        self.claimed.removeAll()
        // The leases lapse; then the sessions are claimed again, here or by an archivist that has room.
        self.isPaused = true
        self.shard.loop.spawn { [weak self] in
            guard let self else { return }
            await self.shard.loop.sleep(milliseconds: Self.interval)
            self.isPaused = false
            if self.isRunning, !self.unsettled.isEmpty { await self.settle([]) }
        }
    }

    private func recovered() {
        guard self.trouble != nil else { return }
        self.trouble = nil
        self.shard.log(.notice, "the archive takes sessions again", ["archive.path": self.archive.path])
    }
}
