import SojournCore

/// Sessions that live, written behind.
extension Archive {
    /// Puts stretches of live sessions on disk, in one transaction. They are not served as archived sessions; when a
    /// session ends, its hand-over brings only the rest. Repeating a stretch is harmless.
    ///
    /// What the archive has of a session beyond the head of its log, or from the first event that differs, was written
    /// on a branch that a failover lost: it moves to the lost events.
    ///
    /// - Returns: one result for each stretch, in their order.
    public func follow(_ batch: [LiveStretch]) async throws(ArchiveError) -> [FollowResult] {
        let (results, lost) = try await self.write { connection throws(ArchiveError) in
            let now = Self.now()
            var lost = 0
            var results: [FollowResult] = []
            for stretch in batch { results.append(try connection.follow(stretch, now: now, lost: &lost)) }
            return (results, lost)
        }
        self.report(lost: lost)
        return results
    }

    /// Deletes the open hand-overs of sessions that another archivist follows from their first event on. Those that were
    /// opened again by ``reopen(_:)`` may have events that nobody else has: they go into quarantine.
    ///
    /// - Returns: how many there were.
    @discardableResult
    public func forget(_ ids: [String]) async throws(ArchiveError) -> Int {
        let (count, aside) = try await self.write { connection throws(ArchiveError) in
            var aside: [String] = []
            return (try connection.forget(ids, aside: &aside), aside)
        }
        for id in aside {
            self.log(
                .warning, "another archivist has a session that was served here; what was here is put in quarantine",
                ["session.id": id, "archive.path": self.path])
        }
        return count
    }

    /// The open hand-overs with a greater number, in their order; at most ``maximumPage``.
    public func open(after handover: Int64) async throws(ArchiveError) -> [OpenSession] {
        try await self.read { connection throws(ArchiveError) in
            try connection.open(after: handover, limit: Self.maximumPage)
        }
    }

    /// The open hand-over of a session, if there is one.
    public func open(_ id: String) async throws(ArchiveError) -> OpenSession? {
        try await self.read { connection throws(ArchiveError) in try connection.open(id) }
    }

    /// Events within `from...to` of a session that Redis still knows, live or waiting for its hand-over to end:
    /// the part of its log that is here only.
    ///
    /// - Returns: at most `limit` events and 1 MiB, but one at least if there is one.
    public func kept(
        _ id: String, from: Int, to: Int, limit: Int, newestFirst: Bool
    ) async throws(ArchiveError) -> [TranscriptEvent] {
        try await self.read { connection throws(ArchiveError) in
            try connection.kept(id, from: from, to: to, limit: limit, newestFirst: newestFirst)
        }
    }
}
