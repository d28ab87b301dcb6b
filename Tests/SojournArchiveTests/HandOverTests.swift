import Testing

@testable import SojournArchive

@Suite struct `Handing over` {
    @Test func `a prepared session is not served`() async throws {
        try await withArchive { (archive: Archive) async throws in
            #expect(try await archive.prepare([transcript("s")]) == [.prepared])
            #expect(try await archive.session("s") == nil)
            #expect(try await !archive.exists("s"))
            #expect(try await archive.events("s", limit: 100) == EventPage(events: [], hasMore: false))
            #expect(try await archive.list(limit: 100).sessions.isEmpty)
            let waiting = try await archive.prepared()
            #expect(waiting.map(\.header) == [transcript("s").header])
            #expect(waiting.first?.token == token(1))
            #expect(waiting.first?.eventCount == 5)
        }
    }

    @Test func `a committed session serves each event once, in order, byte for byte`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let bodies = [
                "", "\u{0}null byte", "{\"text\":\"gr\u{fc}\u{df}e \u{1F600}\"}",
                String(repeating: "x", count: 300_000),
            ]
            let events = bodies.enumerated().map { event($0 + 1, text: $1) }
            let header = SessionHeader(
                id: "s", agent: "a", user: "u", key: "chat:\u{e9}", createdAt: 11, endedAt: 22, reason: .ended, head: 4)
            let whole = Transcript(header: header, token: token(7, "q"), info: Array("{\"n\":[]}".utf8), events: events)
            try await archive.commit([whole])
            #expect(try await archive.all("s") == events)
            let session = try #require(try await archive.session("s"))
            #expect(session.header == header)
            #expect(session.token == token(7, "q"))
            #expect(session.info == whole.info)
            #expect(session.eventCount == 4)
            #expect(session.bytes == events.reduce(0) { $0 + $1.body.count })
            #expect(try await archive.exists("s"))
            #expect(try await archive.prepared().isEmpty)
        }
    }

    @Test func `a session without events or metadata is served too`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", count: 0, info: [])])
            let session = try #require(try await archive.session("s"))
            #expect(session.info == [])
            #expect(session.eventCount == 0)
            #expect(try await archive.all("s") == [])
        }
    }

    @Test func `a discarded session leaves nothing`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.prepare([transcript("s"), transcript("t")])
            let results = try await archive.settle([
                Settlement(id: "s", token: token(1), outcome: .discarded),
                Settlement(id: "t", token: token(1, "other"), outcome: .discarded),
                Settlement(id: "nobody", token: token(1), outcome: .committed),
            ])
            #expect(results == [.discarded, .unknown, .unknown])
            #expect(try await archive.prepared().map(\.header.id) == ["t"])
            #expect(try await archive.count("SELECT count(*) FROM events") == 5)
        }
    }

    @Test func `nothing discards a committed session`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s")])
            let discard = Settlement(id: "s", token: token(1), outcome: .discarded)
            #expect(try await archive.settle([discard]) == [.unknown])
            #expect(try await archive.all("s").count == 5)
        }
    }

    @Test func `repeating a step changes nothing`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let whole = transcript("s")
            let commit = Settlement(id: "s", token: token(1), outcome: .committed)
            #expect(try await archive.prepare([whole]) == [.prepared])
            #expect(try await archive.prepare([whole, whole]) == [.prepared, .prepared])
            #expect(try await archive.settle([commit, commit]) == [.committed, .committed])
            #expect(try await archive.settle([commit]) == [.committed])
            #expect(try await archive.prepare([whole]) == [.alreadyCommitted])
            #expect(try await archive.all("s") == whole.events)
            #expect(try await archive.lostEvents("s").isEmpty)
            #expect(try await archive.count("SELECT count(*) FROM events") == 5)
        }
    }

    @Test func `a transcript with a hole is refused alone`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let hole = transcript("hole", events: [event(1), event(3)])
            let results = try await archive.prepare([
                transcript("s"), hole, transcript("double", events: [event(1), event(1), event(2)]), transcript("t"),
            ])
            #expect(results[0] == .prepared)
            #expect(results[1] == .incomplete("it has 2 events up to head 3, so seq 2 was expected where 1 stands"))
            #expect(results[2] == .incomplete("it has 3 events, but its head is 2"))
            #expect(results[3] == .prepared)
            #expect(try await archive.prepared().map(\.header.id) == ["s", "t"])
        }
    }

    @Test func `quarantined sessions are kept and counted, never served, until a person commits them`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.prepare([transcript("s"), transcript("t")])
            let aside = Settlement(id: "s", token: token(1), outcome: .quarantined)
            #expect(try await archive.settle([aside]) == [.quarantined])
            #expect(try await archive.quarantine(["s", "t", "nobody"]) == 0, "those that are open")
            #expect(try await archive.quarantined().map(\.header.id) == ["s"])
            #expect(try await archive.prepared().map(\.header.id) == ["t"])
            #expect(try await !archive.exists("s"))
            #expect(try await archive.stats().quarantined == 1)
            let discard = Settlement(id: "s", token: token(1), outcome: .discarded)
            #expect(try await archive.settle([discard]) == [.unknown])
            let commit = Settlement(id: "s", token: token(1), outcome: .committed)
            #expect(try await archive.settle([commit]) == [.committed])
            #expect(try await archive.all("s").count == 5)
            #expect(try await archive.quarantined().isEmpty)
        }
    }

    @Test func `the counts are those of what is served`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s"), transcript("t", count: 3)])
            _ = try await archive.prepare([transcript("u")])
            let stats = try await archive.stats()
            #expect(stats.committed == 2)
            #expect(stats.prepared == 1)
            #expect(stats.events == 8)
            #expect(
                stats.bytes == (1...5).reduce(0) { $0 + event($1).body.count }
                    + (1...3).reduce(0) { $0 + event($1).body.count })
            #expect(stats.fileBytes > 4_096)
        }
    }

    @Test func `a refused hand-over is open again, or kept aside beside another of its session`() async throws {
        try await withArchive { (archive: Archive) async throws in
            #expect(try await archive.prepare([transcript("s", count: 5)]) == [.prepared])
            let reopen = Settlement(id: "s", token: token(1), outcome: .reopened)
            #expect(try await archive.settle([reopen]) == [.reopened])
            #expect(try await archive.open("s")?.head == 5)
            #expect(try await archive.settle([reopen]) == [.unknown])
            // Its new end takes its place; where Redis lost the last event, that is lost.
            let end = transcript("s", token: token(2), events: (1...4).map { event($0) })
            #expect(try await archive.prepare([end]) == [.prepared])
            #expect(try await archive.lostEvents("s").map(\.event) == [event(5)])
            #expect(
                try await archive.settle([Settlement(id: "s", token: token(2), outcome: .committed)]) == [.committed])
            #expect(try await archive.prepare([transcript("s", token: token(3), count: 6)]) == [.prepared])
            let again = Settlement(id: "s", token: token(3), outcome: .reopened)
            #expect(try await archive.settle([again]) == [.quarantined])
            #expect(try await archive.all("s") == end.events)
            // One that nobody explains.
            #expect(try await archive.prepare([transcript("t")]) == [.prepared])
            let aside = Settlement(id: "t", token: token(1), outcome: .quarantined)
            #expect(try await archive.settle([aside]) == [.quarantined])
            #expect(try await archive.quarantined().map(\.header.id).sorted() == ["s", "t"])
        }
    }
}

extension Archive {
    /// One integer straight from the file.
    func count(_ sql: String) async throws -> Int64? {
        try await self.read { connection throws(ArchiveError) in try connection.integer(sql) }
    }
}
