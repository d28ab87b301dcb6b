import Testing

@testable import SojournArchive

@Suite struct `Writing behind a live session` {
    private func stretch(_ id: String, _ events: [TranscriptEvent], head: Int? = nil, first: Int = 1) -> LiveStretch {
        LiveStretch(
            id: id, agent: "agent", user: "user", key: nil, createdAt: 1, info: Array("{}".utf8), first: first,
            head: head ?? events.last?.seq ?? 0, events: events)
    }

    private func kept(_ archive: Archive, _ id: String) async throws -> [TranscriptEvent] {
        try await archive.kept(id, from: 1, to: 1000, limit: 1000, newestFirst: false)
    }

    @Test func `stretches add up, repeating one is harmless, and nothing of it is served as archived`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let first = self.stretch("s", (1...3).map { event($0) }, head: 5)
            #expect(try await archive.follow([first]) == [.held(upTo: 3)])
            #expect(try await archive.follow([first]) == [.held(upTo: 3)])
            let overlapping = self.stretch("s", (2...5).map { event($0) })
            #expect(try await archive.follow([overlapping]) == [.held(upTo: 5)])
            #expect(try await self.kept(archive, "s") == (1...5).map { event($0) })
            #expect(try await archive.kept("s", from: 2, to: 4, limit: 2, newestFirst: true) == [event(4), event(3)])
            #expect(try await archive.session("s") == nil)
            #expect(try await archive.all("s").isEmpty)
            #expect(try await archive.open("s")?.head == 5)
            #expect(try await archive.stats().live == 1)
            #expect(try await archive.count("SELECT event_count = 5 AND bytes > 50 FROM sessions") == 1)
        }
    }

    @Test func `a stretch that leaves a hole is refused`() async throws {
        try await withArchive { (archive: Archive) async throws in
            #expect(try await archive.follow([self.stretch("s", [event(2)])]) == [.missing(after: 0)])
            #expect(try await archive.follow([self.stretch("s", [event(1)])]) == [.held(upTo: 1)])
            #expect(try await archive.follow([self.stretch("s", [event(3)])]) == [.missing(after: 1)])
            #expect(try await self.kept(archive, "s") == [event(1)])
            // What is known to be lost is no hole.
            let late = self.stretch("t", [event(4), event(5)], first: 4)
            #expect(try await archive.follow([late]) == [.held(upTo: 5)])
        }
    }

    @Test func `what a failover lost is dropped, when the log goes on and when it does not`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.follow([self.stretch("s", (1...6).map { event($0) })])
            let other = (4...5).map { event($0, epoch: "ffff0000.2") }
            #expect(try await archive.follow([self.stretch("s", [event(3)] + other)]) == [.held(upTo: 5)])
            #expect(try await self.kept(archive, "s") == (1...3).map { event($0) } + other)
            #expect(try await archive.lostEvents("s").map(\.event) == (4...6).map { event($0) })
            #expect(try await archive.follow([self.stretch("s", [], head: 4)]) == [.held(upTo: 4)])
            #expect(try await self.kept(archive, "s").count == 4)
            #expect(try await archive.open("s")?.head == 4)
            #expect(
                try await archive.count(
                    """
                    SELECT event_count = 4 AND bytes = (SELECT sum(length(body)) FROM events) FROM sessions
                    """) == 1)
        }
    }

    @Test func `the hand-over brings the rest, and each event is served once`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.follow([self.stretch("s", (1...6).map { event($0) })])
            let branch = [event(6, epoch: "ffff0000.2"), event(7, epoch: "ffff0000.2")]
            let rest = transcript("s", token: token(9), events: [event(5)] + branch)
            #expect(try await archive.prepare([rest]) == [.prepared])
            #expect(try await archive.open("s") == nil)
            #expect(try await archive.all("s").isEmpty)
            #expect(try await self.kept(archive, "s") == (1...5).map { event($0) } + branch)
            // A stretch that was read before the end comes too late.
            #expect(try await archive.follow([self.stretch("s", [event(7)])]) == [.ended])
            let settlement = Settlement(id: "s", token: token(9), outcome: .committed)
            #expect(try await archive.settle([settlement]) == [.committed])
            #expect(try await archive.all("s") == (1...5).map { event($0) } + branch)
            let session = try #require(try await archive.session("s"))
            #expect(session.eventCount == 7 && session.header.head == 7 && session.header.reason == .expired)
            #expect(try await archive.lostEvents("s").map(\.event) == [event(6)])
            #expect(try await archive.follow([self.stretch("s", [event(8)])]) == [.ended])
        }
    }

    @Test func `a hand-over whose beginning the archive does not have is refused`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let late = transcript("s", events: [event(3), event(4)])
            guard case .incomplete = try await archive.prepare([late]).first else {
                Issue.record("a hole was accepted")
                return
            }
            _ = try await archive.follow([self.stretch("s", [event(1)])])
            guard case .incomplete = try await archive.prepare([late]).first else {
                Issue.record("a hole was accepted")
                return
            }
            let partial = Transcript(
                header: late.header, token: late.token, info: late.info, events: late.events, isPartial: true)
            _ = try await archive.forget(["s"])
            #expect(try await archive.prepare([partial]) == [.prepared])
        }
    }

    @Test func `open hand-overs are listed, forgotten and put in quarantine`() async throws {
        try await withArchive { (archive: Archive) async throws in
            for id in ["a", "b", "c"] { _ = try await archive.follow([self.stretch(id, [event(1)])]) }
            let all = try await archive.open(after: 0)
            #expect(all.map(\.id) == ["a", "b", "c"])
            #expect(try await archive.open(after: all[1].handover).map(\.id) == ["c"])
            #expect(try await archive.forget(["a", "x"]) == 1)
            #expect(try await archive.quarantine(["b"]) == 1)
            #expect(try await archive.quarantined().map(\.header.id) == ["b"])
            #expect(try await archive.open(after: 0).map(\.id) == ["c"])
            #expect(try await archive.count("SELECT count(*) FROM events") == 2)
        }
    }

    @Test func `a file from before there were open hand-overs keeps what it has`() async throws {
        let folder = try TemporaryFolder()
        let old = try await openArchive(folder.file(), migrations: [Schema.migrations[0]])
        _ = try await old.write { connection throws(ArchiveError) in
            try connection.execute(
                """
                INSERT INTO sessions VALUES (7, 's', 'agent', 'user', NULL, 1, 2, 'ended', 1, 'committed', 1, 'r',
                    x'7b7d', 1, 2, 3);
                INSERT INTO events VALUES (7, 1, 'e.1', 5, 'user.message', x'7b7d');
                """)
        }
        await old.close()
        let archive = try await openArchive(folder.file())
        #expect(try await archive.all("s").count == 1)
        #expect(try await archive.session("s")?.header.reason == .ended)
        #expect(try await archive.follow([self.stretch("t", [event(1)])]) == [.held(upTo: 1)])
        // The events are still bound to their sessions.
        _ = try await archive.write { connection throws(ArchiveError) in
            try connection.run("DELETE FROM sessions WHERE id = 's'")
        }
        #expect(try await archive.count("SELECT count(*) FROM events") == 1)
        #expect(try await archive.count("SELECT count(*) FROM pragma_foreign_key_check") == 0)
        await archive.close()
    }
}
