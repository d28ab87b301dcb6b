import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournArchive
@testable import SojournStore

/// Several archivists share the work, also when one of them comes, goes, or has no room.
@Suite struct ArchivistTroubleTests {
    private func shares(_ archives: [Archive], of sessions: [Session]) async throws -> [Int] {
        var shares = archives.map { _ in 0 }
        for session in sessions {
            for (place, archive) in archives.enumerated() where try await archive.exists(session.id.text) {
                shares[place] += 1
            }
        }
        return shares
    }

    private func sessions(_ count: Int, on node: StoreNode) async throws -> [Session] {
        var sessions: [Session] = []
        for number in 0..<count {
            let session = try await node.session()
            try await node.say(String(repeating: "long ", count: 800) + "\(number)", in: session)
            sessions.append(session)
        }
        return sessions
    }

    @Test(arguments: [
        ("max_page_count = 1", "max_page_count = 1000000"), ("query_only = 1", "query_only = 0"),
    ])
    func `an archivist that cannot write gives back what it has claimed, and another takes it at once`(
        spoil: String, mend: String
    ) async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        // Nobody can wait for these leases.
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite")) {
            $0.archiveLease = 3_600_000
        }
        let archive = try #require(a.archive)
        let first = try await self.sessions(4, on: a)
        for session in first { try await a.store.end(session.id.text) }
        try await eventually(within: 30) { try await self.shares([archive], of: first) == [4] }
        try await archive.read { connection throws(ArchiveError) in
            try connection.execute("PRAGMA \(spoil)")
        }
        let rest = try await self.sessions(40, on: a)
        try await a.store.advanceTestClock(milliseconds: 31 * 60_000)
        let duties = a.store.duties
        try await eventually(within: 30, "it is in trouble") {
            try await a.loops[0].run { duties.value.archiveTrouble } != nil
        }
        // Nothing is claimed any more, nothing is gone, and it takes no share of the work.
        let client = try server.client()
        try await eventually(within: 30, "all is given back") {
            try client.send("ZCARD", "sj:archiving") == 0 && self.claimed(client) == 0
        }
        #expect(try client.send("KEYS", "sj:*:s:*").array.count == 40)
        #expect(try KeyspaceWalk.violations(in: client) == [])
        let b = try await StoreNode.start(on: server, name: "b", archivePath: folder.file("b.sqlite")) {
            $0.archiveLease = 3_600_000
        }
        let other = try #require(b.archive)
        try await eventually(within: 30) { try await self.shares([archive, other], of: rest) == [0, 40] }
        // What it holds is read all the time, also from elsewhere.
        for session in first {
            #expect(try await b.store.onShard { try await $0.anySession(session.id) }.ending?.reason == .ended)
        }
        try await archive.read { connection throws(ArchiveError) in
            try connection.execute("PRAGMA \(mend)")
        }
        try await eventually(within: 60, "it is back") {
            try await a.loops[0].run { duties.value.archiveTrouble } == nil
        }
        // Who says that it is well takes sessions again.
        #expect(try client.send("ZSCORE", "sj:archiving", archive.id).string != nil)
        try await eventually("both take sessions") { try client.send("ZCARD", "sj:archiving") == 2 }
        let more = try await self.sessions(40, on: b)
        for session in more { try await b.store.end(session.id.text) }
        try await eventually(within: 30) {
            let shares = try await self.shares([archive, other], of: more)
            return shares.reduce(0, +) == 40 && shares.allSatisfy { $0 > 0 }
        }
        await a.stop()
        await b.stop()
    }

    @Test func `a damaged file is trouble until it is mended, and then everything is archived`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let path = folder.file("a.sqlite")
        let a = try await StoreNode.start(on: server, name: "a", archivePath: path)
        let archive = try #require(a.archive)
        let first = try await self.sessions(8, on: a)
        for session in first { try await a.store.end(session.id.text) }
        try await eventually(within: 30) { try await self.shares([archive], of: first) == [8] }
        // All is in the file, nothing in the log or in memory.
        func forget() async throws {
            try await archive.read { connection throws(ArchiveError) in
                try connection.execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory")
            }
        }
        try await forget()
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seek(toOffset: 4096)
        try file.write(contentsOf: Data(repeating: 0xFF, count: whole.count - 4096))
        let rest = try await self.sessions(8, on: a)
        for session in rest { try await a.store.end(session.id.text) }
        let duties = a.store.duties
        try await eventually(within: 30, "it is in trouble") {
            try await a.loops[0].run { duties.value.archiveTrouble }?.contains("is damaged") == true
        }
        #expect(try server.client().send("KEYS", "sj:*:s:*").array.count == 8)
        for session in rest {
            #expect(try await a.store.onShard { try await $0.anySession(session.id) }.ending?.reason == .ended)
        }
        try file.seek(toOffset: 0)
        try file.write(contentsOf: whole)
        try file.close()
        try await forget()
        try await eventually(within: 60) { try await self.shares([archive], of: first + rest) == [16] }
        try await eventually(within: 60, "the trouble is over") {
            try await a.loops[0].run { duties.value.archiveTrouble } == nil
        }
        #expect(
            try await archive.read { connection throws(ArchiveError) in
                try connection.integer("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'")
            } == 0)
        await a.stop()
    }

    /// Ended sessions that somebody holds a lease on.
    private func claimed(_ client: RawRedis) throws -> Int {
        try client.send("KEYS", "sj:*:arc").array.compactMap(\.string).reduce(0) { sum, key in
            guard case .int(let count) = try client.send("ZCOUNT", key, "1", "+inf") else { return sum }
            return sum + Int(count)
        }
    }

    @Test func `outcomes that are found at the start wait until the archive takes them`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let archive = try #require(a.archive)
        // The archivist itself may be faster.
        var session = try await a.session()
        try await a.store.end(session.id.text)
        while try await !a.prepareOnly(session.id, acknowledging: true) {
            session = try await a.session()
            try await a.store.end(session.id.text)
        }
        let duties = a.store.duties
        try await archive.refuseWrites(true)
        try await a.loops[0].run { await duties.value.archivist?.settleLeftovers() }
        #expect(try await a.loops[0].run { duties.value.archiveTrouble } != nil)
        #expect(try await !archive.exists(session.id.text))
        try await archive.refuseWrites(false)
        let id = session.id.text
        try await eventually(within: 30) { try await archive.exists(id) }
        await a.stop()
    }

    @Test func `a node that would delete what others archive does not start, and one that runs stops deleting`()
        async throws
    {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let none = try await StoreNode.start(on: server, name: "none") { $0.archiving = false }
        let gone = try await none.session()
        try await none.store.end(gone.id.text)
        #expect(try await none.store.list().counts.ended == 0)
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite")) {
            $0.archiving = true
        }
        let archive = try #require(a.archive)
        let shards = none.loops.count
        try await eventually(within: 30, "it has heard of the archivist") {
            try await none.shard { $0.archiving } && shards > 0
        }
        let session = try await none.session()
        try await none.store.end(session.id.text)
        try await eventually(within: 30) { try await archive.exists(session.id.text) }
        #expect(try await !archive.exists(gone.id.text))
        let error = await #expect(throws: StoreError.self) {
            try await StoreNode.start(on: server, name: "late") { $0.archiving = false }
        }
        #expect(error?.message.contains("the archivist \(archive.id) works on the keyspace 'sj'") == true)
        #expect(try server.client().send("HGET", "sj:meta", "archive") == "archive")
        await none.stop()
        await a.stop()
        // Nobody archives any more.
        let last = try await StoreNode.start(on: server, name: "last") { $0.archiving = false }
        #expect(try await !last.shard { $0.archiving })
        await last.stop()
    }

    @Test func `a session that the archive cannot take is not in the way of those beside it`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let logged = Locked<[LogEvent]>([])
        let log = Log(minimum: .info) { event in logged.withLock { $0.append(event) } }
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"), log: log)
        let archive = try #require(a.archive)
        try await archive.write { connection throws(ArchiveError) in
            try connection.execute(
                """
                CREATE TRIGGER spoilt BEFORE INSERT ON sessions WHEN new.info LIKE '%spoilt%' OR new.key = 'spoilt'
                BEGIN SELECT RAISE(ABORT, 'spoilt'); END
                """)
        }
        let spoilt = try await a.session(key: "spoilt")
        let sessions = try await self.sessions(6, on: a)
        try await eventually(within: 30, "the others are followed") {
            for session in sessions where try await archive.open(session.id.text)?.head != 2 { return false }
            return logged.withLock { $0.contains { $0.message.contains("refuses a live session") } }
        }
        let duties = a.store.duties
        #expect(try await a.loops[0].run { duties.value.archiveTrouble } == nil)
        #expect(try await archive.open(spoilt.id.text) == nil)
        await a.stop()
    }

    @Test func `an archivist that comes gets a share, and what one leaves behind moves within seconds`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let c = try await StoreNode.start(on: server, name: "c")
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let archive = try #require(a.archive)
        let alone = try await self.sessions(20, on: c)
        for session in alone { try await c.store.end(session.id.text) }
        try await eventually(within: 30) { try await self.shares([archive], of: alone) == [20] }
        let b = try await StoreNode.start(on: server, name: "b", archivePath: folder.file("b.sqlite"))
        let other = try #require(b.archive)
        let client = try server.client()
        func members() async throws -> [Int] {
            try await [a, b].asyncMap { node in
                let duties = node.store.duties
                return try await node.loops[0].run { duties.value.archivist?.registry.partitions.count ?? 0 }
            }
        }
        try await eventually(within: 20, "they share the partitions") {
            let counts = try await members()
            return counts.reduce(0, +) == 16 && counts.allSatisfy { $0 > 0 }
        }
        let both = try await self.sessions(60, on: c)
        for session in both { try await c.store.end(session.id.text) }
        try await eventually(within: 30) {
            let shares = try await self.shares([archive, other], of: both)
            return shares.reduce(0, +) == 60 && shares.allSatisfy { $0 > 0 }
        }
        // One dies without a word; its share is the other's as soon as it is missed.
        try await b.crash()
        let late = try await self.sessions(20, on: c)
        for session in late { try await c.store.end(session.id.text) }
        try await eventually(within: 60) { try await self.shares([archive], of: late) == [20] }
        #expect(try client.send("ZCARD", "sj:archiving") == 1)
        await b.stop()
        await a.stop()
        await c.stop()
    }
}

extension Sequence {
    fileprivate func asyncMap<Mapped>(_ body: (Element) async throws -> Mapped) async rethrows -> [Mapped] {
        var mapped: [Mapped] = []
        for element in self { mapped.append(try await body(element)) }
        return mapped
    }
}
