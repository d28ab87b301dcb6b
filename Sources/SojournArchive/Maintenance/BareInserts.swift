import Glibc

/// What an archive's speed is compared with: SQLite writing the same rows by itself, as many to a transaction, with no
/// second step and no index but the key.
package final class BareInserts: Sendable {
    private let thread: ArchiveThread

    /// Makes a database for it at `path`.
    package init(path: String) async throws(ArchiveError) {
        let bare = Migration(
            major: 1, minor: 0,
            script: """
                CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                CREATE TABLE sessions (
                    handover INTEGER PRIMARY KEY, id TEXT, agent TEXT, user TEXT, key TEXT, created_at INTEGER,
                    ended_at INTEGER, reason TEXT, head INTEGER, info BLOB
                );
                CREATE TABLE events (
                    handover INTEGER, seq INTEGER, epoch TEXT, at INTEGER, type TEXT, body BLOB, PRIMARY KEY (handover, seq)
                );
                """)
        (self.thread, _) = try await ArchiveThread.start(
            path: path, mode: .archivist([bare], chores: Chores { _ in }))
    }

    /// Inserts a batch in one transaction.
    package func insert(_ batch: [Transcript]) async throws(ArchiveError) {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<Void, ArchiveError>, Never>) in
            self.thread.enqueue(
                .write(
                    run: { connection throws(ArchiveError) in
                        for transcript in batch { try connection.insertBare(transcript) }
                        return { continuation.resume(returning: .success(())) }
                    }, fail: { continuation.resume(returning: .failure($0)) }))
        }.get()
    }

    /// How much CPU its thread has used, in seconds.
    package func threadSeconds() async -> Double {
        await withCheckedContinuation { continuation in
            self.thread.enqueue(
                .read(
                    run: { _ in continuation.resume(returning: ThreadTime.seconds) },
                    fail: { _ in continuation.resume(returning: 0) }))
        }
    }

    /// Closes the database.
    package func close() async { await self.thread.stop() }
}

extension Archive {
    /// How much CPU the archive's thread has used, in seconds.
    package func threadSeconds() async throws(ArchiveError) -> Double {
        try await self.read { _ throws(ArchiveError) in ThreadTime.seconds }
    }
}

/// The CPU that this thread has used.
private enum ThreadTime {
    static var seconds: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

extension Connection {
    fileprivate func insertBare(_ transcript: Transcript) throws(ArchiveError) {
        let header = transcript.header
        try self.run(
            """
            INSERT INTO sessions (id, agent, user, key, created_at, ended_at, reason, head, info)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, header.id, header.agent, header.user, header.key, header.createdAt, header.endedAt,
            header.reason.rawValue, header.head, transcript.info)
        try self.insert(transcript.events[...], into: self.lastInserted)
    }
}
