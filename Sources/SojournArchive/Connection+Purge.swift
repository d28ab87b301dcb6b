extension PurgeRecord {
    /// What `init(_:)` reads.
    static let columns = "number, kind, id, at, sessions, events, bytes, done"

    init(_ row: Statement) {
        self.purge = Purge(
            // A CHECK of the table allows these two only.
            number: row.integer(0), kind: Purge.Kind(rawValue: row.text(1)) ?? .session, id: row.text(2),
            at: row.integer(3))
        self.sessions = row.int(4)
        self.events = row.int(5)
        self.bytes = row.int(6)
        self.isDone = row.integer(7) != 0
    }
}

extension Connection {
    /// A hand-over that is to be erased.
    private struct Doomed {
        let handover: Int64
        let id: String
        let state: String
        let events: Int
        let bytes: Int

        static let columns = "handover, id, state, event_count, bytes"

        init(_ row: Statement) {
            self.handover = row.integer(0)
            self.id = row.text(1)
            self.state = row.text(2)
            self.events = row.int(3)
            self.bytes = row.int(4)
        }
    }

    /// Erases up to `limit` hand-overs that a purge names, and notes it; false when there may be more.
    func erase(_ purge: Purge, limit: Int) throws(ArchiveError) -> (PurgeRecord, isErased: Bool) {
        try self.run(
            "INSERT OR IGNORE INTO purges (number, kind, id, at) VALUES (?, ?, ?, ?)", purge.number,
            purge.kind.rawValue, purge.id, purge.at)
        let doomed = try self.doomed(by: purge, limit: limit)
        var (sessions, events, bytes) = (0, 0, 0)
        for session in doomed {
            try self.erase(handover: session.handover, of: session.id)
            guard session.state == "committed" else { continue }
            sessions += 1
            events += session.events
            bytes += session.bytes
        }
        try self.eraseLost(by: purge)
        try self.run(
            "UPDATE purges SET sessions = sessions + ?, events = events + ?, bytes = bytes + ? WHERE number = ?",
            sessions, events, bytes, purge.number)
        return (try self.record(of: purge), doomed.count < limit)
    }

    /// Deletes one hand-over with all that was derived from it.
    private func erase(handover: Int64, of id: String) throws(ArchiveError) {
        try self.run("DELETE FROM lost_events WHERE session = ?", id)
        // Its events go with it.
        try self.run("DELETE FROM sessions WHERE handover = ?", handover)
    }

    private func doomed(by purge: Purge, limit: Int) throws(ArchiveError) -> [Doomed] {
        switch purge.kind {
        case .session:
            return try self.statement(
                """
                SELECT \(Doomed.columns) FROM sessions WHERE id = ?1 AND state = 'committed'
                UNION ALL SELECT \(Doomed.columns) FROM sessions WHERE id = ?1 AND \(Schema.unserved)
                LIMIT ?2
                """
            ).all(purge.id, limit, read: Doomed.init)
        case .user:
            // Two questions, each with its index; the second table part is small.
            return try self.statement(
                """
                SELECT * FROM (SELECT \(Doomed.columns) FROM sessions INDEXED BY sessions_by_user
                    WHERE state = 'committed' AND user = ? AND created_at <= ? LIMIT ?)
                UNION ALL
                SELECT * FROM (SELECT \(Doomed.columns) FROM sessions INDEXED BY sessions_unserved
                    WHERE \(Schema.unserved) AND user = ? AND created_at <= ? LIMIT ?)
                LIMIT ?
                """
            ).all(purge.id, purge.at, limit, purge.id, purge.at, limit, limit, read: Doomed.init)
        }
    }

    /// Takes what was erased out of the files: `secure_delete` has overwritten it in the database, but the write-ahead
    /// log still has it.
    func forgetErased() throws(ArchiveError) {
        let isBusy = try self.statement("PRAGMA wal_checkpoint(TRUNCATE)").first { $0.int(0) != 0 } ?? true
        guard !isBusy else {
            throw ArchiveError(
                .busy,
                "The archive \(self.path) is being read by another program, so erased events stay in its "
                    + "write-ahead log; this is tried again", path: self.path)
        }
    }

    /// Notes that nothing of it is left.
    func finish(_ purge: Purge) throws(ArchiveError) -> PurgeRecord {
        try self.run("UPDATE purges SET done = 1 WHERE number = ?", purge.number)
        try self.run(
            """
            INSERT INTO meta (name, value) VALUES ('purged', ?1)
            ON CONFLICT (name) DO UPDATE SET value = max(CAST(value AS INTEGER), ?1)
            """, purge.number)
        return try self.record(of: purge)
    }

    private func record(of purge: Purge) throws(ArchiveError) -> PurgeRecord {
        try self.statement("SELECT \(PurgeRecord.columns) FROM purges WHERE number = ?")
            .first(purge.number, read: PurgeRecord.init) ?? PurgeRecord(purge: purge)
    }

    /// Whether a session must never come into this archive again.
    func isPurged(_ header: SessionHeader) throws(ArchiveError) -> Bool {
        try self.isPurged(header.id, user: header.user, createdAt: header.createdAt)
    }

    func isPurged(_ id: String, user: String, createdAt: Int64) throws(ArchiveError) -> Bool {
        try self.integer(
            """
            SELECT 1 FROM purges WHERE (kind = 'session' AND id = ?) OR (kind = 'user' AND id = ? AND at >= ?) LIMIT 1
            """, id, user, createdAt) != nil
    }
}
