import CSQLite
import Glibc

/// Taking care of the file.
extension Archive {
    /// Copies the archive as it is now to `path`, also while a node works with it.
    ///
    /// - Parameter progress: is told how many bytes of how many are copied.
    /// - Throws: `.cannotOpen` when there is a file already.
    public func backup(
        to path: String, progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void
    ) async throws(ArchiveError) {
        guard unsafe access(path, F_OK) != 0 else {
            throw ArchiveError(.cannotOpen, "There is a file \(path) already; give the backup another name", path: path)
        }
        try await self.search { connection throws(ArchiveError) in
            try Backup.copy(connection, to: path, progress: progress)
        }
    }

    /// Puts a backup in the place of the archive at `path`. What was there is kept beside it, as `<path>.before-restore`.
    ///
    /// - Throws: `.locked` while a node has the archive; what `open(reading:)` throws when the backup is none.
    public static func restore(
        _ backup: String, to path: String, progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void
    ) async throws(ArchiveError) {
        let source = try await Archive.open(reading: backup)
        do throws(ArchiveError) {
            try await source.replace(path, progress)
        } catch {
            await source.close()
            throw error
        }
        await source.close()
    }

    private func replace(
        _ path: String, _ progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void
    ) async throws(ArchiveError) {
        try await self.read { connection throws(ArchiveError) in
            let lock = try FileLock(guarding: path)
            defer { lock.hold() }
            let fresh = path + ".restored"
            try Backup.copy(connection, to: fresh, progress: progress)
            // The old file with its log first: a log without its database, or with another one, would be an injury.
            for suffix in ["", "-wal", "-shm"] {
                unsafe unlink(path + ".before-restore" + suffix)
                guard unsafe rename(path + suffix, path + ".before-restore" + suffix) == 0 || errno == ENOENT else {
                    let reason = unsafe String(cString: strerror(errno))
                    throw ArchiveError(.io, "The archive \(path) cannot be moved away: \(reason)", path: path)
                }
            }
            guard unsafe rename(fresh, path) == 0 else {
                let reason = unsafe String(cString: strerror(errno))
                throw ArchiveError(.io, "The archive \(path) cannot be put in place: \(reason)", path: path)
            }
        }
    }

    /// Writes the whole file anew, as small as it can be: without what was deleted, with a search index in one piece.
    /// Needs as much free space as the file has.
    public func compact() async throws(ArchiveError) {
        try await self.read { connection throws(ArchiveError) in
            while try connection.doChore(5_000) {}
            var isFirst = true
            while try connection.rewriteIndex(isFirst: isFirst) { isFirst = false }
            try connection.execute("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")
            // VACUUM may number the rows of the events anew.
            try connection.transaction { () throws(ArchiveError) in
                try connection.run("UPDATE indexing SET upto = (SELECT coalesce(max(rowid), 0) FROM events)")
            }
            try connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        }
    }
}
