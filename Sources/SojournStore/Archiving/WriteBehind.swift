import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

/// Writes what live sessions log into this node's archive, a moment later: a lost Redis costs no more than that moment,
/// and Redis need only keep the window of each log that is read all the time.
///
///     list of sessions with news -> follow (read, and be the follower) -> SQLite -> trim (tell Redis, which lets go)
///
/// The first archivist to come follows a session, and hands it over at the end. While it is away another one takes over
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

    private unowned let archivist: Archivist
    private let shard: StoreShard
    private let archive: Archive
    private let registry: Registry
    /// The partitions in which this archivist follows sessions that may not be its own by rendezvous.
    private(set) var partitions: Set<Int> = []
    /// Sessions that cannot be followed here, and until when they are left alone.
    private var strangers: [SessionID: Int] = [:]
    private var isRunning = false
    private var isLooking = false
    private var lastLook = 0
    private var replid: String?
    private var toldOfHole: Set<SessionID> = []
    /// Events written since the start.
    private(set) var written = 0

    init(archivist: Archivist, registry: Registry) {
        self.archivist = archivist
        self.shard = archivist.shard
        self.archive = archivist.archive
        self.registry = registry
    }

    func start() {
        self.isRunning = true
        self.shard.loop.spawn { [weak self] in
            while let self, self.isRunning {
                await self.look()
                await self.shard.loop.sleep(milliseconds: Self.interval)
            }
        }
    }

    /// Finishes what is under way, and takes what has come since.
    func stop() async {
        guard self.isRunning else { return }
        self.isRunning = false
        while self.isLooking { await self.shard.loop.sleep(milliseconds: 5) }
        if self.shard.isConnected { await self.look() }
    }

    /// Writes down everything there is to write at this moment.
    func look() async {
        guard self.shard.archiving, !self.isLooking else { return }
        guard !self.archivist.isPaused else {
            // Others take over meanwhile.
            self.lastLook = 0
            return
        }
        self.isLooking = true
        defer { self.isLooking = false }
        let now = EventLoop.now
        if now - self.lastLook > Registry.silence - 1_000 || self.replid != self.shard.redis.replid {
            // Others may have taken over meanwhile, or Redis may have lost what is written here.
            guard await self.reviewAll() else { return }
            self.replid = self.shard.redis.replid
        }
        var news: [SessionID] = []
        var isWhole = true
        await self.shard.concurrently(Set(self.registry.partitions).union(self.partitions)) { partition in
            if let found = await self.news(in: partition) { news += found } else { isWhole = false }
        }
        if isWhole { self.lastLook = EventLoop.now }
        if self.strangers.count > 10_000 { self.strangers = self.strangers.filter { $0.value > now } }
        while !news.isEmpty, !self.archivist.isPaused {
            let batch = Array(news.prefix(Self.batch))
            news.removeFirst(batch.count)
            news += await self.follow(batch)
        }
    }

    /// The sessions of a partition with events that are not archived; nil when Redis did not answer.
    private func news(in partition: Int) async -> [SessionID]? {
        let now = EventLoop.now
        var found: [SessionID] = []
        var start = 0
        while true {
            let command: RedisCommand = [
                "ZRANGE", .string(self.shard.keyspace.behind(partition)), .integer(start),
                .integer(start + Self.page - 1),
            ]
            guard let page = (try? await self.shard.redis.send(command, kind: .read))?.array else { return nil }
            found += page.compactMap { $0.string.flatMap { self.shard.keyspace.sessionID($0) } }
                .filter { self.strangers[$0].map { $0 <= now } ?? true }
            if page.count < Self.page { return found }
            start += Self.page
        }
    }

    // MARK: One batch

    /// What was read of one session.
    private struct Reading {
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
            var results = try await self.archive.follow(readings.map(\.stretch))
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
                case .ended: break
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

    private func read(_ ids: [SessionID]) async -> [Reading] {
        var readings: [Reading] = []
        await self.shard.concurrently(ids) { id in
            if let reading = await self.read(id) { readings.append(reading) }
        }
        return readings
    }

    /// Reads what the archive does not have of a session; nil when it does not live or is another archivist's.
    private func read(_ id: SessionID, from first: Int? = nil) async -> Reading? {
        let keys = self.shard.keyspace.keys(of: id)
        let random = Hex.encode((0..<8).map { _ in UInt8.random(in: .min ... .max) })
        guard
            let answer = try? await self.shard.call(
                self.shard.scripts.follow, keys: [keys.session, keys.clock, keys.blob, keys.log, keys.behind],
                args: [
                    .string(id.text), .string(self.archive.id), .string(random), .string(self.registry.words),
                    .string(first.map { String($0) } ?? ""), .integer(StoreShard.stretch),
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
                    ]), answer.first?.int == 1
            else { return false }
            guard let left = answer.dropFirst().first?.int, left > 0 else { return true }
        }
    }

    // MARK: Others' sessions

    /// A session is another archivist's: what is here of it goes, unless it may be the only copy.
    private func leave(_ id: SessionID) async {
        self.strangers[id] = EventLoop.now + Self.patience
        if (try? await self.archive.open(id.text)) != nil { _ = await self.review([id.text]) }
    }

    /// Asks Redis about every session that is followed here.
    ///
    /// - Returns: whether all are settled.
    private func reviewAll() async -> Bool {
        var last: Int64 = 0
        while let page = try? await self.archive.open(after: last), let end = page.last {
            guard await self.review(page.map(\.id)) else { return false }
            last = end.handover
        }
        return true
    }

    private func review(_ ids: [String]) async -> Bool {
        var superfluous: [String] = []
        var unexplained: [String] = []
        var isWhole = true
        await self.shard.concurrently(ids) { text in
            guard let id = self.shard.keyspace.sessionID(text) else { return unexplained.append(text) }
            switch await self.fate(of: id) {
            case .followed: self.partitions.insert(id.partition)
            case .superfluous: superfluous.append(text)
            case .unexplained: unexplained.append(text)
            case nil: isWhole = false
            }
        }
        if !superfluous.isEmpty { _ = try? await self.archive.forget(superfluous) }
        if !unexplained.isEmpty { _ = try? await self.archive.quarantine(unexplained) }
        return isWhole
    }

    private enum Fate {
        case followed
        /// Another archivist has all of it.
        case superfluous
        /// What is here may be the only copy.
        case unexplained
    }

    /// What became of a session that was followed here; nil when Redis does not answer.
    private func fate(of id: SessionID) async -> Fate? {
        func taken(by archivist: String?, from first: Int) -> Fate {
            archivist == nil || archivist == self.archive.id || first > 1 ? .unexplained : .superfluous
        }
        do throws(StoreError) {
            if case .success(let stretch) = try await self.shard.keptStretch(id, from: .max) {
                guard let follower = stretch.follower, follower.archivist != self.archive.id else {
                    await self.dropLostTail(of: id, behind: stretch)
                    return .followed
                }
                return taken(by: follower.archivist, from: follower.first)
            }
            switch try await self.shard.read(id) {
            case .live, .due, .closed: return .followed
            case .nothing: return .unexplained
            case .tombstone(let tombstone) where tombstone.isPurged: return .superfluous
            case .tombstone(let tombstone): return taken(by: tombstone.archivist, from: tombstone.first)
            }
        } catch {
            return nil
        }
    }

    /// A failover may have lost events that are written here, and nothing need have been logged since.
    private func dropLostTail(of id: SessionID, behind stretch: LogStretch) async {
        guard stretch.state == .live, let open = try? await self.archive.open(id.text),
            open.head > stretch.history.head
        else { return }
        if let reading = await self.read(id, from: stretch.history.head + 1) {
            _ = try? await self.archive.follow([reading.stretch])
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
