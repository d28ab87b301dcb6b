import Testing

@testable import SojournArchive

@Suite struct `A session that Redis has again` {
    private func served(_ archive: Archive, _ id: String) async throws -> ServedSession {
        try #require(try await archive.served().first { $0.id == id })
    }

    @Test func `the newest hand-overs come first, page by page`() async throws {
        try await withArchive { (archive: Archive) async throws in
            for number in 1...7 { try await archive.commit([transcript("s\(number)")]) }
            var found: [ServedSession] = []
            while true {
                let page = try await archive.served(before: found.last, limit: 3)
                found += page
                if page.count < 3 { break }
            }
            #expect(found.map(\.id) == (1...7).reversed().map { "s\($0)" })
            #expect(found.map(\.archivedAt) == found.map(\.archivedAt).sorted(by: >))
        }
    }

    @Test func `they come in the order in which Redis let them go, whatever the node's clock said`() async throws {
        try await withArchive { (archive: Archive) async throws in
            func settle(_ id: String, at: Int64) async throws {
                let settlement = Settlement(id: id, token: token(1), outcome: .committed, at: at)
                #expect(try await archive.settle([settlement]) == [.committed])
            }
            for (id, at) in [("first", 1000), ("last", 3000), ("second", 2000)] as [(String, Int64)] {
                #expect(try await archive.prepare([transcript(id)]) == [.prepared])
                try await settle(id, at: at)
            }
            #expect(try await archive.served().map(\.id) == ["last", "second", "first"])
            // Redis had forgotten the first, and let it go again.
            try await settle("first", at: 4000)
            try await settle("last", at: 2)
            #expect(try await archive.served().map(\.archivedAt) == [4000, 3000, 2000])
            #expect(try await archive.served().map(\.id) == ["first", "last", "second"])
        }
    }

    @Test func `it is served no more, goes on as if it had been followed, and its new end takes its place`()
        async throws
    {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", count: 5)])
            #expect(try await archive.reopen([self.served(archive, "s")]).isEmpty)
            #expect(try await !archive.exists("s"))
            #expect(try await archive.open("s")?.head == 5)
            // Redis has the first three, and two others after them.
            let other = (4...6).map { event($0, epoch: "ffff0000.2") }
            let end = transcript("s", token: token(2), events: (1...3).map { event($0) } + other)
            #expect(try await archive.prepare([end]) == [.prepared])
            let settlement = Settlement(id: "s", token: token(2), outcome: .committed)
            #expect(try await archive.settle([settlement]) == [.committed])
            #expect(try await archive.all("s") == end.events)
            #expect(try await archive.lostEvents("s").map(\.event) == [event(4), event(5)])
        }
    }

    @Test func `what another archivist has is kept aside, and a purge finds it`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", user: "user")])
            #expect(try await archive.reopen([self.served(archive, "s")]).isEmpty)
            #expect(try await archive.forget(["s"]) == 1)
            #expect(try await archive.quarantined().map(\.eventCount) == [5])
            _ = try await archive.carryOut(Purge(number: 1, kind: .user, id: "user", at: 10))
            #expect(try await archive.count("SELECT count(*) FROM events") == 0)
        }
    }

    @Test func `one that is handed over again just now is left alone`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s")])
            let old = try await self.served(archive, "s")
            let rest = transcript("s", token: token(2), events: [event(6)])
            #expect(try await archive.prepare([rest]) == [.prepared])
            #expect(try await archive.reopen([old]) == [old])
            #expect(try await archive.exists("s"))
            let settlement = Settlement(id: "s", token: token(2), outcome: .committed)
            #expect(try await archive.settle([settlement]) == [.committed])
            // It is another one by now.
            #expect(try await archive.reopen([old]).isEmpty)
            #expect(try await archive.all("s").count == 6)
        }
    }
}
