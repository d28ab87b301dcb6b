import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

/// Writes what live sessions log into this node's archive, a moment later: a lost Redis costs no more than that moment,
/// and Redis need only keep the window of each log that is read all the time.
///
///     list of sessions with news -> follow (read, and be the follower) -> SQLite -> trim (tell Redis, which lets go)
///
/// The archivist of its partition follows a session from the beginning, and hands it over at the end. While it is away another one takes over
/// only if Redis has the whole log. A crash between any two steps is harmless: the stretch is read and written again.
/// Loop-confined; one an archivist.
final class WriteBehind {
    /// How often the list is looked at, in milliseconds.
    static let interval = 300
    /// Sessions in one transaction.
    static let batch = 32
    /// Ids of the list that are read at once.
    static let page = 1_000
    /// Events that one call trims.
    static let trimmed = 4_096
    /// For how long a session of another archivist is left alone, in milliseconds.
    static let patience = 3_000

    unowned let archivist: Archivist
    let shard: StoreShard
    let archive: Archive
    let registry: Registry
    /// The partitions in which this archivist follows sessions. Those that are not its own by rendezvous any more are
    /// looked at on behalf of these sessions only.
    var partitions: Set<Int> = []
    /// Sessions that cannot be followed here, and until when they are left alone.
    var strangers: [SessionID: Int] = [:]
    private var isRunning = false
    private var isLooking = false
    /// What was so when all sessions here were reviewed last.
    var absences = -1
    var replid: String?
    /// Whether there is another reason to review all of them.
    var wantsReview = false
    /// Sessions opened again, of which it is not certain yet whose they will be, and when to ask again.
    var undecided: Set<String> = []
    var askAgain = 0
    private var toldOfHole: Set<SessionID> = []
    /// Events written since the start.
    private(set) var written = 0

    init(archivist: Archivist, registry: Registry) {
        self.archivist = archivist
        self.shard = archivist.shard
        self.archive = archivist.archive
        self.registry = registry
    }

    /// Begins to follow; or, if that is turned off, only looks after what was followed before.
    func start() {
        self.isRunning = true
        let follows = self.shard.configuration.archiveFollows
        self.shard.loop.spawn { [weak self] in
            while let self, self.isRunning {
                if follows { await self.look() } else { _ = await self.reviewIfNeeded() }
                await self.shard.loop.sleep(milliseconds: Self.interval)
            }
        }
    }

    /// Finishes what is under way, and takes what has come since.
    func stop() async {
        guard self.isRunning else { return }
        self.isRunning = false
        while self.isLooking { await self.shard.loop.sleep(milliseconds: 5) }
        if self.shard.isConnected, self.shard.configuration.archiveFollows { await self.look() }
    }

    /// Writes down everything there is to write at this moment.
    func look() async {
        guard self.shard.archiving, !self.isLooking, !self.archivist.isPaused, self.registry.isSeen else { return }
        self.isLooking = true
        defer { self.isLooking = false }
        guard await self.reviewIfNeeded() else { return }
        var news: [SessionID] = []
        await self.shard.concurrently(Set(self.registry.partitions).union(self.partitions)) { partition in
            news += await self.news(in: partition)
        }
        let now = EventLoop.now
        if self.strangers.count > 10_000 { self.strangers = self.strangers.filter { $0.value > now } }
        while !news.isEmpty, !self.archivist.isPaused {
            let batch = Array(news.prefix(Self.batch))
            news.removeFirst(batch.count)
            news += await self.follow(batch)
        }
    }

    /// The sessions of a partition with events that are not archived.
    private func news(in partition: Int) async -> [SessionID] {
        let now = EventLoop.now
        var found: [SessionID] = []
        var start = 0
        while true {
            let command: RedisCommand = [
                "ZRANGE", .string(self.shard.keyspace.behind(partition)), .integer(start),
                .integer(start + Self.page - 1),
            ]
            guard let page = (try? await self.shard.redis.send(command, kind: .read))?.array else { return found }
            found += page.compactMap { $0.string.flatMap { self.shard.keyspace.sessionID($0) } }
                .filter { self.strangers[$0].map { $0 <= now } ?? true }
            if page.count < Self.page { return found }
            start += Self.page
        }
    }

    // MARK: One batch

    /// What was read of one session.
    struct Reading {
        let id: SessionID
        let token: String
        let epoch: String
        let stretch: LiveStretch
        var upTo: Int { self.stretch.events.last?.seq ?? self.stretch.head }
    }

    /// Follows sessions one step.
    ///
    /// - Returns: those of which there is more.
    private func follow(_ ids: [SessionID]) async -> [SessionID] {
        var readings = await self.read(ids)
        self.archivist.reached(.behindRead, readings.count)
        var more: [SessionID] = []
        do throws(ArchiveError) {
            var results = try await self.write(&readings)
            // Redis and the file disagree about what the file has: an older copy of it is in use, or Redis went back.
            for (place, result) in results.enumerated() {
                guard case .missing(let held) = result,
                    let reading = await self.read(readings[place].id, from: held + 1)
                else { continue }
                readings[place] = reading
                results[place] = try await self.archive.follow([reading.stretch]).first ?? result
            }
            self.archivist.reached(.behindWritten, readings.count)
            var held: [Reading] = []
            for (reading, result) in zip(readings, results) {
                switch result {
                case .held: held.append(reading)
                case .missing(let after): self.tellHole(reading, after: after)
                // Its hand-over is under way here, or Redis went back to before it and has the session again.
                case .ended:
                    self.strangers[reading.id] = EventLoop.now + Self.patience
                    await self.archivist.reviewServed(reading.id)
                }
            }
            await self.shard.concurrently(held) { reading in
                self.written += reading.stretch.events.count
                if await self.trim(reading), reading.upTo < reading.stretch.head { more.append(reading.id) }
            }
            self.archivist.reached(.behindTold, held.count)
            if !held.isEmpty { self.archivist.recovered() }
        } catch {
            self.archivist.failed(error, sessions: readings.count)
        }
        return more
    }

