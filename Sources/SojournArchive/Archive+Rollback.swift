/// Hand-overs that Redis may have forgotten: it went back to a state in which the session was still its own.
extension Archive {
    /// Served hand-overs in the order in which Redis let them go, the newest first; at most `limit`.
    ///
    /// - Parameter last: the last one of the page before; nil for the first page.
    public func served(before last: ServedSession? = nil, limit: Int = maximumPage) async throws(ArchiveError)
        -> [ServedSession]
    {
        try await self.read { connection throws(ArchiveError) in try connection.served(before: last, limit: limit) }
    }

    /// The served hand-over of a session, if there is one.
    public func served(_ id: String) async throws(ArchiveError) -> ServedSession? {
        try await self.read { connection throws(ArchiveError) in try connection.served(id) }
    }

    /// Opens served hand-overs again, because Redis has their sessions: they are served no more, and wait for the new end
    /// as if their sessions had been followed so far. What is not served under its token is left alone.
    ///
    /// - Returns: those of which another hand-over is under way, which may replace them: they are served still.
    public func reopen(_ sessions: [ServedSession]) async throws(ArchiveError) -> [ServedSession] {
        try await self.write { connection throws(ArchiveError) in
            var busy: [ServedSession] = []
            for session in sessions where try !connection.reopen(session) { busy.append(session) }
            return busy
        }
    }
}

/// A served hand-over, as far as Redis can be asked about it.
public struct ServedSession: Sendable, Hashable {
    /// The session id.
    public let id: String
    /// The token with which Redis let the session go.
    public let token: HandoverToken
    /// When Redis let the session go, in milliseconds of its time; of what was imported, when that was, by the node's
    /// clock.
    public let archivedAt: Int64
    let handover: Int64

    init(_ row: Statement) {
        self.id = row.text(0)
        self.token = HandoverToken(major: row.integer(1), random: row.text(2))
        self.archivedAt = row.integer(3)
        self.handover = row.integer(4)
    }
}

extension Connection {
    func served(before last: ServedSession?, limit: Int) throws(ArchiveError) -> [ServedSession] {
        try self.statement(
            """
            SELECT id, token_major, token_random, archived_at, handover FROM sessions INDEXED BY sessions_by_coming
            WHERE state = 'committed' AND (archived_at, handover) < (?, ?)
            ORDER BY archived_at DESC, handover DESC LIMIT ?
            """
        ).all(last?.archivedAt ?? .max, last?.handover ?? .max, limit, read: ServedSession.init)
    }

    func served(_ id: String) throws(ArchiveError) -> ServedSession? {
        try self.statement(
            """
            SELECT id, token_major, token_random, archived_at, handover FROM sessions
            WHERE state = 'committed' AND id = ?
            """
        ).first(id, read: ServedSession.init)
    }

    /// Makes a served hand-over an open one; its `ended_at` stays, by which ``forget(_:aside:)`` knows it. False when
    /// another one is prepared.
    func reopen(_ session: ServedSession) throws(ArchiveError) -> Bool {
        let stored = try self.handovers(of: session.id)
        guard let served = stored.first(where: { $0.state == "committed" && $0.token == session.token }) else {
            return true
        }
        guard !stored.contains(where: { $0.state == "prepared" }) else { return false }
        try self.run(
            "UPDATE sessions SET state = 'live', token_major = 0, token_random = 'live', chain = NULL WHERE handover = ?",
            served.handover)
        return true
    }
}
