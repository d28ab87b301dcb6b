import SojournArchive
package import SojournCore

extension StoreShard {
    /// A session wherever it is: live, waiting in Redis for an archivist, in this node's archive, or in another one.
    ///
    /// Its tombstone names the archivist; after that has lapsed all archivists are asked.
    /// - Throws: `SESSION_NOT_FOUND`; `ARCHIVE_UNAVAILABLE`, naming who is away, when nobody else can know.
    package func anySession(_ id: SessionID) async throws(StoreError) -> Session { try await self.find(id).session }

    /// Pages the messages of a session, ended or not.
    package func anyMessages(
        of id: SessionID, limit: Int, before: PageBound?, after: PageBound?
    ) async throws(StoreError) -> MessagePage {
        let (session, log) = try await self.find(id)
        return try await MessagePager(limit: limit, before: before, after: after).page(of: session, in: log)
    }

    /// Pages the log of a session, ended or not.
    package func anyEvents(
        of id: SessionID, after: Int?, before: Int?, limit: Int, types: Set<String>?
    ) async throws(StoreError) -> EventPage {
        try await EventPager(after: after, before: before, limit: limit, types: types).page(of: self.find(id).log)
    }

    /// The head of an ended session's log, as its tombstone has it; nil when there is none.
    package func endedHead(_ id: SessionID) async throws(StoreError) -> Int? {
        switch try await self.read(id) {
        case .live(let session), .due(let session), .closed(let session): session.head
        case .tombstone(let tombstone): tombstone.head
        case .nothing: nil
        }
    }

    /// The branches of a session's log, ended or not: as Redis knows them, or else as its archived events tell.
    package func branches(of id: SessionID) async throws(StoreError) -> EpochHistory {
        switch try await self.read(id) {
        case .tombstone(let tombstone) where !tombstone.cuts.isEmpty:
            return EpochHistory(cuts: Self.cuts(tombstone.cuts), head: tombstone.head)
        case .live, .due, .closed:
            if case .success(let stretch) = try await self.keptStretch(id, from: .max) { return stretch.history }
        default: break
        }
        let log = try await self.find(id).log
        var cuts: [EpochHistory.Cut] = []
        var (from, head) = (1, 1)
        while from <= head {
            let page = try await log.read(from: from, to: .max, limit: Self.stretch, newestFirst: false)
            for event in page.events where event.epoch != cuts.last?.epoch {
                cuts.append(EpochHistory.Cut(epoch: event.epoch, firstSeq: event.seq ?? from))
            }
            guard let last = page.events.last?.seq else { break }
            (from, head) = (last + 1, page.head)
        }
        return EpochHistory(cuts: cuts, head: head)
    }

    // MARK: Finding it

    private func find(_ id: SessionID) async throws(StoreError) -> (session: Session, log: any LogSource) {
        // Should the own archive be in trouble, Redis may still have it; else the same question comes again below.
        if let own = self.desk, let found = try? await self.archived(id, by: own.archive.id) { return found }
        switch try await self.read(id) {
        case .live(let session), .due(let session), .closed(let session):
            return (session, KeptLog(shard: self, id: id))
        case .tombstone(let tombstone):
            if tombstone.isPurged { throw .sessionNotFound(id.text) }
            guard let archivist = tombstone.archivist else {
                return try await self.search(id, lost: tombstone.lost)
            }
            do throws(StoreError) {
                if let found = try await self.archived(id, by: archivist) { return found }
            } catch {
                guard error.code == .archiveUnavailable else { throw error }
                throw Self.unreachable(id, archivist: archivist)
            }
            // Redis says that it is there; if it is not, it may have been moved to another archive.
            return try await self.search(id)
        case .nothing: return try await self.search(id)
        }
    }

    /// Asks everybody.
    ///
    /// - Parameter lost: the archivist with which it was lost, unless that is there again.
    private func search(
        _ id: SessionID, lost: String? = nil
    ) async throws(StoreError) -> (session: Session, log: any LogSource) {
        guard self.archiving else { throw .sessionNotFound(id.text) }
        var away = Set(try await self.knownArchives())
        for (archivist, answer) in try await self.archives.askAll("session", ["id": .string(id.text)]) {
            guard case .success(let body) = answer else {
                away.insert(archivist)
                continue
            }
            away.remove(archivist)
            if let session = ArchivedRecord.session(body, id: id) {
                return (session, ArchivedLog(shard: self, archivist: archivist, session: session))
            }
        }
        if let lost {
            throw StoreError(
                .sessionNotFound, "The transcript of session '\(id)' was lost with the archivist '\(lost)'",
                details: ["sessionId": .string(id.text), "lostWith": .string(lost)])
        }
        guard let silent = away.min() else { throw .sessionNotFound(id.text) }
        throw Self.unreachable(id, archivist: silent)
    }

    private func archived(
        _ id: SessionID, by archivist: String
    ) async throws(StoreError) -> (session: Session, log: any LogSource)? {
        let body = try await self.archives.ask(archivist, "session", ["id": .string(id.text)])
        guard let session = ArchivedRecord.session(body, id: id) else { return nil }
        return (session, ArchivedLog(shard: self, archivist: archivist, session: session))
    }

    private static func unreachable(_ id: SessionID, archivist: String) -> StoreError {
        StoreError(
            .archiveUnavailable, "The archivist '\(archivist)', which may hold session '\(id)', is away",
            details: ["sessionId": .string(id.text), "archivist": .string(archivist)], retryAfter: 5)
    }
}

/// The log of a session as Redis keeps it, live or waiting for an archivist.
struct KeptLog: LogSource {
    let shard: StoreShard
    let id: SessionID

    func read(from: Int, to: Int, limit: Int, newestFirst: Bool) async throws(StoreError) -> LogPage {
        let stretch = try await self.shard.stretch(
            self.id, from: from, to: to, limit: limit, newestFirst: newestFirst
        ).get()
        return LogPage(
            events: stretch.events, oldest: stretch.oldest, head: stretch.history.head, epoch: stretch.epoch)
    }
}

/// The log of a session in an archive, of this node or another.
struct ArchivedLog: LogSource {
    let shard: StoreShard
    let archivist: String
    let session: Session

    func read(from: Int, to: Int, limit: Int, newestFirst: Bool) async throws(StoreError) -> LogPage {
        let answer = try await self.shard.archives.ask(
            self.archivist, "events",
            [
                "id": .string(self.session.id.text), "from": JSON(from), "to": JSON(to),
                "limit": JSON(limit), "newestFirst": .bool(newestFirst),
            ])
        let events = (answer.array ?? []).compactMap { $0.string.flatMap { Event(bytes: Array($0.utf8)) } }
        return LogPage(events: events, oldest: 1, head: self.session.head, epoch: self.session.epoch)
    }
}
