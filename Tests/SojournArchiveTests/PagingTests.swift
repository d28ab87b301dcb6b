import Testing

@testable import SojournArchive

@Suite struct Paging {
    @Test(arguments: [1, 7, 100])
    func `pages in both directions add up to the whole`(limit: Int) async throws {
        try await withArchive { (archive: Archive) async throws in
            let whole = transcript("s", count: 100)
            try await archive.commit([transcript("before", count: 20), whole, transcript("after", count: 20)])
            var forward: [TranscriptEvent] = []
            var more = true
            while more {
                let page = try await archive.events("s", after: forward.last?.seq, limit: limit)
                #expect(page.events.count == min(limit, 100 - forward.count))
                forward += page.events
                more = page.hasMore
            }
            #expect(forward == whole.events)
            var backward: [TranscriptEvent] = []
            more = true
            while more {
                let page = try await archive.events("s", before: backward.last?.seq, limit: limit, newestFirst: true)
                #expect(page.events.count == min(limit, 100 - backward.count))
                backward += page.events
                more = page.hasMore
            }
            #expect(backward == whole.events.reversed())
        }
    }

    @Test func `both bounds and the types count together`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", count: 30)])
            let messages = try await archive.events(
                "s", after: 10, before: 20, limit: 3, types: ["agent.message", "x"])
            #expect(messages.events.map(\.seq) == [12, 14, 16])
            #expect(messages.hasMore)
            let rest = try await archive.events("s", after: 16, before: 20, limit: 3, types: ["agent.message"])
            #expect(rest.events.map(\.seq) == [18])
            #expect(!rest.hasMore)
            #expect(try await archive.events("s", limit: 3, types: []).events.isEmpty)
            #expect(try await archive.events("s", limit: 0).events.map(\.seq) == [1])
            #expect(try await archive.events("nobody", limit: 3).events.isEmpty)
        }
    }

    @Test(arguments: [1, 7, 100])
    func `the list is newest first and complete, also among equal times`(limit: Int) async throws {
        try await withArchive { (archive: Archive) async throws in
            let ended = (0..<40).map {
                transcript("s\($0)", agent: "a\($0 % 2)", user: "u\($0 % 3)", endedAt: Int64($0 / 5), count: 1)
            }
            try await archive.commit(ended)
            _ = try await archive.prepare([transcript("prepared", agent: "a0", user: "u0", endedAt: 9)])
            for (agent, user) in [(nil, nil), ("a1", nil), (nil, "u2"), ("a1", "u2"), ("nobody", nil)]
                as [(String?, String?)]
            {
                let wanted = ended.map(\.header)
                    .filter { (agent ?? $0.agent) == $0.agent && (user ?? $0.user) == $0.user }
                    .sorted { ($0.endedAt, $0.id) > ($1.endedAt, $1.id) }
                var got: [SessionHeader] = []
                var position: ListPosition?
                var more = true
                while more {
                    let page = try await archive.list(agent: agent, user: user, limit: limit, before: position)
                    got += page.sessions.map(\.header)
                    (position, more) = (page.end, page.hasMore)
                }
                #expect(got == wanted)
            }
        }
    }

    @Test(arguments: [false, true], [false, true])
    func `no list is sorted or scanned`(agent: Bool, user: Bool) async throws {
        try await withArchive { (archive: Archive) async throws in
            for before in [false, true] {
                let plan = try await archive.plan(Connection.listQuery(agent: agent, user: user, before: before))
                #expect(
                    plan.allSatisfy { $0.hasPrefix("SEARCH") || ($0.hasPrefix("SCAN") && !before && !agent && !user) })
            }
        }
    }

    @Test func `events are found by their key, counts come from an index alone`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let events = try await archive.plan(
                """
                SELECT body FROM events
                WHERE handover = (SELECT handover FROM sessions WHERE id = ? AND state = 'committed')
                    AND seq > ? AND seq < ? ORDER BY seq DESC
                """)
            #expect(events.allSatisfy { !$0.contains("SCAN ") && !$0.contains("TEMP B-TREE") })
            #expect(try await archive.sources(Connection.servedTotals) == ["sessions_by_coming"])
            #expect(try await archive.sources(Connection.unservedTotals) == ["sessions_unserved"])
        }
    }
}

extension Archive {
    /// The tables and indexes of which SQLite would read columns for a statement.
    fileprivate func sources(_ sql: String) async throws -> Set<String> {
        try await self.read { connection throws(ArchiveError) in
            let names = try connection.statement("SELECT rootpage, name FROM sqlite_schema")
                .all { (page: $0.integer(0), name: $0.text(1)) }
            let program = try connection.statement("EXPLAIN \(sql)")
                .all { (operation: $0.text(1), cursor: $0.integer(2), page: $0.integer(3)) }
            let read = Set(program.filter { $0.operation == "Column" }.map(\.cursor))
            let opened = program.filter { $0.operation == "OpenRead" && read.contains($0.cursor) }
            return Set(names.filter { name in opened.contains { $0.page == name.page } }.map(\.name))
        }
    }

    /// How SQLite would run a statement.
    fileprivate func plan(_ sql: String) async throws -> [String] {
        try await self.read { connection throws(ArchiveError) in
            try connection.statement("EXPLAIN QUERY PLAN \(sql)").all { $0.text(3) }
        }
    }
}
