import CSQLite
import Glibc

/// An open archive: the lock, the connection, and the archivist's id. Made, used and closed on one thread.
struct ArchiveFile: ~Copyable {
    let connection: Connection
    /// 16 hexadecimal digits that stay the same as long as the file lives.
    let id: String
    /// What keeps other archivists away; nil for a file that is only read.
    private let lock: FileLock?
    private let isReader: Bool

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
        self.lock = consume lock
        self.isReader = false
    }

    /// Opens a file that exists for reading, beside the archivist that may have it.
    init(reading path: String, schema: Int64) throws(ArchiveError) {
        let path = path.contains("/") ? path : "./" + path
        guard unsafe access(path, R_OK) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw ArchiveError(.cannotOpen, "There is no archive \(path) that could be read: \(reason)", path: path)
        }
        try Self.checkHeader(path)
        let connection = try Connection(path: path, readOnly: true)
        do throws(ArchiveError) {
            try connection.execute(
                "PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536"
            )
            try Self.checkOwner(connection)
            let version = try connection.integer("PRAGMA user_version") ?? 0
            guard version >= schema, version / 1_000 == schema / 1_000 else {
                throw ArchiveError(
                    version < schema ? .other : .newerSchema,
                    "The archive \(path) has schema \(version / 1_000).\(version % 1_000), but this program reads schema "
                        + "\(schema / 1_000).\(schema % 1_000): "
                        + (version < schema ? "start a node of this version on it once" : "use the newer program"),
                    path: path)
            }
            self.id = try Self.identity(connection)
        } catch {
            connection.close()
            throw error
        }
        self.connection = connection
        self.lock = nil
        self.isReader = true
    }

    /// Writes the log back into the database and closes it; the lock goes with this value.
    consuming func close() {
        if self.isReader { return self.connection.close() }
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
        try connection.execute("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF")
        // Asked before anything is written: a database of another program stays as it is.
        try Self.checkOwner(connection)
        let version = try connection.integer("PRAGMA user_version") ?? 0
        let newest = migrations.last?.major ?? 0
        guard version / 1_000 <= newest else {
            throw ArchiveError(
                .newerSchema,
                "The archive \(path) has schema \(version / 1_000).\(version % 1_000), but this program knows "
                    + "only schema \(newest): start the newer program",
                path: path)
        }
        // Counts for a new file only; an older one gets it when it is compacted.
        if version == 0 { try connection.execute("PRAGMA auto_vacuum = INCREMENTAL") }
        let mode = try connection.statement("PRAGMA journal_mode = WAL").first { $0.text(0) }
        guard mode == "wal" else {
            throw ArchiveError(
                .other, "The archive \(path) cannot use a write-ahead log on this file system; use a local disk",
                path: path)
        }
        // The right edges of all trees and the segments that the index merges stay in memory. A log of 64 MB, because pages
        // of the users' index are written again and again, and go into the database once for each checkpoint.
        try connection.execute(
            "PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16000")
        // Whatever is deleted may have to be gone for good later, so all of it is overwritten at once.
        try connection.execute("PRAGMA secure_delete = ON")
    }

    private static func checkOwner(_ connection: Connection) throws(ArchiveError) {
        let application = try connection.integer("PRAGMA application_id") ?? 0
        let tables = try connection.integer("SELECT count(*) FROM sqlite_schema") ?? 0
        guard application == Schema.application || (application == 0 && tables == 0) else {
            throw ArchiveError(
                .foreign, "\(connection.path) is a SQLite database, but no Sojourn archive; give another path",
                path: connection.path)
        }
    }

    private static func migrate(_ connection: Connection, _ migrations: [Migration]) throws(ArchiveError) {
        let version = try connection.integer("PRAGMA user_version") ?? 0
        // A table that is written anew is dropped in between; that must not take its children along. It stays so: a trigger
        // deletes a session's events with it, and to look for the session of each event costs a tenth of the hand-overs.
        try connection.execute("PRAGMA foreign_keys = OFF")
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
