import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournArchive
@testable import SojournStore

@Suite struct ArchivistTests {
    /// Makes sessions with a few messages each, and returns their logs as they will be when they have ended.
    private func conversations(_ count: Int, saying text: String = "message", on node: StoreNode) async throws
        -> [Session]
    {
        var sessions: [Session] = []
        for number in 0..<count {
            let session = try await node.session()
            for message in 0..<number % 4 { try await node.say("\(text) \(message)", in: session) }
            sessions.append(session)
        }
        return sessions
    }

    /// Which archive serves each session whole; fails when a session is served twice, or not as its log was.
    private func served(_ sessions: [Session], by archives: [Archive], closing type: String) async throws -> [Int] {
        var shares = archives.map { _ in 0 }
        for (number, session) in sessions.enumerated() {
            var found: [Int] = []
            for (place, archive) in archives.enumerated() {
                guard try await archive.exists(session.id.text) else { continue }
                found.append(place)
                let events = try await archive.events(session.id.text, limit: 1000).events
                #expect(events.map(\.seq) == Array(1...number % 4 + 2))
                #expect(events.first?.type == "session.created" && events.last?.type == type)
            }
            #expect(found.count == 1, "session \(number) is served by \(found)")
            for place in found { shares[place] += 1 }
        }
        return shares
    }

    private func keys(of server: RedisServer, _ pattern: String) throws -> Int {
        try server.client().send("KEYS", pattern).array.count
    }

    @Test func `a transaction takes sessions until they are many or long, and one at least`() {
        #expect(Archivist.batchSize([]) == 0)
        #expect(Archivist.batchSize(Array(repeating: 10, count: 1000)) == Archivist.batch)
        #expect(Archivist.batchSize([Archivist.eventsHeld + 1, 1]) == 1)
        #expect(Archivist.batchSize([Archivist.eventsHeld - 1, 1, 1]) == 2)
    }

    @Test func `two archivists share the work, and each session is served once`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let b = try await StoreNode.start(on: server, name: "b", archivePath: folder.file("b.sqlite"))
        let archives = try [#require(a.archive), #require(b.archive)]
        try await eventually { try server.client().send("ZCARD", "sj:archivists") == .int(2) }
        // One of them may take a whole round before the other looks: then there is another round.
        var sessions: [Session] = []
        var shares = [0, 0]
        for _ in 0..<20 where shares.contains(0) {
            let round = try await self.conversations(60, on: a)
            for (number, session) in round.enumerated() {
                try await (number % 2 == 0 ? a : b).store.end(session.id.text)
            }
            sessions += round
            let expected = sessions.count
            try await eventually { try await self.committed(archives) == expected }
            #expect(try await a.store.list().counts.ended == 0)
            shares = try await self.served(sessions, by: archives, closing: "session.ended")
        }
        #expect(shares.allSatisfy { $0 > 0 }, "\(shares)")
        // Nothing is left but tombstones.
        #expect(try self.keys(of: server, "sj:*:[sbl]:*") == 0)
        #expect(try self.keys(of: server, "sj:*:t:*") == sessions.count)
        let error = await #expect(throws: StoreError.self) { try await b.store.session(sessions[0].id.text) }
        #expect(error?.code == .sessionNotFound)
        await a.stop()
        await b.stop()
    }

    private func committed(_ archives: [Archive]) async throws -> Int {
        var total = 0
        for archive in archives {
            var position: ListPosition?
            repeat {
                let page = try await archive.list(limit: 1000, before: position)
                total += page.sessions.count
                position = page.end
            } while position != nil
        }
        return total
    }

