import SojournArchive
package import SojournCore

extension StoreShard {
    /// An ended session as the archive of this node has it, or as it waits in Redis for an archivist; a live one
    /// as it is.
    ///
    /// - Returns: the session, and whether it comes from the archive.
    /// - Throws: `ARCHIVE_UNAVAILABLE` when another archivist has it.
    package func anySession(_ id: SessionID) async throws(StoreError) -> (session: Session, isArchived: Bool) {
        if let session = try await self.archivedSession(id) { return (session, true) }
        switch try await self.read(id) {
        case .live(let session), .due(let session), .closed(let session): return (session, false)
        case .nothing: throw .sessionNotFound(id.text)
        case .tombstone(let tombstone):
            // It may have been handed over while we looked.
            if let session = try await self.archivedSession(id) { return (session, true) }
            guard let archivist = tombstone.archivist else { throw .sessionNotFound(id.text) }
            throw StoreError(
                .archiveUnavailable, "The archive that holds session '\(id)' is not on this node",
                details: ["sessionId": .string(id.text), "archivist": .string(archivist)], retryAfter: 5)
        }
    }

    /// Pages the messages of a session, ended or not.
    package func anyMessages(
        of id: SessionID, limit: Int, before: PageBound?, after: PageBound?
    ) async throws(StoreError) -> MessagePage {
        let (session, isArchived) = try await self.anySession(id)
        let pager = MessagePager(limit: limit, before: before, after: after)
        let page =
            isArchived
            ? try await pager.page(of: ArchivedLog(shard: self, session: session))
            : try await pager.page(of: KeptLog(shard: self, id: id))
        return MessagePage(messages: page.messages, hasMore: page.hasMore, session: session)
    }

    /// Pages the log of a session, ended or not.
    package func anyEvents(
        of id: SessionID, after: Int?, before: Int?, limit: Int, types: Set<String>?
    ) async throws(StoreError) -> EventPage {
        let (session, isArchived) = try await self.anySession(id)
        let pager = EventPager(after: after, before: before, limit: limit, types: types)
        return isArchived
            ? try await pager.page(of: ArchivedLog(shard: self, session: session))
            : try await pager.page(of: KeptLog(shard: self, id: id))
    }

    /// The head of an ended session's log, as its tombstone has it; nil when there is none.
    package func endedHead(_ id: SessionID) async throws(StoreError) -> Int? {
        switch try await self.read(id) {
        case .live(let session), .due(let session), .closed(let session): session.head
        case .tombstone(let tombstone): tombstone.head
        case .nothing: nil
        }
    }

    private func archivedSession(_ id: SessionID) async throws(StoreError) -> Session? {
        guard let archive else { return nil }
        do {
            guard let found = try await archive.session(id.text) else { return nil }
            let header = found.header
            return SessionRecord.session(
                id: id, agent: header.agent, user: header.user, key: header.key, createdAt: header.createdAt,
                endedAt: header.endedAt, reason: EndReason(rawValue: header.reason.rawValue) ?? .ended,
                head: header.head, info: found.info)
        } catch {
            throw self.unavailable(error, of: id)
        }
    }

    func unavailable(_ error: ArchiveError, of id: SessionID) -> StoreError {
        self.log(
            .error, "the archive could not be read; the request fails",
            ["session.id": id.text, "archive.path": self.archive?.path ?? "", "error": "\(error)"])
        return StoreError(.archiveUnavailable, "The archive cannot be read", retryAfter: 5)
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

/// The log of a session in the archive of this node.
struct ArchivedLog: LogSource {
    let shard: StoreShard
    let session: Session

    func read(from: Int, to: Int, limit: Int, newestFirst: Bool) async throws(StoreError) -> LogPage {
        guard let archive = self.shard.archive else { throw .sessionNotFound(self.session.id.text) }
        do {
            let page = try await archive.events(
                self.session.id.text, after: from - 1, before: to == .max ? nil : to + 1,
                limit: min(limit, StoreShard.stretch), newestFirst: newestFirst)
            return LogPage(
                events: page.events.compactMap { Event(bytes: $0.body) }, oldest: 1, head: self.session.head,
                epoch: self.session.epoch)
        } catch {
            throw self.shard.unavailable(error, of: self.session.id)
        }
    }
}
