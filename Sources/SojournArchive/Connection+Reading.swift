extension SessionHeader {
    /// What `init(_:)` reads, to stand first in a SELECT.
    static let columns = "id, agent, user, key, created_at, ended_at, reason, head"

    init(_ row: Statement, from first: Int32 = 0) {
        self.init(
            id: row.text(first), agent: row.text(first + 1), user: row.text(first + 2),
            key: row.optionalText(first + 3), createdAt: row.integer(first + 4), endedAt: row.integer(first + 5),
            // A CHECK of the table allows these three only.
            reason: Reason(rawValue: row.text(first + 6)) ?? .ended, head: row.int(first + 7))
    }
}

extension ArchivedSession {
    /// What `init(_:)` reads.
    static let columns = SessionHeader.columns + ", token_major, token_random, info, event_count, bytes, archived_at"

    init(_ row: Statement, from first: Int32 = 0) {
        self.init(
            header: SessionHeader(row, from: first),
            token: HandoverToken(major: row.integer(first + 8), random: row.text(first + 9)),
            info: row.blob(first + 10), eventCount: row.int(first + 11), bytes: row.int(first + 12),
            archivedAt: row.integer(first + 13))
    }
}

extension TranscriptEvent {
    /// Reads seq, epoch, at, type and body from the first five columns.
    init(_ row: Statement) {
        self.init(
            seq: row.int(0), epoch: row.text(1), at: row.integer(2), type: row.text(3), body: row.blob(4))
    }
}

/// Everything here sees committed hand-overs only.
extension Connection {
    func session(_ id: String) throws(ArchiveError) -> ArchivedSession? {
        try self.statement("SELECT \(ArchivedSession.columns) FROM sessions WHERE id = ? AND state = 'committed'")
            .first(id, read: { ArchivedSession($0) })
    }

    func events(
        _ id: String, after: Int?, before: Int?, limit: Int, newestFirst: Bool, types: [String]?
    ) throws(ArchiveError) -> EventPage {
        if let types, types.isEmpty { return EventPage(events: [], hasMore: false) }
        let filter = types.map { " AND type IN (\(Array(repeating: "?", count: $0.count).joined(separator: ", ")))" }
        let statement = try self.statement(
            """
            SELECT seq, epoch, at, type, body FROM events
            WHERE handover = (SELECT handover FROM sessions WHERE id = ? AND state = 'committed')
                AND seq > ? AND seq < ?\(filter ?? "")
            ORDER BY seq \(newestFirst ? "DESC" : "ASC") LIMIT ?
            """)
        defer { statement.reset() }
        try statement.bind(id, after ?? 0, before ?? Int.max)
        for (offset, type) in (types ?? []).enumerated() { try statement.bind(type, at: 4 + offset) }
        // One more than wanted tells whether there is more.
        try statement.bind(limit + 1, at: 4 + (types?.count ?? 0))
        let rows = try statement.rest { TranscriptEvent($0) }
        return EventPage(events: Array(rows.prefix(limit)), hasMore: rows.count > limit)
    }

    func list(
        agent: String?, user: String?, limit: Int, before: ListPosition?
    ) throws(ArchiveError) -> SessionPage {
        let statement = try self.statement(
            Self.listQuery(agent: agent != nil, user: user != nil, before: before != nil))
        defer { statement.reset() }
        let values: [(any Bindable)?] = [agent, user, before?.endedAt, before?.id, limit + 1]
        for (index, value) in values.compactMap({ $0 }).enumerated() { try statement.bind(value, at: index + 1) }
        let rows = try statement.rest { ArchivedSession($0) }
        return SessionPage(sessions: Array(rows.prefix(limit)), hasMore: rows.count > limit)
    }

    /// The SELECT of a list that is narrowed by an agent, a user, or neither, in that order of its `?`s.
    static func listQuery(agent: Bool, user: Bool, before: Bool) -> String {
        var conditions = ["state = 'committed'"]
        if agent { conditions.append("agent = ?") }
        if user { conditions.append("user = ?") }
        if before { conditions.append("(ended_at, id) < (?, ?)") }
        return """
            SELECT \(ArchivedSession.columns) FROM sessions
            -- By itself SQLite takes the index of the states and sorts them all.
            INDEXED BY \(user ? "sessions_by_user" : agent ? "sessions_by_agent" : "sessions_by_end")
            WHERE \(conditions.joined(separator: " AND ")) ORDER BY ended_at DESC, id DESC LIMIT ?
            """
    }

    /// The SELECT of how many sessions are served, and of their events and bytes.
    static let servedTotals = """
        SELECT count(*), sum(event_count), sum(bytes) FROM sessions INDEXED BY sessions_by_coming
        WHERE state = 'committed'
        """

    /// The SELECT of how many hand-overs are in each of the other states.
    static let unservedTotals = """
        SELECT state, count(*) FROM sessions INDEXED BY sessions_unserved WHERE \(Schema.unserved) GROUP BY state
        """

    func stats() throws(ArchiveError) -> ArchiveStats {
        var stats = ArchiveStats()
        let served = try self.statement(Self.servedTotals).first { ($0.int(0), $0.int(1), $0.int(2)) }
        (stats.committed, stats.events, stats.bytes) = served ?? (0, 0, 0)
        for (state, count) in try self.statement(Self.unservedTotals).all(read: { ($0.text(0), $0.int(1)) }) {
            switch state {
            case "live": stats.live = count
            case "prepared": stats.prepared = count
            default: stats.quarantined = count
            }
        }
        stats.lostEvents = Int(try self.integer("SELECT count(*) FROM lost_events") ?? 0)
        stats.transactions = self.transactions
        return stats
    }
}
