import SojournArchive
import SojournCore

/// A live log has two parts: the window that Redis keeps, and what was trimmed from it and is in an archive. Here they
/// are read as one.
extension StoreShard {
    /// Reads events `from...to` of a session's log, wherever they are.
    ///
    /// - Parameter isWhole: whether to fail when the archivist with the beginning is away; else the log begins with the
    ///   window then, as its ``LogStretch/oldest`` says.
    /// - Returns: at most ``stretch`` events, fewer when they are large; one at least when there is one.
    /// - Throws: `ARCHIVE_UNAVAILABLE` naming the archivist.
    func stretch(
        _ id: SessionID, from: Int, to: Int = .max, limit: Int = stretch, newestFirst: Bool = false,
        deltasAfter: Int? = nil, isWhole: Bool = true
    ) async throws(StoreError) -> Result<LogStretch, StoreError> {
        let kept = try await self.keptStretch(
            id, from: from, to: to, limit: limit, newestFirst: newestFirst, deltasAfter: deltasAfter)
        guard case .success(let window) = kept, let follower = window.follower, follower.first < window.oldest else {
            return kept
        }
        let low = max(from, follower.first)
        let high = min(to, window.oldest - 1)
        guard low <= high else { return .success(window.beginning(at: follower.first)) }
        let limit = max(1, min(limit, Self.stretch))
        if newestFirst {
            // The window comes first, and what it has may be enough: whoever wants all reads on.
            let inWindow = max(0, min(to, window.history.head) - window.oldest + 1)
            guard inWindow == 0 || (!isWhole && window.events.count == inWindow && inWindow < limit) else {
                return .success(window.beginning(at: follower.first))
            }
        }
        let room = newestFirst ? limit - window.events.count : limit
        do throws(StoreError) {
            let archived = try await self.archived(
                id, by: follower.archivist, from: low, to: high, limit: room, newestFirst: newestFirst)
            return .success(
                window.beginning(
                    at: follower.first, with: archived, newestFirst: newestFirst,
                    isComplete: archived.count == high - low + 1, limit: limit))
        } catch {
            if isWhole { throw error }
            return kept
        }
    }

    /// Reads what an archivist has of a log that Redis still knows; the first event in the order of reading is there.
    private func archived(
        _ id: SessionID, by archivist: String, from: Int, to: Int, limit: Int, newestFirst: Bool
    ) async throws(StoreError) -> [Event] {
        let stretch = ArchivedStretch(id: id.text, from: from, to: to, limit: limit, newestFirst: newestFirst)
        let events: [Event]
        if let archive, archive.id == archivist {
            events = try await stretch.read(in: archive)
        } else {
            let answer = try await self.archives.ask(archivist, ArchivedStretch.kind, stretch.question)
            events = (answer.array ?? []).compactMap { $0.string.flatMap { Event(bytes: Array($0.utf8)) } }
        }
        let first = newestFirst ? to : from
        for (offset, event) in events.enumerated() where event.seq != (newestFirst ? first - offset : first + offset) {
            throw self.hole(in: id, at: newestFirst ? first - offset : first + offset, archivist)
        }
        guard !events.isEmpty else { throw self.hole(in: id, at: first, archivist) }
        return events
    }

    private func hole(in id: SessionID, at seq: Int, _ archivist: String) -> StoreError {
        self.log(
            .error, "an archive does not have an event of a live session that it should have; the request fails",
            ["session.id": id.text, "seq": String(seq), "archive.id": archivist])
        return StoreError(
            .archiveUnavailable, "The archivist '\(archivist)' does not have event \(seq) of session '\(id)'",
            details: ["archivist": .string(archivist)], retryAfter: 5)
    }
}

extension ArchiveDesk {
    /// Has stretches of logs read that Redis still knows, for nodes that have not this archive.
    func hireStretches() {
        self.hire(ArchivedStretch.kind) { [archive] question throws(StoreError) in
            guard let stretch = ArchivedStretch(question) else { throw .unexpected }
            return .array(
                try await stretch.read(in: archive).map { .string(String(decoding: $0.bytes, as: UTF8.self)) })
        }
    }
}

/// A question to an archivist for a stretch of a log that Redis still knows.
private struct ArchivedStretch {
    static let kind = "stretch"

    let id: String
    let from: Int
    let to: Int
    let limit: Int
    let newestFirst: Bool

    init(id: String, from: Int, to: Int, limit: Int, newestFirst: Bool) {
        (self.id, self.from, self.to, self.limit, self.newestFirst) = (id, from, to, limit, newestFirst)
    }

    init?(_ question: JSON) {
        guard let id = question["id"]?.string, let from = question["from"]?.int, let to = question["to"]?.int,
            let limit = question["limit"]?.int, let newestFirst = question["newestFirst"]?.bool
        else { return nil }
        self.init(id: id, from: from, to: to, limit: limit, newestFirst: newestFirst)
    }

    var question: JSON {
        [
            "id": .string(self.id), "from": JSON(self.from), "to": JSON(self.to), "limit": JSON(self.limit),
            "newestFirst": .bool(self.newestFirst),
        ]
    }

    func read(in archive: Archive) async throws(StoreError) -> [Event] {
        try await ArchiveDesk.reading(archive) { archive throws(ArchiveError) in
            try await archive.kept(
                self.id, from: self.from, to: self.to, limit: self.limit, newestFirst: self.newestFirst)
        }.compactMap { Event(bytes: $0.body) }
    }
}

extension LogStretch {
    /// This stretch of the window as one of the whole log.
    fileprivate func beginning(
        at oldest: Int, with archived: [Event] = [], newestFirst: Bool = false, isComplete: Bool = true,
        limit: Int = .max
    ) -> LogStretch {
        var events = self.events
        var deltas = self.deltas
        if newestFirst {
            events += archived
        } else if isComplete {
            let rest = events.prefix(limit - archived.count)
            if rest.count < events.count { deltas = [] }
            events = archived + rest
        } else {
            (events, deltas) = (archived, [])
        }
        return LogStretch(
            state: self.state, history: self.history, oldest: oldest, epoch: self.epoch, events: events,
            lastDelta: self.lastDelta, deltas: deltas, asOf: self.asOf, follower: self.follower)
    }
}
