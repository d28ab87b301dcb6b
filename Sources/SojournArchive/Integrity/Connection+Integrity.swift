extension Transcript {
    /// The hash chain over its events.
    var chain: Chain {
        var chain = Chain(session: self.header.id)
        for event in self.events { chain.append(event) }
        return chain
    }
}

/// The hash chains of the sessions.
extension Connection {
    /// Seals the next sessions that are served and have no chain yet, at most `limit`, in one transaction: those that
    /// came in parts, and those of older files.
    ///
    /// - Returns: whether there may be more.
    func sealNext(_ limit: Int) throws(ArchiveError) -> Bool {
        let open = try self.statement(
            "SELECT handover, id FROM sessions WHERE chain IS NULL AND state = 'committed' ORDER BY handover LIMIT ?"
        ).all(limit) { ($0.integer(0), $0.text(1)) }
        if open.isEmpty { return false }
        try self.transaction(counts: false) { () throws(ArchiveError) in
            for (handover, id) in open {
                let chain = try self.chain(of: handover, session: id).chain
                try self.run("UPDATE sessions SET chain = ? WHERE handover = ?", chain.link, handover)
            }
        }
        return open.count == limit
    }

    /// The chain of a hand-over's events as they are in the file, and what they are.
    func chain(of handover: Int64, session id: String) throws(ArchiveError) -> (chain: Chain, counted: Counted) {
        let statement = try self.statement(
            "SELECT seq, epoch, at, type, body FROM events WHERE handover = ? ORDER BY seq")
        defer { statement.reset() }
        try statement.bind(handover)
        var chain = Chain(session: id)
        var counted = Counted()
        while try statement.step() {
            let event = TranscriptEvent(statement)
            if counted.events > 0, event.seq != counted.last + 1 { counted.gap = counted.gap ?? counted.last + 1 }
            counted.last = event.seq
            counted.events += 1
            counted.bytes += event.body.count
            chain.append(event)
        }
        return (chain, counted)
    }

    /// What was counted along a chain.
    struct Counted {
        var events = 0
        var bytes = 0
        /// The seq of the last event.
        var last = 0
        /// The first seq that is missing.
        var gap: Int?
    }

    /// Checks the next served sessions after this hand-over, at most `limit` and about 20,000 events.
    func verify(after handover: Int64, limit: Int) throws(ArchiveError) -> VerifyPage {
        let sessions = try self.statement(
            """
            SELECT handover, id, head, event_count, bytes, chain FROM sessions NOT INDEXED
            WHERE handover > ? AND state = 'committed' ORDER BY handover LIMIT ?
            """
        ).all(handover, limit) { row in
            (
                handover: row.integer(0), id: row.text(1), head: row.int(2), events: row.int(3), bytes: row.int(4),
                chain: row.blob(5)
            )
        }
        var page = VerifyPage(position: handover)
        for session in sessions {
            if page.events > 20_000 { return page }
            let (chain, counted) = try self.chain(of: session.handover, session: session.id)
            page.position = session.handover
            page.sessions += 1
            page.events += counted.events
            var flaws: [String] = []
            if let gap = counted.gap { flaws.append("event \(gap) is missing") }
            if counted.events != session.events {
                flaws.append("it has \(counted.events) events instead of \(session.events)")
            }
            if counted.bytes != session.bytes {
                flaws.append("its events have \(counted.bytes) bytes instead of \(session.bytes)")
            }
            if counted.events > 0, counted.last != session.head {
                flaws.append("its last event is \(counted.last) instead of \(session.head)")
            }
            if session.chain.isEmpty {
                page.unsealed += 1
            } else if session.chain != chain.link {
                flaws.append("its events are not those it was archived with (the hash differs)")
            }
            if !flaws.isEmpty { page.damaged.append(Damage(id: session.id, flaws: flaws)) }
        }
        page.hasMore = sessions.count == limit
        return page
    }
}
