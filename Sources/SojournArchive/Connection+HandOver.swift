/// A hand-over that is in the file already.
struct Stored {
    let handover: Int64
    let token: HandoverToken
    let state: String
    let head: Int

    init(_ row: Statement) {
        self.handover = row.integer(0)
        self.token = HandoverToken(major: row.integer(1), random: row.text(2))
        self.state = row.text(3)
        self.head = row.int(4)
    }
}

extension Connection {
    func handovers(of id: String) throws(ArchiveError) -> [Stored] {
        let columns = "handover, token_major, token_random, state, head"
        return try self.statement(
            """
            SELECT \(columns) FROM sessions WHERE id = ?1 AND state = 'committed'
            UNION ALL SELECT \(columns) FROM sessions WHERE id = ?1 AND \(Schema.unserved)
            """
        ).all(id, read: Stored.init)
    }

    // MARK: Prepare

    /// Writes one hand-over as prepared. An open one becomes it; an unsettled one of the same session gives way to it,
    /// but a committed one is left alone. Adds to `lost` how many events became lost.
    func prepare(_ transcript: Transcript, now: Int64, lost: inout Int) throws(ArchiveError) -> PrepareResult {
        if try self.isPurged(transcript.header) { return .purged }
        if let flaw = transcript.flaw { return .incomplete(flaw) }
        let stored = try self.handovers(of: transcript.header.id)
        if stored.contains(where: { $0.state == "committed" && $0.token == transcript.token }) {
            return .alreadyCommitted
        }
        // A quarantined one must not refuse what Redis still has.
        let newest = stored.filter { $0.state != "quarantined" }.max { $0.token.major < $1.token.major }
        if let newest, newest.token.major > transcript.token.major { return .stale(stored: newest.token) }

        let first = transcript.header.head - transcript.events.count + 1
        let open = stored.first { $0.state == "live" }
        let held = stored.filter { $0.state != "quarantined" }.map(\.head).max() ?? 0
        guard first <= (open?.head ?? held) + 1 || transcript.isPartial else {
            return .incomplete(
                "it begins at seq \(first), and the archive has nothing from seq \((open?.head ?? held) + 1) on")
        }
        let unsettled = stored.filter {
            $0.state == "prepared" || ($0.state == "quarantined" && $0.token == transcript.token)
        }
        for old in unsettled {
            // Out of the way of the new row, which may have the same token; gone a few lines below.
            try self.run("UPDATE sessions SET state = 'quarantined' WHERE handover = ?", old.handover)
        }
        let handover: Int64
        if let open {
            lost += try self.close(open, with: transcript, now: now)
            handover = open.handover
        } else {
            handover = try self.insert(transcript, now: now)
        }
        for old in unsettled {
            lost += try self.replace(old, by: handover, of: transcript.header, token: transcript.token, now: now)
        }
        return .prepared
    }

    private func insert(_ transcript: Transcript, now: Int64) throws(ArchiveError) -> Int64 {
        let header = transcript.header
        try self.run(
            """
            INSERT INTO sessions (id, agent, user, key, created_at, ended_at, reason, head, state, token_major,
                token_random, info, event_count, bytes, archived_at, chain)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'prepared', ?, ?, ?, ?, ?, ?, ?)
            """,
            header.id, header.agent, header.user, header.key, header.createdAt, header.endedAt,
            header.reason.rawValue, header.head, transcript.token.major, transcript.token.random, transcript.info,
            transcript.events.count, transcript.events.reduce(0) { $0 + $1.body.count }, now,
            // One that came in parts is sealed after its commit, from what is in the file.
            transcript.events.count == header.head ? transcript.chain.link : nil)
        let handover = self.lastInserted
        try self.insert(transcript.events[...], into: handover)
        return handover
    }

    func insert(_ events: ArraySlice<TranscriptEvent>, into handover: Int64) throws(ArchiveError) {
        let insert = try self.statement(
            "INSERT INTO events (handover, seq, epoch, at, type, body) VALUES (?, ?, ?, ?, ?, ?)")
        for event in events {
            try insert.run(handover, event.seq, event.epoch, event.at, event.type, event.body)
        }
    }

    /// Makes an open hand-over the prepared one: it gets what it does not have yet. Returns how many of its events
    /// became lost.
    private func close(_ open: Stored, with transcript: Transcript, now: Int64) throws(ArchiveError) -> Int {
        let header = transcript.header
        let lost = try self.extend(open, by: transcript.events, head: header.head, now: now)
        try self.run(
            """
            UPDATE sessions SET agent = ?, user = ?, key = ?, created_at = ?, ended_at = ?, reason = ?,
                state = 'prepared', token_major = ?, token_random = ?, info = ?
            WHERE handover = ?
            """,
            header.agent, header.user, header.key, header.createdAt, header.endedAt, header.reason.rawValue,
            transcript.token.major, transcript.token.random, transcript.info, open.handover)
        return lost
    }