    @Test func `expired sessions are archived by whoever swept them`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let b = try await StoreNode.start(on: server, name: "b")
        let sessions = try await self.conversations(60, on: b)
        try await a.store.advanceTestClock(milliseconds: 31 * 60_000)
        let archive = try #require(a.archive)
        try await eventually(within: 20) { try await self.committed([archive]) == 60 }
        for session in sessions {
            let types = try await archive.events(session.id.text, limit: 100).events.map(\.type)
            #expect(types.last == "session.expired" && types.count { $0 == "session.expired" } == 1)
        }
        await a.stop()
        await b.stop()
    }

    @Test func `an archivist that dies with sessions prepared is succeeded, and none is served twice`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite")) {
            $0.archiveLease = 500
        }
        let archive = try #require(a.archive)
        let c = try await StoreNode.start(on: server, name: "c") { $0.archiveLease = 500 }
        let sessions = try await self.conversations(40, on: c)
        // Claimed and prepared by the first one, and never acknowledged.
        try await a.haltArchivist()
        for session in sessions.prefix(20) {
            try await c.store.end(session.id.text)
            #expect(try await a.prepareOnly(session.id))
        }
        try await a.crash()
        for session in sessions.dropFirst(20) { try await c.store.end(session.id.text) }
        let b = try await StoreNode.start(on: server, name: "b", archivePath: folder.file("b.sqlite")) {
            $0.archiveLease = 500
        }
        let other = try #require(b.archive)
        try await eventually(within: 20) { try await c.store.list().counts.ended == 0 }
        try await eventually { try await self.committed([archive, other]) == 40 }
        _ = try await self.served(sessions, by: [archive, other], closing: "session.ended")
        // It comes back, and asks Redis what became of its hand-overs.
        #expect(try await !archive.prepared().isEmpty)
        await a.stop()
        let again = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let reopened = try #require(again.archive)
        #expect(try await reopened.prepared().isEmpty)
        let shares = try await self.served(sessions, by: [reopened, other], closing: "session.ended")
        #expect(shares[0] + shares[1] == 40)
        #expect(try await reopened.stats().quarantined == 0)
        await again.stop()
        await b.stop()
        await c.stop()
    }

    @Test func `an archivist that died after Redis accepted serves what only it has`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let c = try await StoreNode.start(on: server, name: "c")
        let sessions = try await self.conversations(8, on: c)
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        // Acknowledged, and the process is gone before it has settled.
        try await a.haltArchivist()
        for session in sessions {
            try await c.store.end(session.id.text)
            #expect(try await a.prepareOnly(session.id, acknowledging: true))
        }
        #expect(try await c.store.list().counts.ended == 0)
        #expect(try await self.committed([#require(a.archive)]) == 0)
        try await a.crash()
        await a.stop()
        let again = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let archive = try #require(again.archive)
        let shares = try await self.served(sessions, by: [archive], closing: "session.ended")
        #expect(shares == [8])
        await again.stop()
        await c.stop()
    }

    @Test func `an archive that refuses leaves the sessions in Redis, says so, and recovers`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let logged = Locked<[String]>([])
        let log = Log(minimum: .notice) { event in logged.withLock { $0.append(event.message) } }
        let a = try await StoreNode.start(
            on: server, name: "a", archivePath: folder.file("a.sqlite"), log: log
        ) {
            $0.archiveLease = 500
            $0.archiveFollows = false
        }
        let archive = try #require(a.archive)
        let duties = a.store.duties
        func trouble() async throws -> String? { try await a.loops[0].run { duties.value.archiveTrouble } }
        try await archive.limit(pages: 1)
        let sessions = try await self.conversations(12, saying: String(repeating: "long ", count: 2000), on: a)
        for session in sessions { try await a.store.end(session.id.text) }
        try await eventually(within: 30, "the trouble is reported") { try await trouble() != nil }
        #expect(try await a.store.list().counts.ended == 12)
        #expect(try self.keys(of: server, "sj:*:s:*") == 12)
        let reader = try await WatchRecord.start(on: a, sessions[3])
        try await eventually { reader.isOver }
        #expect(reader.seqs == Array(1...5) && reader.error == nil)
        try await archive.limit(pages: 1 << 20)
        try await eventually(within: 30) { try await self.committed([archive]) == 12 }
        try await eventually { try await trouble() == nil }
        _ = try await self.served(sessions, by: [archive], closing: "session.ended")
        #expect(try await a.store.list().counts.ended == 0)
        #expect(logged.withLock { $0.count { $0.contains("the archive refuses sessions") } } == 1)
        #expect(logged.withLock { $0.count { $0.contains("takes sessions again") } } == 1)
        await a.stop()
    }

    @Test func `an archive that fails after Redis let go serves the sessions as soon as it can`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let archive = try #require(a.archive)
        let duties = a.store.duties
        // The archivist itself may be faster with one or the other session; that one is served at once.
        var settlements: [Settlement] = []
        var sessions = 0
        while settlements.count < 5 {
            let session = try await a.session()
            try await a.store.end(session.id.text)
            sessions += 1
            guard try await a.prepareOnly(session.id, acknowledging: true) else { continue }
            let prepared = try await archive.prepared().first { $0.header.id == session.id.text }
            let token = try #require(prepared?.token)
            settlements.append(Settlement(id: session.id.text, token: token, outcome: .committed))
        }
        try await archive.refuseWrites(true)
        try await a.loops[0].run { [settlements] in await duties.value.archivist?.settle(settlements) }
        #expect(try await a.loops[0].run { duties.value.archiveTrouble } != nil)
        #expect(try await archive.prepared().count >= 5)
        try await archive.refuseWrites(false)
        let expected = sessions
        try await eventually { try await self.committed([archive]) == expected }
        try await eventually { try await a.loops[0].run { duties.value.archiveTrouble } == nil }
        await a.stop()
    }

    @Test func `a node shuts down although Redis is gone`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite")) {
            $0.commandTimeout = 1_000
        }
        let session = try await a.session()
        server.kill9()
        // A hand-over whose acknowledgement Redis does not answer.
        let duties = a.store.duties
        let asking = Task {
            try await a.loops[0].run {
                let token = HandoverToken(major: 1, random: "0123456789abcdef")
                return await duties.value.archivist?.settlement(of: session.id.text, token: token) == nil
            }
        }
        let isDown = Locked(false)
        let stopping = Task {
            await a.stop()
            isDown.withLock { $0 = true }
        }
        try await eventually(within: 15, "the node is down") { isDown.withLock { $0 } }
        #expect(try await asking.value)
        await stopping.value
    }
}

