import Glibc

/// A match, before it is known whether it gets on the page.
private struct Candidate {
    let document: Int64
    let handover: Int64
    let seq: Int
    /// The number of words, then how often it has each phrase.
    let counts: [Int32]
    var rank = 0

    init(_ row: Statement) {
        (self.document, self.handover, self.seq) = (row.integer(0), row.integer(1), row.int(2))
        let bytes = row.blob(3)
        self.counts = unsafe bytes.withUnsafeBytes { unsafe Array($0.bindMemory(to: Int32.self)) }
    }
}

extension Connection {
    func search(_ request: SearchRequest, archivist: String) throws(ArchiveError) -> SearchPage {
        try self.snapshot { () throws(ArchiveError) in
            let limit = min(max(request.limit, 1), 100)
            let isRanked = request.order == .rank
            let most = isRanked ? SearchRequest.candidates : limit
            var candidates = try self.candidates(request, archivist: archivist, limit: most + 1)
            let isCut = candidates.count > most
            if isCut { candidates.removeLast() }
            let top = candidates.first?.document ?? 0
            Self.rank(&candidates)
            if isRanked {
                func place(_ candidate: Candidate) -> SearchPosition {
                    SearchPosition(rank: candidate.rank, document: candidate.document, archivist: archivist)
                }
                if let after = request.after { candidates.removeAll { place($0) >= after } }
                candidates.sort { ($0.rank, $0.document) > ($1.rank, $1.document) }
            }
            return SearchPage(
                hits: try self.hits(Array(candidates.prefix(limit)), of: request.query),
                hasMore: isRanked ? candidates.count > limit : isCut, isCut: isRanked && isCut, top: top)
        }
    }

    /// Runs `body` on one state of the file.
    private func snapshot<Result>(_ body: () throws(ArchiveError) -> Result) throws(ArchiveError) -> Result {
        try self.run("BEGIN")
        do throws(ArchiveError) {
            let result = try body()
            try self.run("COMMIT")
            return result
        } catch {
            try? self.run("ROLLBACK")
            throw error
        }
    }

    /// The newest matches, newest first.
    private func candidates(
        _ request: SearchRequest, archivist: String, limit: Int
    ) throws(ArchiveError) -> [Candidate] {
        var match = "{text} : (\(request.query.expression))"
        // Agent and user are words of the index too: a user's few messages are found among millions with a common word.
        for (letter, name) in [("a", request.agent), ("u", request.user)] {
            guard let name else { continue }
            let word = letter + name.filter { $0 != "-" && $0 != "\"" && $0 != "\0" }
            match += " AND {who} : \"\(word)\""
        }
        var last = request.to.map { Document.first(at: $0) - 1 } ?? Int64.max
        if request.order == .time, let after = request.after {
            last = min(last, archivist < after.archivist ? after.document : after.document - 1)
        }
        if let top = request.top { last = min(last, top) }
        let statement = try self.statement(
            // The index alone decides the order of the loops: it answers in the order of its documents.
            """
            SELECT search.rowid, m.handover, m.seq, sojourn_counts(search)
            FROM search CROSS JOIN messages m ON m.doc = search.rowid
                CROSS JOIN sessions s ON s.handover = m.handover
            WHERE search MATCH ?1 AND search.rowid BETWEEN ?2 AND ?3 AND s.state IN ('committed', 'live')
                AND (?4 IS NULL OR s.agent = ?4) AND (?5 IS NULL OR s.user = ?5)
            ORDER BY search.rowid DESC LIMIT ?6
            """)
        return try statement.all(
            match, Document.first(at: request.from ?? 0), last, request.agent, request.user, limit, read: Candidate.init
        )
    }

    /// How well each matches. The formula is that of BM25, but how rare a word is counts among the candidates: to count it
    /// among all messages would mean to read them all.
    private static func rank(_ candidates: inout [Candidate]) {
        let phrases = (candidates.first?.counts.count ?? 1) - 1
        guard phrases > 0 else { return }
        let total = Double(candidates.count)
        let rarity = (1...phrases).map { phrase in
            1 + log((total + 1) / (Double(candidates.count { $0.counts[phrase] > 0 }) + 1))
        }
        for index in candidates.indices {
            let counts = candidates[index].counts
            // 20 words count as the usual length, here and on other archivists.
            let length = 1.2 * (0.25 + 0.75 * Double(counts[0]) / 20)
            var score = 0.0
            for phrase in 1...phrases where counts[phrase] > 0 {
                let count = Double(counts[phrase])
                score += rarity[phrase - 1] * count * 2.2 / (count + length)
            }
            candidates[index].rank = Int((score * 1_000).rounded())
        }
    }

    // MARK: The page

    private func hits(_ candidates: [Candidate], of query: SearchQuery) throws(ArchiveError) -> [SearchHit] {
        if candidates.isEmpty { return [] }
        // The index has no text of its own, so the page gets an index that has: FTS5 marks what matches there.
        try self.execute(
            """
            CREATE VIRTUAL TABLE IF NOT EXISTS temp.page USING fts5(text, tokenize = 'sojourn');
            DELETE FROM temp.page;
            """)
        let copy = try self.statement(
            """
            INSERT INTO temp.page (rowid, text)
            SELECT ?, \(Schema.text(of: "body")) FROM events WHERE handover = ? AND seq = ?
            """)
        for (place, candidate) in candidates.enumerated() { try copy.run(place, candidate.handover, candidate.seq) }
        var snippets: [Int: String] = [:]
        let marks = try self.statement(
            "SELECT rowid, snippet(page, 0, char(2), char(3), '…', 24) FROM temp.page WHERE page MATCH ?")
        for (place, snippet) in try marks.all(query.expression, read: { ($0.int(0), $0.text(1)) }) {
            snippets[place] = snippet
        }
        var hits: [SearchHit] = []
        let details = try self.statement(
            """
            SELECT s.id, e.at, e.type, s.agent, s.user, s.state = 'live'
            FROM events e JOIN sessions s ON s.handover = e.handover WHERE e.handover = ? AND e.seq = ?
            """)
        for (place, candidate) in candidates.enumerated() {
            let hit = try details.first(candidate.handover, candidate.seq) { row in
                SearchHit(
                    session: row.text(0), seq: candidate.seq, at: row.integer(1), type: row.text(2), agent: row.text(3),
                    user: row.text(4), isLive: row.integer(5) == 1, snippet: snippets[place] ?? "",
                    rank: candidate.rank, document: candidate.document)
            }
            if let hit { hits.append(hit) }
        }
        return hits
    }
}
