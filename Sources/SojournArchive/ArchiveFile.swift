import CSQLite
import Glibc

/// An open archive: the lock, the connection, and the archivist's id. Made, used and closed on one thread.
struct ArchiveFile: ~Copyable {
    let connection: Connection
    /// 16 hexadecimal digits that stay the same as long as the file lives.
    let id: String
    private let lock: FileLock

    /// Locks, checks, opens and migrates the file.
    init(path: String, migrations: [Migration]) throws(ArchiveError) {
        // A folder in front keeps SQLite from reading a meaning into the name, as it does for `:memory:`.
        let path = path.contains("/") ? path : "./" + path
        let lock = try FileLock(guarding: path)
        try Self.checkHeader(path)
        let connection = try Connection(path: path)
        do {
            try Self.configure(connection, migrations)
            try Self.migrate(connection, migrations)
            self.id = try Self.identity(connection)
        } catch {
            connection.close()
            throw error
        }
        self.connection = connection
        self.lock = lock
    }

    /// Writes the log back into the database and closes it; the lock goes with this value.
    consuming func close() {
        // Closing the last connection does the same, but only this waits for a reader from outside. What
        // fails here is repeated by the next open.
        try? self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.connection.close()
    }

    // MARK: Opening

    /// SQLite would take a text file for a database until the first read, and say little about it.
    private static func checkHeader(_ path: String) throws(ArchiveError) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        if count == 0 { return }
        guard count == 100, bytes.starts(with: Array("SQLite format 3\0".utf8)) else {
            throw ArchiveError(
                .notADatabase, "The archive \(path) is not a SQLite database; give another path or restore a copy",
                path: path, name: "SQLITE_NOTADB", extendedCode: SQLITE_NOTADB)
        }
    }

    private static func configure(_ connection: Connection, _ migrations: [Migration]) throws(ArchiveError) {
        let path = connection.path
        guard unsafe sqlite3_db_readonly(connection.handle, "main") == 0 else {
            throw ArchiveError(
                .readOnly, "The archive \(path) can be read but not written; check its owner and mode", path: path,
                name: "SQLITE_READONLY", extendedCode: SQLITE_READONLY)
        }
        _ = unsafe sojourn_db_config_int(connection.handle, SQLITE_DBCONFIG_DEFENSIVE, 1)
        try connection.execute("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON")
        // Asked before anything is written: a database of another program stays as it is.
        let application = try connection.integer("PRAGMA application_id") ?? 0
        let tables = try connection.integer("SELECT count(*) FROM sqlite_schema") ?? 0
        guard application == Schema.application || (application == 0 && tables == 0) else {
            throw ArchiveError(
                .foreign, "\(path) is a SQLite database, but no Sojourn archive; give another path", path: path)
        }
        let version = try connection.integer("PRAGMA user_version") ?? 0
        let newest = migrations.last?.major ?? 0
        guard version / 1_000 <= newest else {
            throw ArchiveError(
                .newerSchema,
                "The archive \(path) has schema \(version / 1_000).\(version % 1_000), but this program knows "
                    + "only schema \(newest): start the newer program",
                path: path)
        }
        let mode = try connection.statement("PRAGMA journal_mode = WAL").first { $0.text(0) }
        guard mode == "wal" else {
            throw ArchiveError(
                .other, "The archive \(path) cannot use a write-ahead log on this file system; use a local disk",
                path: path)
        }
        try connection.execute("PRAGMA synchronous = FULL")
        // Whatever is deleted may have to be gone for good later, so all of it is overwritten at once.
        try connection.execute("PRAGMA secure_delete = ON")
    }

    private static func migrate(_ connection: Connection, _ migrations: [Migration]) throws(ArchiveError) {
        let version = try connection.integer("PRAGMA user_version") ?? 0
        for migration in migrations where migration.version > version {
            try connection.transaction { () throws(ArchiveError) in
                try connection.execute(migration.script)
                try connection.execute(
                    "PRAGMA user_version = \(migration.version); PRAGMA application_id = \(Schema.application)")
            }
        }
    }

    private static func identity(_ connection: Connection) throws(ArchiveError) -> String {
        let select = try connection.statement("SELECT value FROM meta WHERE name = 'archivist'")
        if let id = try select.first(read: { $0.text(0) }) { return id }
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        let id = String(repeating: "0", count: 16 - digits.count) + digits
        try connection.transaction { () throws(ArchiveError) in
            try connection.run("INSERT INTO meta (name, value) VALUES ('archivist', ?)", id)
        }
        return id
    }
}
