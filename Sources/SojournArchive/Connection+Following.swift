/// Open hand-overs: what is written behind sessions that live.
extension Connection {
    /// Writes a stretch behind a live session. Adds to `lost` how many events became lost.
    func follow(_ stretch: LiveStretch, now: Int64, lost: inout Int) throws(ArchiveError) -> FollowResult {
        let stored = try self.handovers(of: stretch.id)
        if stored.contains(where: { $0.state == "prepared" || $0.state == "committed" }) { return .ended }
        let start = stretch.events.first?.seq ?? stretch.head + 1
        if let open = stored.first(where: { $0.state == "live" }) {
            guard start <= open.head + 1 else { return .missing(after: open.head) }
            lost += try self.extend(open, by: stretch.events, head: stretch.head, now: now)
            return .held(upTo: start + stretch.events.count - 1)
        }
        guard start == stretch.first else { return .missing(after: stretch.first - 1) }
        if try self.isPurged(stretch.id, user: stretch.user, createdAt: stretch.createdAt) { return .ended }
        try self.run(
            """
            INSERT INTO sessions (id, agent, user, key, created_at, head, state, token_major, token_random, info,
                event_count, bytes, archived_at)
            VALUES (?, ?, ?, ?, ?, ?, 'live', 0, 'live', ?, ?, ?, ?)
            """,
            stretch.id, stretch.agent, stretch.user, stretch.key, stretch.createdAt, start + stretch.events.count - 1,
            stretch.info, stretch.events.count, stretch.events.reduce(0) { $0 + $1.body.count }, now)
        try self.insert(stretch.events[...], into: self.lastInserted)
        return .held(upTo: start + stretch.events.count - 1)
    }

    /// Adds to an open hand-over what it does not have of `events`, which begin right behind its end or before.
    /// What it has from the first event that differs, or beyond the head of the log, was written on a branch that is
    /// gone; it becomes lost. Returns how many did.
    func extend(
        _ open: Stored, by events: [TranscriptEvent], head: Int, now: Int64
    ) throws(ArchiveError) -> Int {
        var held = open.head
        let same = try self.statement(
            "SELECT 1 FROM events WHERE handover = ? AND seq = ? AND epoch = ? AND at = ? AND type = ? AND body = ?")
        var cut = head + 1
        for event in events {
            guard event.seq <= held else { break }
            let isSame =
                try same.first(open.handover, event.seq, event.epoch, event.at, event.type, event.body) { _ in true }
            if isSame == nil {
                cut = event.seq
                break
            }
        }
        var lost = 0
        if cut <= held {
            lost = try self.cut(open, from: cut, now: now)
            held = cut - 1
        }
        let rest = events.drop { $0.seq <= held }
        try self.insert(rest, into: open.handover)
        try self.run(
            """
            UPDATE sessions SET head = ?, event_count = event_count + ?, bytes = bytes + ?, archived_at = ?
            WHERE handover = ?
            """, held + rest.count, rest.count, rest.reduce(0) { $0 + $1.body.count }, now, open.handover)
        return lost
    }

    private func cut(_ open: Stored, from cut: Int, now: Int64) throws(ArchiveError) -> Int {
        try self.run(
            """
            UPDATE sessions SET (event_count, bytes) = (SELECT event_count - count(*), bytes - sum(length(body))
                FROM events WHERE handover = ? AND seq >= ?)
            WHERE handover = ?
            """, open.handover, cut, open.handover)
        let lost = try self.lose(open, from: cut, to: open.token, now: now)
        try self.run("DELETE FROM events WHERE handover = ? AND seq >= ?", open.handover, cut)
        return lost
    }

    /// Deletes the open hand-overs of these sessions; the number found. One that was served before Redis had its session
    /// again is put in quarantine, where purges find it: the other archivist has another end of it. Adds these to `aside`.
    func forget(_ ids: [String], aside: inout [String]) throws(ArchiveError) -> Int {
        var count = 0
        for id in ids {
            try self.run(
                """
                UPDATE sessions SET state = 'quarantined'
                WHERE id = ? AND state = 'live' AND \(Schema.unserved) AND ended_at IS NOT NULL
                """, id)
            if self.changes > 0 {
                aside.append(id)
                count += 1
                continue
            }
            try self.run("DELETE FROM sessions WHERE id = ? AND state = 'live' AND \(Schema.unserved)", id)
            count += self.changes
        }
        return count
    }

    /// Open hand-overs with a greater number, in their order.
    func open(after handover: Int64, limit: Int) throws(ArchiveError) -> [OpenSession] {
        try self.statement(
            """
            SELECT handover, id, head FROM sessions INDEXED BY sessions_unserved
            WHERE state = 'live' AND \(Schema.unserved) AND handover > ? ORDER BY handover LIMIT ?
            """
        ).all(handover, limit) { OpenSession(handover: $0.integer(0), id: $0.text(1), head: $0.int(2)) }
    }

    /// The open hand-over of a session.
    func open(_ id: String) throws(ArchiveError) -> OpenSession? {
        try self.statement(
            "SELECT handover, id, head FROM sessions WHERE state = 'live' AND \(Schema.unserved) AND id = ?"
        ).first(id) { OpenSession(handover: $0.integer(0), id: $0.text(1), head: $0.int(2)) }
    }

    /// Events of a session that Redis still knows, within `from...to`, whatever the state of its newest hand-over:
    /// at most `limit`, and at most as many as have 1 MiB together, but one at least.
    func kept(
        _ id: String, from: Int, to: Int, limit: Int, newestFirst: Bool
    ) throws(ArchiveError) -> [TranscriptEvent] {
        let statement = try self.statement(
            """
            SELECT seq, epoch, at, type, body FROM events
            WHERE handover = (SELECT max(handover) FROM (
                    SELECT handover FROM sessions WHERE id = ?1 AND state = 'committed'
                    UNION ALL
                    SELECT handover FROM sessions WHERE id = ?1 AND \(Schema.unserved) AND state <> 'quarantined'))
                AND seq BETWEEN ?2 AND ?3
            ORDER BY seq \(newestFirst ? "DESC" : "ASC") LIMIT ?4
            """)
        defer { statement.reset() }
        try statement.bind(id, from, to, limit)
        var events: [TranscriptEvent] = []
        var bytes = 0
        while bytes < 1 << 20, try statement.step() {
            let event = TranscriptEvent(statement)
            bytes += event.body.count
            if events.isEmpty || bytes <= 1 << 20 { events.append(event) }
        }
        return events
    }
}