    /// Lets the hand-over `new` take the place of `old`: what came before the first event of `new` goes over to
    /// it, what stands in `old` from the first event that differs becomes lost, and `old` is deleted. Returns how
    /// many became lost.
    private func replace(
        _ old: Stored, by new: Int64, of header: SessionHeader, token: HandoverToken, now: Int64
    ) throws(ArchiveError) -> Int {
        let first =
            try self.integer("SELECT seq FROM events WHERE handover = ? ORDER BY seq LIMIT 1", new)
            ?? Int64(header.head) + 1
        let difference = try self.integer(
            """
            SELECT o.seq FROM events o LEFT JOIN events n ON n.handover = ? AND n.seq = o.seq
            WHERE o.handover = ? AND o.seq >= ?
                AND (n.seq IS NULL OR n.epoch <> o.epoch OR n.type <> o.type OR n.at <> o.at OR n.body <> o.body)
            ORDER BY o.seq LIMIT 1
            """, new, old.handover, first)
        var lost = 0
        if let difference {
            lost = try self.lose(old, from: Int(difference), to: token, now: now)
        }
        try self.run("UPDATE events SET handover = ? WHERE handover = ? AND seq < ?", new, old.handover, first)
        if self.changes > 0 {
            try self.run(
                """
                UPDATE sessions SET (event_count, bytes) =
                    (SELECT count(*), sum(length(body)) FROM events WHERE handover = sessions.handover)
                WHERE handover = ?
                """, new)
        }
        try self.run("DELETE FROM sessions WHERE handover = ?", old.handover)
        return lost
    }

    // MARK: Settle

    /// Commits or deletes one hand-over. Adds to `lost` how many events became lost.
    func settle(_ settlement: Settlement, now: Int64, lost: inout Int) throws(ArchiveError) -> SettleResult {
        if settlement.outcome == .committed, try self.commit(settlement) { return .committed }
        let stored = try self.handovers(of: settlement.id)
        let own = stored.filter { $0.token == settlement.token }
        guard let this = own.first(where: { $0.state == "committed" }) ?? own.first else { return .unknown }
        switch (settlement.outcome, this.state) {
        case (.committed, "committed"):
            if let at = settlement.at {
                try self.run(
                    "UPDATE sessions SET archived_at = max(archived_at, ?) WHERE handover = ?", at, this.handover)
            }
            return .committed
        case (.discarded, "prepared"):
            try self.run("DELETE FROM sessions WHERE handover = ?", this.handover)
            return .discarded
        case (.reopened, "prepared") where !stored.contains { $0.state == "live" || $0.state == "committed" }:
            try self.run(
                """
                UPDATE sessions SET state = 'live', token_major = 0, token_random = 'live', ended_at = NULL,
                    reason = NULL, chain = NULL
                WHERE handover = ?
                """, this.handover)
            return .reopened
        case (.reopened, "prepared"), (.quarantined, "prepared"):
            try self.run("UPDATE sessions SET state = 'quarantined' WHERE handover = ?", this.handover)
            return .quarantined
        case (.discarded, _), (.reopened, _), (.quarantined, _):
            return .unknown
        case (.committed, _):
            if let served = stored.first(where: { $0.state == "committed" }) {
                if served.token.major > this.token.major { return .stale }
                guard let header = try self.header(of: this.handover) else { return .unknown }
                lost += try self.replace(served, by: this.handover, of: header, token: this.token, now: now)
            }
            try self.run(
                "UPDATE sessions SET state = 'committed', archived_at = coalesce(?, archived_at) WHERE handover = ?",
                settlement.at, this.handover)
            return .committed
        }
    }

    /// Commits what nearly all are: prepared, while nothing of the session is served. The index of what is served refuses
    /// the others; false for them.
    private func commit(_ settlement: Settlement) throws(ArchiveError) -> Bool {
        let prepared = try self.integer(
            """
            SELECT handover FROM sessions
            WHERE id = ? AND state = 'prepared' AND \(Schema.unserved) AND token_major = ? AND token_random = ?
            """, settlement.id, settlement.token.major, settlement.token.random)
        guard let prepared else { return false }
        try self.run(
            """
            UPDATE OR IGNORE sessions SET state = 'committed', archived_at = coalesce(?, archived_at) WHERE handover = ?
            """, settlement.at, prepared)
        return self.changes > 0
    }

    private func header(of handover: Int64) throws(ArchiveError) -> SessionHeader? {
        try self.statement("SELECT \(SessionHeader.columns) FROM sessions WHERE handover = ?")
            .first(handover, read: { SessionHeader($0) })
    }

    // MARK: What is not served

    /// Takes the open hand-overs of these sessions aside; the number found.
    func quarantine(_ ids: [String]) throws(ArchiveError) -> Int {
        var count = 0
        for id in ids {
            try self.run(
                "UPDATE sessions SET state = 'quarantined' WHERE id = ? AND state = 'live' AND \(Schema.unserved)", id)
            count += self.changes
        }
        return count
    }

    /// The hand-overs in one of the two states that are not served, oldest first.
    func unserved(_ state: String) throws(ArchiveError) -> [PreparedSession] {
        try self.statement(
            """
            SELECT \(SessionHeader.columns), token_major, token_random, event_count, archived_at
            FROM sessions INDEXED BY sessions_unserved WHERE state = ? AND \(Schema.unserved) ORDER BY handover
            """
        ).all(state) { row in
            PreparedSession(
                header: SessionHeader(row), token: HandoverToken(major: row.integer(8), random: row.text(9)),
                eventCount: row.int(10), archivedAt: row.integer(11))
        }
    }
}
