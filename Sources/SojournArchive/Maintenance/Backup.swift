import CSQLite
import Glibc

/// Copying an archive, page by page.
enum Backup {
    /// Pages in one step: 16 MiB, after which progress is told.
    private static let pages: CInt = 4_096

    /// Copies the database of `source`, as it is now, to a file that does not exist yet, and has it on disk before it
    /// gets its name.
    ///
    /// - Parameter progress: is told how many bytes of how many are copied.
    static func copy(
        _ source: Connection, to path: String, progress: (_ done: Int, _ total: Int) -> Void
    ) throws(ArchiveError) {
        let part = path + ".part"
        // What an earlier one left when it was killed.
        for suffix in ["", "-journal", "-wal", "-shm"] { unsafe unlink(part + suffix) }
        let target = try Connection(path: part)
        do throws(ArchiveError) {
            try self.copy(source, into: target, progress: progress)
        } catch {
            target.close()
            unsafe unlink(part)
            throw error
        }
        target.close()
        try self.publish(part, as: path)
    }

    private static func copy(
        _ source: Connection, into target: Connection, progress: (_ done: Int, _ total: Int) -> Void
    ) throws(ArchiveError) {
        // A reader's transaction keeps the state that it sees, so commits of the node do not begin the copy anew.
        try source.execute("BEGIN")
        defer { try? source.execute("COMMIT") }
        let size = Int(try source.integer("PRAGMA page_size") ?? 4_096)
        _ = try source.integer("SELECT count(*) FROM meta")
        guard let backup = unsafe sqlite3_backup_init(target.handle, "main", source.handle, "main") else {
            throw target.failure(unsafe sqlite3_errcode(target.handle), sql: nil)
        }
        var result = SQLITE_OK
        repeat {
            result = unsafe sqlite3_backup_step(backup, self.pages)
            let total = Int(unsafe sqlite3_backup_pagecount(backup))
            progress((total - Int(unsafe sqlite3_backup_remaining(backup))) * size, total * size)
            // The database is locked for a moment, by a checkpoint perhaps.
            if result == SQLITE_BUSY || result == SQLITE_LOCKED { usleep(10_000) }
        } while result == SQLITE_OK || result == SQLITE_BUSY || result == SQLITE_LOCKED
        let end = unsafe sqlite3_backup_finish(backup)
        guard result == SQLITE_DONE, end == SQLITE_OK else {
            throw target.failure(result == SQLITE_DONE ? end : result, sql: nil)
        }
    }

    /// Gives the finished file its name; there is never half a copy under it.
    private static func publish(_ part: String, as path: String) throws(ArchiveError) {
        let descriptor = unsafe open(part, O_RDONLY | O_CLOEXEC)
        let isSafe = descriptor >= 0 && fsync(descriptor) == 0
        if descriptor >= 0 { close(descriptor) }
        guard isSafe, unsafe rename(part, path) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            unsafe unlink(part)
            throw ArchiveError(.io, "The copy \(path) could not be written: \(reason)", path: path)
        }
    }
}
