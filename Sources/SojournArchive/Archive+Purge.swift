import SojournCore

/// Erasing: rows, search index, free pages and write-ahead log, until nothing is left in the files.
extension Archive {
    /// Sessions that one transaction erases.
    static let erasedAtOnce = 100

    /// The number of the last purge that was carried out; 0 before the first.
    public func purgePosition() async throws(ArchiveError) -> Int64 {
        try await self.read { connection throws(ArchiveError) in
            try connection.integer("SELECT value FROM meta WHERE name = 'purged'") ?? 0
        }
    }

    /// Erases what a purge names, in small transactions between which others have their turn. Repeating it, after a
    /// crash or because somebody asks again, does no harm.
    ///
    /// From its beginning on ``prepare(_:)`` refuses what the purge names, so that nothing comes back.
    /// - Parameter progress: is told after each transaction.
    /// - Throws: `.busy` when a reader from outside keeps the write-ahead log; try again.
    public func carryOut(
        _ purge: Purge, progress: (PurgeRecord) async -> Void = { _ in }
    ) async throws(ArchiveError) -> PurgeRecord {
        var record: PurgeRecord
        var isErased: Bool
        repeat {
            (record, isErased) = try await self.write { connection throws(ArchiveError) in
                try connection.erase(purge, limit: Self.erasedAtOnce)
            }
            if !isErased { await progress(record) }
        } while !isErased
        // The index only notes that a message is gone; its words go when the index is written anew.
        var isFirst = true
        while try await self.rewriteIndex(isFirst: isFirst) { isFirst = false }
        try await self.read { connection throws(ArchiveError) in try connection.forgetErased() }
        record = try await self.write { connection throws(ArchiveError) in try connection.finish(purge) }
        await progress(record)
        self.log(
            .notice, "a purge was carried out",
            [
                "archive.path": self.path, "purge.number": String(purge.number), "purge.kind": purge.kind.rawValue,
                "sessions": String(record.sessions), "events": String(record.events),
            ])
        return record
    }

    private func rewriteIndex(isFirst: Bool) async throws(ArchiveError) -> Bool {
        try await self.read { connection throws(ArchiveError) in try connection.rewriteIndex(isFirst: isFirst) }
    }

    /// What was purged from this archive, oldest first.
    public func purges() async throws(ArchiveError) -> [PurgeRecord] {
        try await self.read { connection throws(ArchiveError) in
            try connection.statement("SELECT \(PurgeRecord.columns) FROM purges ORDER BY number")
                .all(read: PurgeRecord.init)
        }
    }

    /// Writes and deletes a few pages: whether the archive takes anything now.
    public func probe() async throws(ArchiveError) {
        try await self.write { connection throws(ArchiveError) in
            try connection.run("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', zeroblob(65536))")
        }
        try await self.write { connection throws(ArchiveError) in
            try connection.run("DELETE FROM meta WHERE name = 'probe'")
        }
    }
}
