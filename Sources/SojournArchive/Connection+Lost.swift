/// Events that a later hand-over replaced, or that were written on a branch that is gone. They are kept, but never served.
extension Connection {
    /// Copies what a hand-over has from `seq` on to the lost events, with whose it was; the number of events. The
    /// hand-over keeps its own.
    func lose(_ stored: Stored, from seq: Int, to token: HandoverToken, now: Int64) throws(ArchiveError) -> Int {
        try self.run(
            """
            INSERT INTO lost_events (session, seq, epoch, at, type, body, token_major, token_random, replaced_at,
                replaced_major, replaced_random, user, created_at)
            SELECT s.id, e.seq, e.epoch, e.at, e.type, e.body, ?, ?, ?, ?, ?, s.user, s.created_at
            FROM sessions s JOIN events e ON e.handover = s.handover
            WHERE s.handover = ? AND e.seq >= ? ORDER BY e.seq
            """, stored.token.major, stored.token.random, now, token.major, token.random, stored.handover, seq)
        return self.changes
    }

    /// The lost events of one session, in the order they were replaced.
    func lostEvents(of id: String) throws(ArchiveError) -> [LostEvent] {
        try self.statement(
            """
            SELECT seq, epoch, at, type, body, token_major, token_random, replaced_at, replaced_major, replaced_random
            FROM lost_events WHERE session = ? ORDER BY replaced_at, rowid
            """
        ).all(id) { row in
            LostEvent(
                event: TranscriptEvent(row), token: HandoverToken(major: row.integer(5), random: row.text(6)),
                replacedBy: HandoverToken(major: row.integer(8), random: row.text(9)), replacedAt: row.integer(7))
        }
    }

    /// Deletes the lost events of a session that has no hand-over left.
    func deleteLost(of id: String) throws(ArchiveError) {
        try self.run(
            """
            DELETE FROM lost_events WHERE session = ?1
                AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND state = 'committed')
                AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND \(Schema.unserved))
            """, id)
    }

    /// Erases the lost events that a purge names, also of sessions that have no hand-over left.
    func eraseLost(by purge: Purge) throws(ArchiveError) {
        switch purge.kind {
        case .session: try self.run("DELETE FROM lost_events WHERE session = ?", purge.id)
        case .user: try self.run("DELETE FROM lost_events WHERE user = ? AND created_at <= ?", purge.id, purge.at)
        }
    }
}