    /// Puts what was read on disk. Where one session spoils it for all, because a page under it is damaged, that one is
    /// left out.
    private func write(_ readings: inout [Reading]) async throws(ArchiveError) -> [FollowResult] {
        let failure: ArchiveError
        do throws(ArchiveError) {
            return try await self.archive.follow(readings.map(\.stretch))
        } catch {
            guard error.code == .corrupt || error.code == .other else { throw error }
            failure = error
        }
        var (written, results): ([Reading], [FollowResult]) = ([], [])
        var spoilt: [Reading] = []
        for reading in readings {
            do throws(ArchiveError) {
                results += try await self.archive.follow([reading.stretch])
                written.append(reading)
            } catch {
                spoilt.append(reading)
            }
        }
        // If it is all of them it is not one of them.
        if written.isEmpty {
            guard readings.count == 1 else { throw failure }
            try await self.archive.probe()
        }
        for reading in spoilt {
            self.strangers[reading.id] = EventLoop.now + 20 * Self.patience
            self.shard.log(
                .error, "the archive refuses a live session, which stays in Redis; it is tried again in a minute",
                ["session.id": reading.id.text, "archive.path": self.archive.path, "error": "\(failure)"])
        }
        readings = written
        return results
    }

    private func read(_ ids: [SessionID]) async -> [Reading] {
        var readings: [Reading] = []
        await self.shard.concurrently(ids) { id in
            if let reading = await self.read(id) { readings.append(reading) }
        }
        return readings
    }

    /// Reads what the archive does not have of a session; nil when it does not live or is another archivist's.
    func read(_ id: SessionID, from first: Int? = nil) async -> Reading? {
        let keys = self.shard.keyspace.keys(of: id)
        let random = StoreShard.tokenDigits()
        guard
            let answer = try? await self.shard.call(
                self.shard.scripts.follow, keys: [keys.session, keys.clock, keys.blob, keys.log, keys.behind],
                args: [
                    .string(id.text), .string(self.archive.id), .string(random), .string(self.registry.words),
                    .string(first.map { String($0) } ?? ""), .integer(StoreShard.stretch),
                    .integer(self.registry.partitions.contains(id.partition) ? 1 : 0),
                ])
        else { return nil }
        switch answer.first?.int {
        case 1: return self.reading(answer, of: id)
        case 2, 3: await self.leave(id)
        default: break
        }
        return nil
    }

    private func reading(_ answer: [RESPValue], of id: SessionID) -> Reading? {
        guard answer.count == 11, let token = answer[2].string, let head = answer[4].int, let epoch = answer[5].string,
            let first = answer[6].int, let raw = answer[8].array, let flat = answer[9].array
        else {
            _ = self.shard.malformed("follow")
            return nil
        }
        self.partitions.insert(id.partition)
        let session = SessionFields(flat: flat).session(
            id: id, blob: answer[10].bytes, asOf: self.shard.note(answer[1]))
        let events = raw.compactMap { $0.bytes.flatMap(Event.init(bytes:)) }.compactMap(TranscriptEvent.init)
        guard events.count == raw.count else {
            _ = self.shard.malformed("follow")
            return nil
        }
        return Reading(
            id: id, token: token, epoch: epoch,
            stretch: LiveStretch(
                id: id.text, agent: session?.agentID ?? "", user: session?.userID ?? "", key: session?.conversationKey,
                createdAt: session?.createdAt.milliseconds ?? 0, info: session.map(SessionRecord.bytes(of:)) ?? [],
                first: first, head: head, events: events))
    }

    /// Tells Redis what is on disk.
    ///
    /// - Returns: whether the session is still followed.
    private func trim(_ reading: Reading) async -> Bool {
        let keys = self.shard.keyspace.keys(of: reading.id)
        while true {
            guard
                let answer = try? await self.shard.call(
                    self.shard.scripts.trim, keys: [keys.session, keys.log, keys.behind],
                    args: [
                        .string(reading.id.text), .string(self.archive.id), .string(reading.token),
                        .string(reading.epoch), .integer(reading.upTo),
                        .string(self.shard.configuration.logWindow.map { String($0) } ?? ""), .integer(Self.trimmed),
                    ])
            else { return false }
            guard answer.first?.int == 1 else {
                // It is another's by now, or it has ended.
                await self.leave(reading.id)
                return false
            }
            guard let left = answer.dropFirst().first?.int, left > 0 else { return true }
        }
    }

    private func tellHole(_ reading: Reading, after held: Int) {
        self.strangers[reading.id] = EventLoop.now + 20 * Self.patience
        guard self.toldOfHole.insert(reading.id).inserted else { return }
        self.shard.log(
            .error, "a live session cannot be followed: events are missing between the archive and Redis",
            [
                "session.id": reading.id.text, "archive.path": self.archive.path, "archive.head": String(held),
                "redis.first": String(reading.stretch.events.first?.seq ?? reading.stretch.head + 1),
            ])
    }
}
