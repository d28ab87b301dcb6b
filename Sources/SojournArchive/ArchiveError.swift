/// Why the archive could not do what it was asked to do.
///
/// Unless the code says otherwise nothing was changed, and the archive goes on working.
public struct ArchiveError: Error, Sendable, CustomStringConvertible {
    /// What went wrong, as far as a program should care; more codes may be added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String, Sendable {
            case busy, locked, full, corrupt, readOnly, io, cannotOpen, notADatabase, foreign, newerSchema, closed,
                other
        }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// Another process holds a lock inside the database; try again.
        public static let busy = Self(.busy)
        /// Another archivist has the file.
        public static let locked = Self(.locked)
        /// The disk or the quota is full; works again once there is room.
        public static let full = Self(.full)
        /// The file is damaged: restore a copy.
        public static let corrupt = Self(.corrupt)
        /// The file or its folder cannot be written.
        public static let readOnly = Self(.readOnly)
        /// The system reported an error when reading or writing.
        public static let io = Self(.io)
        /// The file cannot be opened or created.
        public static let cannotOpen = Self(.cannotOpen)
        /// The file is not a SQLite database.
        public static let notADatabase = Self(.notADatabase)
        /// The file is a SQLite database of another program.
        public static let foreign = Self(.foreign)
        /// The file was written by a newer major version of the archive.
        public static let newerSchema = Self(.newerSchema)
        /// The archive was closed.
        public static let closed = Self(.closed)
        /// Anything else; the message says what.
        public static let other = Self(.other)

        /// The name of the code.
        public var description: String { self.value.rawValue }
    }

    /// What went wrong.
    public let code: Code
    /// A sentence for the person on call.
    public let message: String
    /// The archive's file.
    public let path: String
    /// SQLite's own name, such as `SQLITE_FULL`; nil when SQLite was not involved.
    public let name: String?
    /// SQLite's extended result code; 0 when SQLite was not involved.
    public let extendedCode: Int32
    /// The statement that failed, if one did.
    public let sql: String?
    /// The file of the source that noticed.
    public let file: String
    /// The line of the source that noticed.
    public let line: UInt

    init(
        _ code: Code, _ message: String, path: String, name: String? = nil, extendedCode: Int32 = 0, sql: String? = nil,
        file: String = #fileID, line: UInt = #line
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.name = name
        self.extendedCode = extendedCode
        self.sql = sql
        self.file = file
        self.line = line
    }

    /// The message, SQLite's name and code, the statement and the place in the source.
    public var description: String {
        var text = self.message
        if let name = self.name { text += " (\(name), extended code \(self.extendedCode))" }
        if let sql = self.sql { text += " in: \(sql)" }
        return text + " [\(self.file):\(self.line)]"
    }
}
