import CSQLite

extension ArchiveError {
    /// The error behind a SQLite result code, primary or extended.
    static func sqlite(
        _ result: Int32, detail: String, path: String, sql: String? = nil, file: String = #fileID, line: UInt = #line
    ) -> ArchiveError {
        let primary = result & 0xff
        let (code, advice) = Self.meaning(of: primary)
        return ArchiveError(
            code, "The archive \(path) \(advice): \(detail)", path: path,
            name: Self.names[primary] ?? "SQLITE_\(primary)", extendedCode: result, sql: sql, file: file, line: line)
    }

    private static func meaning(of primary: Int32) -> (Code, String) {
        switch primary {
        case SQLITE_BUSY, SQLITE_LOCKED: (.busy, "is in use by another program; this is tried again")
        case SQLITE_FULL: (.full, "has no room left on its disk; nothing was written, free some space")
        case SQLITE_CORRUPT: (.corrupt, "is damaged; stop the node and restore a copy")
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: (.readOnly, "cannot be written; check the owner and the mount")
        case SQLITE_IOERR: (.io, "could not be read or written; check the disk")
        case SQLITE_CANTOPEN: (.cannotOpen, "cannot be opened; check that its folder exists and can be written")
        case SQLITE_NOTADB: (.notADatabase, "is not a SQLite database; give another path")
        default: (.other, "reported an unexpected error")
        }
    }

    /// SQLite has no function for these, and they are what people search for.
    private static let names: [Int32: String] = [
        SQLITE_ERROR: "SQLITE_ERROR", SQLITE_INTERNAL: "SQLITE_INTERNAL", SQLITE_PERM: "SQLITE_PERM",
        SQLITE_ABORT: "SQLITE_ABORT", SQLITE_BUSY: "SQLITE_BUSY", SQLITE_LOCKED: "SQLITE_LOCKED",
        SQLITE_NOMEM: "SQLITE_NOMEM", SQLITE_READONLY: "SQLITE_READONLY", SQLITE_INTERRUPT: "SQLITE_INTERRUPT",
        SQLITE_IOERR: "SQLITE_IOERR", SQLITE_CORRUPT: "SQLITE_CORRUPT", SQLITE_NOTFOUND: "SQLITE_NOTFOUND",
        SQLITE_FULL: "SQLITE_FULL", SQLITE_CANTOPEN: "SQLITE_CANTOPEN", SQLITE_PROTOCOL: "SQLITE_PROTOCOL",
        SQLITE_SCHEMA: "SQLITE_SCHEMA", SQLITE_TOOBIG: "SQLITE_TOOBIG", SQLITE_CONSTRAINT: "SQLITE_CONSTRAINT",
        SQLITE_MISMATCH: "SQLITE_MISMATCH", SQLITE_MISUSE: "SQLITE_MISUSE", SQLITE_NOLFS: "SQLITE_NOLFS",
        SQLITE_AUTH: "SQLITE_AUTH", SQLITE_RANGE: "SQLITE_RANGE", SQLITE_NOTADB: "SQLITE_NOTADB",
    ]
}