extension Archive {
    /// Lets the file grow to at most so many pages; it never shrinks below what it has.
    fileprivate func limit(pages: Int) async throws {
        try await self.read { connection throws(ArchiveError) in
            try connection.execute("PRAGMA max_page_count = \(pages)")
        }
    }

    /// Makes every write fail, as a file system that went read-only would.
    func refuseWrites(_ refuses: Bool) async throws {
        try await self.read { connection throws(ArchiveError) in
            try connection.execute("PRAGMA query_only = \(refuses ? 1 : 0)")
        }
    }
}

extension StoreNode {
    /// Stops the archivist's own work, so that a test can do its steps.
    func haltArchivist() async throws {
        let duties = self.store.duties
        try await self.loops[0].run { await duties.value.archivist?.stop() }
    }

    /// Does the archivist's steps for one session up to what a crash leaves undone.
    ///
    /// - Returns: false when the archivist itself was faster.
    func prepareOnly(_ id: SessionID, acknowledging: Bool = false) async throws -> Bool {
        let duties = self.store.duties
        return try await self.loops[0].run {
            guard let archivist = duties.value.archivist else { return false }
            let shard = archivist.shard
            guard let ended = await archivist.claim([id], in: id.partition, by: shard.scripts.claim).first,
                let transcript = await archivist.transcript(of: ended)
            else { return false }
            guard try await archivist.archive.prepare([transcript]) == [.prepared] else { return false }
            guard acknowledging else { return true }
            return await archivist.acknowledge([(id, transcript.token)])?.answers == [.done]
        }
    }
}
