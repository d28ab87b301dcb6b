import SojournCore

extension Connection {
    /// The lines of the next served sessions after this hand-over: about 4 MiB of them, and one session at least.
    func export(after handover: Int64, _ filter: ExportFilter) throws(ArchiveError) -> ExportPage {
        let next = try self.statement(
            """
            SELECT handover, chain, \(ArchivedSession.columns) FROM sessions NOT INDEXED
            WHERE handover > ?1 AND state = 'committed' AND (?2 IS NULL OR ended_at >= ?2)
                AND (?3 IS NULL OR agent = ?3) AND (?4 IS NULL OR user = ?4)
            ORDER BY handover LIMIT 200
            """)
        let sessions = try next.all(handover, filter.since, filter.agent, filter.user) { row in
            (handover: row.integer(0), chain: row.blob(1), session: ArchivedSession(row, from: 2))
        }
        var page = ExportPage(position: handover)
        for (handover, chain, session) in sessions {
            if page.lines.count > 4 << 20 { return page }
            let chain = try chain.isEmpty ? self.chain(of: handover, session: session.header.id).chain.link : chain
            page.lines += ExportLine.session(session, chain: chain)
            let events = try self.statement(
                """
                SELECT seq, epoch, at, type, body, json_valid(CAST(body AS TEXT)) FROM events
                WHERE handover = ? ORDER BY seq
                """)
            defer { events.reset() }
            try events.bind(handover)
            while try events.step() {
                page.lines += ExportLine.event(TranscriptEvent(events), isJSON: events.integer(5) == 1)
                page.events += 1
            }
            page.lines += ExportLine.end(session.header.id, position: handover)
            page.position = handover
            page.sessions += 1
        }
        page.hasMore = sessions.count == 200
        return page
    }

    /// Takes in sessions that were exported, and serves them.
    func take(_ batch: [ExportedSession], now: Int64) throws(ArchiveError) -> [ImportResult] {
        var results: [ImportResult] = []
        for session in batch { results.append(try self.take(session, now: now)) }
        return results
    }

    private func take(_ session: ExportedSession, now: Int64) throws(ArchiveError) -> ImportResult {
        let transcript = session.transcript
        let id = transcript.header.id
        if let known = try self.servedChain(of: id) {
            return known == session.chain ? .present : .refused("the archive has another version of it")
        }
        if transcript.events.count != session.events {
            return .refused("it has \(transcript.events.count) events instead of \(session.events)")
        }
        let link = transcript.chain.link
        guard Hex.encode(link) == session.chain else {
            return .refused("its events are not those that were exported (the hash differs)")
        }
        var lost = 0
        switch try self.prepare(transcript, now: now, lost: &lost) {
        case .incomplete(let flaw): return .refused(flaw)
        case .stale: return .refused("the archive has a later hand-over of it")
        case .purged: return .purged
        case .prepared, .alreadyCommitted: break
        }
        let settlement = Settlement(id: id, token: transcript.token, outcome: .committed)
        guard try self.settle(settlement, now: now, lost: &lost) == .committed else {
            return .refused("the archive has a later hand-over of it")
        }
        return .taken
    }

    /// The chain of a served session, in hexadecimal; nil when it is not served.
    func servedChain(of id: String) throws(ArchiveError) -> String? {
        let found = try self.statement("SELECT handover, chain FROM sessions WHERE id = ? AND state = 'committed'")
            .first(id) { (handover: $0.integer(0), chain: $0.blob(1)) }
        guard let found else { return nil }
        return Hex.encode(
            try found.chain.isEmpty ? self.chain(of: found.handover, session: id).chain.link : found.chain)
    }
}

/// A session as an export has it.
struct ExportedSession: Sendable {
    let transcript: Transcript
    /// How many events it had.
    let events: Int
    /// The hash chain over them, in hexadecimal.
    let chain: String
}

/// What became of an exported session.
enum ImportResult: Sendable, Equatable {
    /// It is served now.
    case taken
    /// It was served before, with the same hash.
    case present
    /// It is to stay away: a purge of this archive names it.
    case purged
    /// It was not taken, and why.
    case refused(String)
}
