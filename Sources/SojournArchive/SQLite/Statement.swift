import CSQLite

/// One prepared statement. It belongs to its connection's thread and is finalized when it is released.
@safe final class Statement {
    private let handle: OpaquePointer
    private unowned let connection: Connection
    let sql: String

    init(_ sql: String, on connection: Connection) throws(ArchiveError) {
        connection.checkThread()
        var handle: OpaquePointer?
        let result = unsafe sqlite3_prepare_v3(
            connection.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &handle, nil)
        guard result == SQLITE_OK, let handle = unsafe handle else { throw connection.failure(result, sql: sql) }
        unsafe self.handle = handle
        self.connection = connection
        self.sql = sql
    }

    deinit { unsafe sqlite3_finalize(self.handle) }

    // MARK: Running

    /// Binds `values` to the `?`s in order.
    func bind<each Value: Bindable>(_ values: repeat each Value) throws(ArchiveError) {
        var index: Int32 = 0
        for value in repeat each values {
            index += 1
            let result = unsafe value.bind(to: self.handle, at: index)
            guard result == SQLITE_OK else { throw self.connection.failure(result, sql: self.sql) }
        }
    }

    /// Binds `value` to one `?`, counted from 1.
    func bind(_ value: some Bindable, at index: Int) throws(ArchiveError) {
        let result = unsafe value.bind(to: self.handle, at: Int32(index))
        guard result == SQLITE_OK else { throw self.connection.failure(result, sql: self.sql) }
    }

    /// Moves to the next row; false at the end.
    func step() throws(ArchiveError) -> Bool {
        self.connection.checkThread()
        switch unsafe sqlite3_step(self.handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let result: throw self.connection.failure(result, sql: self.sql)
        }
    }

    /// Ends a run and lets go of its values and locks; any error was thrown by `step` already.
    func reset() {
        unsafe sqlite3_reset(self.handle)
        unsafe sqlite3_clear_bindings(self.handle)
    }

    /// Runs to the end and ignores rows.
    func run<each Value: Bindable>(_ values: repeat each Value) throws(ArchiveError) {
        defer { self.reset() }
        try self.bind(repeat each values)
        while try self.step() {}
    }

    /// The first row, as `read` makes of it; nil when there is none.
    func first<Row, each Value: Bindable>(
        _ values: repeat each Value, read: (Statement) -> Row
    ) throws(ArchiveError) -> Row? {
        defer { self.reset() }
        try self.bind(repeat each values)
        return try self.step() ? read(self) : nil
    }

    /// All rows, as `read` makes of them.
    func all<Row, each Value: Bindable>(
        _ values: repeat each Value, read: (Statement) -> Row
    ) throws(ArchiveError) -> [Row] {
        defer { self.reset() }
        try self.bind(repeat each values)
        return try self.rest(read)
    }

    /// The rows that are left, as `read` makes of them.
    func rest<Row>(_ read: (Statement) -> Row) throws(ArchiveError) -> [Row] {
        var rows: [Row] = []
        while try self.step() { rows.append(read(self)) }
        return rows
    }

    // MARK: The current row; columns count from 0

    func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(self.handle, column) }

    func int(_ column: Int32) -> Int { Int(self.integer(column)) }

    func optionalInteger(_ column: Int32) -> Int64? {
        unsafe sqlite3_column_type(self.handle, column) == SQLITE_NULL ? nil : self.integer(column)
    }

    func text(_ column: Int32) -> String {
        // The text is asked for first: the length counts for the form it was last asked in.
        guard let start = unsafe sqlite3_column_text(self.handle, column) else { return "" }
        let count = Int(unsafe sqlite3_column_bytes(self.handle, column))
        return unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    func optionalText(_ column: Int32) -> String? {
        unsafe sqlite3_column_type(self.handle, column) == SQLITE_NULL ? nil : self.text(column)
    }

    func blob(_ column: Int32) -> [UInt8] {
        guard let start = unsafe sqlite3_column_blob(self.handle, column) else { return [] }
        let count = Int(unsafe sqlite3_column_bytes(self.handle, column))
        return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    }
}
