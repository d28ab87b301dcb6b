import CSQLite
import CSojournSearch
import Glibc

/// One open SQLite database, confined to the thread that opened it.
///
/// Every entry checks the thread. Statements are prepared once per text and kept until ``close()``.
@safe final class Connection {
    let path: String
    /// Transactions committed through ``transaction(_:)``.
    private(set) var transactions = 0
    private let opened: OpaquePointer
    private var statements: [String: Statement] = [:]
    private var isOpen = true
    private let thread = UInt(pthread_self())

    /// Opens or creates the database, or opens one that exists for reading.
    init(path: String, readOnly: Bool = false) throws(ArchiveError) {
        self.path = path
        var handle: OpaquePointer?
        // Confined to one thread, so SQLite need not lock.
        let mode = readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        let flags = mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        var result = unsafe sqlite3_open_v2(path, &handle, flags, nil)
        // Deleting a message needs the tokenizer as much as finding one.
        if result == SQLITE_OK { result = unsafe sojourn_search_register(handle) }
        guard result == SQLITE_OK, let handle = unsafe handle else {
            let detail = unsafe handle.map { unsafe String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            // SQLite gives a handle also when it fails, and we own it.
            unsafe sqlite3_close_v2(handle)
            throw .sqlite(result, detail: detail, path: path)
        }
        unsafe self.opened = handle
    }

    deinit { precondition(!self.isOpen, "the connection to \(self.path) was released before it was closed") }

    /// SQLite's own handle.
    var handle: OpaquePointer {
        self.checkThread()
        precondition(self.isOpen, "the connection to \(self.path) was used after it was closed")
        return unsafe self.opened
    }

    // Never inlined: `pthread_self` is a const function to the optimizer, which may reuse an older answer.
    @inline(never) func checkThread() {
        precondition(
            self.thread == UInt(pthread_self()), "the connection to \(self.path) was used outside the archive's thread")
    }

    /// Finalizes the statements and closes the database.
    func close() {
        self.checkThread()
        guard self.isOpen else { return }
        self.statements.removeAll()
        self.isOpen = false
        let result = unsafe sqlite3_close(self.opened)
        precondition(result == SQLITE_OK, "the connection to \(self.path) was closed while a statement was alive")
    }

    /// What SQLite says about the call that just failed.
    func failure(_ result: Int32, sql: String?, file: String = #fileID, line: UInt = #line) -> ArchiveError {
        let detail = unsafe String(cString: sqlite3_errmsg(self.handle))
        return .sqlite(result, detail: detail, path: self.path, sql: sql, file: file, line: line)
    }

    // MARK: Statements

    /// The prepared statement for `sql`.
    func statement(_ sql: String) throws(ArchiveError) -> Statement {
        if let known = self.statements[sql] { return known }
        let statement = try Statement(sql, on: self)
        self.statements[sql] = statement
        return statement
    }

    /// Runs one statement that answers nothing of interest.
    func run<each Value: Bindable>(_ sql: String, _ values: repeat each Value) throws(ArchiveError) {
        try self.statement(sql).run(repeat each values)
    }

    /// The first column of the first row as an integer; nil without a row.
    func integer<each Value: Bindable>(_ sql: String, _ values: repeat each Value) throws(ArchiveError) -> Int64? {
        try self.statement(sql).first(repeat each values) { $0.integer(0) }
    }

    /// Runs several statements, none of which is kept.
    func execute(_ script: String) throws(ArchiveError) {
        let result = unsafe sqlite3_exec(self.handle, script, nil, nil, nil)
        guard result == SQLITE_OK else { throw self.failure(result, sql: script) }
    }

    /// The rows changed by the statement that ran last.
    var changes: Int { Int(unsafe sqlite3_changes64(self.handle)) }

    /// The id of the row inserted last.
    var lastInserted: Int64 { unsafe sqlite3_last_insert_rowid(self.handle) }

    // MARK: Transactions

    /// Runs `body` in one transaction, which is on disk when this returns. Whatever is thrown, by `body` or by
    /// the commit, nothing of it stays.
    ///
    /// - Parameter counts: whether it is counted in ``transactions``.
    func transaction<Result>(counts: Bool = true, _ body: () throws(ArchiveError) -> Result) throws(ArchiveError)
        -> Result
    {
        if self.inTransaction { try self.run("ROLLBACK") }
        try self.run("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try self.run("COMMIT")
            if counts { self.transactions += 1 }
            return result
        } catch {
            // SQLite itself has rolled back already after some errors (full, I/O, no memory).
            // Should our rollback fail too, the next transaction begins with another one.
            if self.inTransaction { try? self.run("ROLLBACK") }
            throw error
        }
    }

    private var inTransaction: Bool { unsafe sqlite3_get_autocommit(self.handle) == 0 }
}
