public import SojournCore
import SojournLoop

/// The SQLite file in which the transcripts of ended sessions are kept for ever.
///
/// A session comes in two steps. ``prepare(_:)`` puts it on disk; ``settle(_:)`` says, after Redis has
/// accepted or refused the acknowledgement, whether this file has the only copy. Readers see committed
/// hand-overs and nothing else, so each event of each ended session is served exactly once, whatever crashes
/// between the steps.
///
///     prepare ──> prepared ──committed──> committed (served) ──> replaced by a later committed one
///                    │ │                      ^
///                    │ └──quarantine──> quarantined (kept, counted, never served)
///                    └──discarded──> gone
///
/// A committed one is opened again when Redis, put back to an earlier state, has its session again; see ``reopen(_:)``.
///
/// A session that is handed over again stays served as it was until the new hand-over commits. Then, in one
/// transaction, the new one takes its place; what the old one had from the first event that differs moves
/// to the lost events.
///
/// All SQLite work runs on one thread of the archive's own; calls wait for it without blocking theirs. A call
/// that throws has changed nothing. A file has one archivist: a second open is refused at once.
public final class Archive: Sendable {
    /// The archivist's id: 16 hexadecimal digits, made with the file and kept in it.
    public let id: String
    /// The file.
    public let path: String
    let log: Log
    private let thread: ArchiveThread
    private let isReader: Bool
    /// A second connection, so that a search does not wait for hand-overs, nor they for it; opened by the first one.
    private let searcher = Locked<ArchiveThread?>(nil)

    /// Opens the archive at `path`, or creates it in a folder that exists; brings an older file up to date.
    ///
    /// - Throws: `.locked` when another archivist has the file, `.notADatabase`, `.foreign`, `.newerSchema`
    ///   and `.corrupt` when it is not a file for this program, `.readOnly`, `.cannotOpen`, `.full` and `.io`
    ///   when the system refuses.
    public static func open(path: String, log: Log) async throws(ArchiveError) -> Archive {
        try await Archive(path: path, log: log, migrations: Schema.migrations)
    }

    /// Opens the archive at `path` for reading, also beside the node that has it; what would write throws `.readOnly`.
    ///
    /// - Throws: `.cannotOpen` when there is none, `.notADatabase`, `.foreign`, `.newerSchema` and `.corrupt` when it is
    ///   not a file for this program, `.other` when it is so old that a node must open it first, `.io`.
    public static func open(reading path: String) async throws(ArchiveError) -> Archive {
        try await Archive(reading: path)
    }

    init(path: String, log: Log, migrations: [Migration]) async throws(ArchiveError) {
        self.path = path
        self.log = log
        self.isReader = false
        let chores = Chores { error in
            log(
                .error, "the archive's index cannot be written; search does not find new messages until it can",
                ["archive.path": path, "error": "\(error)"])
        }
        (self.thread, self.id) = try await ArchiveThread.start(path: path, mode: .archivist(migrations, chores: chores))
        log(.info, "the archive is open", ["archive.path": path, "archive.id": self.id])
    }

    private init(reading path: String) async throws(ArchiveError) {
        self.path = path
        self.log = .silent
        self.isReader = true
        (self.thread, self.id) = try await ArchiveThread.start(path: path, mode: .reader(schema: Schema.version))
    }

    deinit {
        self.thread.abandon()
        self.searcher.withLock { $0 }?.abandon()
    }

    /// Finishes what was asked before, closes the file and releases it. Later calls throw `.closed`; closing
    /// again does nothing.
    public func close() async {
        await self.searcher.withLock { $0 }?.stop()
        await self.thread.stop()
    }

    /// Calls the archive's thread has not begun with.
    var waiting: Int { self.thread.waiting }

    /// Runs `body` on the archive's thread, outside a transaction.
    func read<Answer: Sendable>(
        _ body: @escaping @Sendable (Connection) throws(ArchiveError) -> Answer
    ) async throws(ArchiveError) -> Answer {
        try await Self.read(on: self.thread, body)
    }

    /// Runs `body` on the thread of the second connection, which sees what is committed.
    func search<Answer: Sendable>(
        _ body: @escaping @Sendable (Connection) throws(ArchiveError) -> Answer
    ) async throws(ArchiveError) -> Answer {
        try await Self.read(on: try await self.searchThread(), body)
    }

    private func searchThread() async throws(ArchiveError) -> ArchiveThread {
        if self.isReader { return self.thread }
        if let thread = self.searcher.withLock({ $0 }) { return thread }
        let (thread, _) = try await ArchiveThread.start(path: self.path, mode: .reader(schema: Schema.version))
        let first = self.searcher.withLock { searcher -> ArchiveThread in
            let first = searcher ?? thread
            searcher = first
            return first
        }
        if first !== thread { await thread.stop() }
        return first
    }

    private static func read<Answer: Sendable>(
        on thread: ArchiveThread, _ body: @escaping @Sendable (Connection) throws(ArchiveError) -> Answer
    ) async throws(ArchiveError) -> Answer {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<Answer, ArchiveError>, Never>) in
            thread.enqueue(
                .read(
                    run: { connection in
                        do throws(ArchiveError) {
                            continuation.resume(returning: .success(try body(connection)))
                        } catch {
                            continuation.resume(returning: .failure(error))
                        }
                    },
                    fail: { continuation.resume(returning: .failure($0)) }))
        }.get()
    }

    /// Runs `body` on the archive's thread in a transaction, which others that wait may share. When that
    /// one fails `body` runs again, so it must do nothing but SQL.
    func write<Answer: Sendable>(
        _ body: @escaping @Sendable (Connection) throws(ArchiveError) -> Answer
    ) async throws(ArchiveError) -> Answer {
        guard !self.isReader else {
            throw ArchiveError(.readOnly, "The archive \(self.path) was opened for reading only", path: self.path)
        }
        return try await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Answer, ArchiveError>, Never>) in
            self.thread.enqueue(
                .write(
                    run: { connection throws(ArchiveError) in
                        let answer = try body(connection)
                        return { continuation.resume(returning: .success(answer)) }
                    },
                    fail: { continuation.resume(returning: .failure($0)) }))
        }.get()
    }
}
