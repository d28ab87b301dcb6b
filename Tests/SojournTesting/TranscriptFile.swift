import CSQLite
import Foundation

/// An archive file, read by plain SQL, without the program's own code.
public final class TranscriptFile {
    /// SQLite did not do what it was asked for.
    public struct Failure: Error, CustomStringConvertible {
        /// What it was asked for, and what it said.
        public let description: String
    }

    private var database: OpaquePointer?

    /// Opens a file for reading.
    public init(_ path: String) throws {
        guard sqlite3_open_v2(path, &self.database, SQLITE_OPEN_READONLY, nil) == SQLITE_OK else {
            throw self.failure(path)
        }
        sqlite3_busy_timeout(self.database, 5000)
    }

    deinit { sqlite3_close(self.database) }

    private func failure(_ what: String) -> Failure {
        Failure(description: "\(what): \(String(cString: sqlite3_errmsg(self.database)))")
    }

    /// The rows of a query, each column as text.
    public func rows(_ sql: String) throws -> [[String]] {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(self.database, sql, -1, &statement, nil) == SQLITE_OK else { throw self.failure(sql) }
        defer { sqlite3_finalize(statement) }
        var rows: [[String]] = []
        while sqlite3_step(statement) == SQLITE_ROW {
            rows.append(
                (0..<sqlite3_column_count(statement)).map { column in
                    sqlite3_column_text(statement, column).map { String(cString: $0) } ?? ""
                })
        }
        return rows
    }

    /// The hand-overs of a state, by session.
    public func sessions(_ state: String) throws -> [(id: String, handover: String, head: Int)] {
        try self.rows("SELECT id, handover, head FROM sessions WHERE state = '\(state)'").map {
            ($0[0], $0[1], Int($0[2]) ?? -1)
        }
    }

    /// The numbers of all events, and the texts of the messages, of one hand-over.
    public func transcript(_ handover: String) throws -> (seqs: [Int], messages: [String]) {
        let rows = try self.rows(
            """
            SELECT seq, CASE WHEN type = 'user.message' THEN json_extract(body, '$.data.content') END
            FROM events WHERE handover = \(handover) ORDER BY seq
            """)
        return (rows.compactMap { Int($0[0]) }, rows.map { $0[1] }.filter { !$0.isEmpty })
    }
}
