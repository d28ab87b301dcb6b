import CSQLite

/// Brings messages into the search index, after they were written.
extension Connection {
    /// Indexes the next events, at most `limit`, in one transaction.
    ///
    /// - Returns: whether there may be more.
    func indexNext(_ limit: Int) throws(ArchiveError) -> Bool {
        // First, because a new message may get the number of one that is gone.
        if try self.removeOutdated(limit) { return true }
        let upto = try self.integer("SELECT upto FROM indexing") ?? 0
        let rows = try self.statement(
            "SELECT rowid, handover, seq, at, type IN (\(Schema.messageTypes)) FROM events "
                + "WHERE rowid > ? ORDER BY rowid LIMIT ?"
        )
        .all(upto, limit) { row in
            (row: row.integer(0), message: NewMessage(row), isMessage: row.integer(4) == 1)
        }
        guard let last = rows.last else { return false }
        // In the order of their documents: FTS5 begins a new segment with each one that is out of order.
        let messages = rows.filter(\.isMessage).map(\.message).sorted { $0.at < $1.at }
        try self.transaction(counts: false) { () throws(ArchiveError) in
            try self.index(messages)
            try self.run("UPDATE indexing SET upto = ?", last.row)
        }
        return rows.count == limit
    }

    /// Takes the words of messages that are gone out of the index, of `limit` messages at most, in one transaction.
    ///
    /// - Returns: whether there were any.
    func removeOutdated(_ limit: Int) throws(ArchiveError) -> Bool {
        guard try self.integer("SELECT 1 FROM outdated LIMIT 1") != nil else { return false }
        try self.transaction(counts: false) { () throws(ArchiveError) in
            let last = try self.integer("SELECT max(doc) FROM (SELECT doc FROM outdated ORDER BY doc LIMIT ?)", limit)
            try self.run(
                """
                INSERT INTO search (search, rowid, text, who)
                SELECT 'delete', doc, \(Schema.text(of: "s.body")), \(Schema.who) FROM outdated s WHERE doc <= ? ORDER BY doc
                """, last)
            try self.run("DELETE FROM outdated WHERE doc <= ?", last)
        }
        return true
    }

    /// How many events wait to be indexed, at most; cheap.
    func unindexed() throws(ArchiveError) -> Int64 {
        try self.integer("SELECT max(0, coalesce((SELECT max(rowid) FROM events), 0) - upto) FROM indexing") ?? 0
    }

    /// A message that is to be indexed.
    private struct NewMessage {
        let handover: Int64
        let seq: Int64
        let at: Int64

        init(_ row: Statement) {
            (self.handover, self.seq, self.at) = (row.integer(1), row.integer(2), row.integer(3))
        }
    }

    private func index(_ messages: [NewMessage]) throws(ArchiveError) {
        let place = try self.statement("INSERT OR IGNORE INTO messages (doc, handover, seq) VALUES (?, ?, ?)")
        let words = try self.statement(
            """
            SELECT \(Schema.text(of: "e.body")), \(Schema.who)
            FROM events e JOIN sessions s ON s.handover = e.handover WHERE e.handover = ? AND e.seq = ?
            """)
        // One row of VALUES: for INSERT … SELECT SQLite opens a savepoint, at which FTS5 writes out all it has gathered.
        let insert = try self.statement("INSERT INTO search (rowid, text, who) VALUES (?, ?, ?)")
        var document: Int64 = 0
        for message in messages {
            document = max(Document.first(at: message.at), document + 1)
            try place.run(document, message.handover, message.seq)
            if self.changes == 0 {
                document = try self.freeDocument(from: document)
                try place.run(document, message.handover, message.seq)
            }
            let row = try words.first(message.handover, message.seq) { ($0.text(0), $0.text(1)) }
            if let (text, who) = row { try insert.run(document, text, who) }
        }
    }

    /// The first number from here on that no message has.
    private func freeDocument(from document: Int64) throws(ArchiveError) -> Int64 {
        try self.integer(
            """
            SELECT doc + 1 FROM messages m WHERE doc >= ?
                AND NOT EXISTS (SELECT 1 FROM messages WHERE doc = m.doc + 1) ORDER BY doc LIMIT 1
            """, document) ?? document
    }

    /// Writes the whole index anew, a slice at a time, so that nothing of what was deleted is left in it. All in all that
    /// takes about as long as indexing everything took.
    ///
    /// - Returns: whether there is more to do.
    func rewriteIndex(isFirst: Bool) throws(ArchiveError) -> Bool {
        while try self.removeOutdated(5_000) {}
        let before = self.totalChanges
        // The negative number puts all segments on one level, which the following slices then merge.
        try self.transaction(counts: false) { () throws(ArchiveError) in
            try self.run("INSERT INTO search (search, rank) VALUES ('merge', ?)", isFirst ? -500 : 500)
        }
        return self.totalChanges - before >= 2
    }

    private var totalChanges: Int { Int(unsafe sqlite3_total_changes64(self.handle)) }
}

/// The number of a message in the index.
enum Document {
    /// Messages of one millisecond, usually.
    static let perMillisecond: Int64 = 256

    /// The least number of a message of this time.
    static func first(at milliseconds: Int64) -> Int64 {
        let last = Int64.max / Self.perMillisecond - 1
        return min(max(milliseconds, 0), last) * Self.perMillisecond
    }
}
