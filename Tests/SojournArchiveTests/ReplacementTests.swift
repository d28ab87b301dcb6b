import SojournCore
import Testing

@testable import SojournArchive

@Suite struct `Handing over again` {
    private func commit(_ id: String, _ token: HandoverToken) -> [Settlement] {
        [Settlement(id: id, token: token, outcome: .committed)]
    }

    private let old = (1...6).map { event($0) }
    /// Branches off after event 3 and ends earlier.
    private let new = (1...3).map { event($0) } + [event(4, epoch: "ffff0000.2"), event(5, epoch: "ffff0000.2")]

    @Test func `the first stays served until the second commits, and what differed is kept as lost`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", token: token(1), events: self.old)])
            #expect(try await archive.prepare([transcript("s", token: token(2), events: self.new)]) == [.prepared])
            #expect(try await archive.all("s") == self.old)
            #expect(try await archive.lostEvents("s").isEmpty)

            #expect(try await archive.settle(self.commit("s", token(2))) == [.committed])
            #expect(try await archive.all("s") == self.new)
            #expect(try await archive.session("s")?.token == token(2))
            let lost = try await archive.lostEvents("s")
            #expect(lost.map(\.event) == Array(self.old[3...]))
            #expect(lost.allSatisfy { $0.token == token(1) && $0.replacedBy == token(2) })
            let stats = try await archive.stats()
            #expect(stats.committed == 1)
            #expect(stats.events == 5)
            #expect(stats.lostEvents == 3)
            #expect(try await archive.list(limit: 10).sessions.count == 1)
        }
    }

    @Test func `a second hand-over that is discarded changes nothing`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", token: token(1), events: self.old)])
            _ = try await archive.prepare([transcript("s", token: token(2), events: self.new)])
            let discard = Settlement(id: "s", token: token(2), outcome: .discarded)
            #expect(try await archive.settle([discard]) == [.discarded])
            #expect(try await archive.all("s") == self.old)
            #expect(try await archive.stats().lostEvents == 0)
        }
    }

    @Test func `an unsettled hand-over gives way to a later one at once`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.prepare([transcript("s", token: token(1), events: self.old)])
            #expect(try await archive.prepare([transcript("s", token: token(2), events: self.new)]) == [.prepared])
            #expect(try await archive.prepared().map(\.token) == [token(2)])
            #expect(try await archive.lostEvents("s").map(\.event) == Array(self.old[3...]))
            #expect(try await archive.settle(self.commit("s", token(1))) == [.unknown])
            #expect(try await archive.settle(self.commit("s", token(2))) == [.committed])
            #expect(try await archive.all("s") == self.new)
        }
    }

    @Test func `equal events are not lost`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", token: token(1), events: self.old)])
            try await archive.commit([transcript("s", token: token(2), events: self.old + [event(7)])])
            #expect(try await archive.all("s") == self.old + [event(7)])
            #expect(try await archive.lostEvents("s").isEmpty)
        }
    }

    @Test(arguments: [
        event(2, text: "another body"), event(2, epoch: "ffff0000.2"), event(2, type: "system.message"),
        TranscriptEvent(seq: 2, epoch: "0a1b2c3d.1", at: 1, type: "agent.message", body: event(2).body),
    ])
    func `any difference counts`(_ different: TranscriptEvent) async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", token: token(1), count: 3)])
            try await archive.commit([transcript("s", token: token(2), events: [event(1), different, event(3)])])
            #expect(try await archive.all("s") == [event(1), different, event(3)])
            #expect(try await archive.lostEvents("s").map(\.event) == [event(2), event(3)])
        }
    }

    @Test func `a hand-over that begins later continues the first`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", token: token(1), events: Array(self.old[..<4]))])
            try await archive.commit([transcript("s", token: token(2), events: [event(4), event(5), event(6)])])
            #expect(try await archive.all("s") == self.old)
            let session = try #require(try await archive.session("s"))
            #expect(session.eventCount == 6)
            #expect(session.bytes == self.old.reduce(0) { $0 + $1.body.count })
            #expect(try await archive.lostEvents("s").isEmpty)
        }
    }

    @Test func `an older token is refused`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([transcript("s", token: token(5))])
            _ = try await archive.prepare([transcript("t", token: token(5))])
            let results = try await archive.prepare([
                transcript("s", token: token(4), count: 9), transcript("t", token: token(4), count: 9),
                transcript("u", token: token(4)),
            ])
            #expect(results == [.stale(stored: token(5)), .stale(stored: token(5)), .prepared])
            #expect(try await archive.all("s").count == 5)
        }
    }

    @Test func `tokens of one number are told apart by their random part`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.prepare([transcript("s", token: token(5, "a"), events: self.old)])
            _ = try await archive.prepare([transcript("s", token: token(5, "b"), events: self.new)])
            #expect(try await archive.settle(self.commit("s", token(5, "a"))) == [.unknown])
            #expect(try await archive.settle(self.commit("s", token(5, "b"))) == [.committed])
            #expect(try await archive.all("s") == self.new)
        }
    }

    @Test func `a quarantined hand-over neither refuses nor replaces a later one`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.prepare([transcript("s", token: token(5), events: self.old)])
            let aside = Settlement(id: "s", token: token(5), outcome: .quarantined)
            #expect(try await archive.settle([aside]) == [.quarantined])
            try await archive.commit([transcript("s", token: token(6), events: self.new)])
            #expect(try await archive.quarantined().map(\.token) == [token(5)])
            #expect(try await archive.settle(self.commit("s", token(5))) == [.stale])
            #expect(try await archive.all("s") == self.new)
            #expect(try await archive.quarantined().first?.eventCount == 6)
        }
    }

    @Test func `replaced events are reported to the log`() async throws {
        let folder = try TemporaryFolder()
        let recorder = Recorder()
        let archive = try await Archive.open(path: folder.file(), log: recorder.log)
        try await archive.commit([transcript("s", token: token(1), events: self.old)])
        #expect(recorder.messages(.warning).isEmpty)
        try await archive.commit([transcript("s", token: token(2), events: self.new)])
        #expect(recorder.messages(.warning).count == 1)
        await archive.close()
    }
}
