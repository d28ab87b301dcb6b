import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournArchive
@testable import SojournStore

/// Long conversations: Redis keeps a window, the archive has what is older, and nobody sees the border.
@Suite struct WindowTests {
    private static let window = 40

    private func archivist(
        on server: RedisServer, _ folder: TemporaryFolder, name: String = "a", window: Int? = WindowTests.window
    ) async throws -> StoreNode {
        try await StoreNode.start(on: server, name: name, archivePath: folder.file("\(name).sqlite")) {
            $0.logWindow = window
            $0.archiveLease = 500
        }
    }

    /// Sends messages until the log has so many events.
    private func talk(_ node: StoreNode, _ session: Session, upTo head: Int) async throws {
        let id = session.id
        try await node.shard { shard in
            var seq = try await shard.session(id).head
            while seq < head {
                let drafts = (0..<min(20, head - seq)).map { seq + 1 + $0 }
                await shard.concurrently(drafts) { number in
                    let draft = MessageDraft(
                        author: number % 3 == 0 ? .agent : .user, authorID: StoreNode.user, content: "message \(number)"
                    )
                    _ = try? await shard.send(draft, to: id)
                }
                seq = try await shard.session(id).head
            }
        }
    }

    private func kept(_ session: Session, _ server: RedisServer) throws -> Int {
        let keys = Keyspace(namespace: "sj", partitions: 16).keys(of: session.id)
        return try server.client().send("LLEN", keys.log).string.flatMap { Int($0) } ?? -1
    }

    /// Waits until Redis keeps the window only.
    private func trimmed(_ session: Session, _ server: RedisServer) async throws {
        try await eventually(within: 60, "the log is trimmed") { try self.kept(session, server) <= Self.window }
    }

    private func pages(_ node: StoreNode, _ session: Session, limit: Int, forward: Bool, head: Int) async throws
        -> [Int]
    {
        var seqs: [Int] = []
        var at = forward ? 0 : head + 1
        while true {
            let page = try await node.store.events(
                of: session.id.text, after: forward ? at : nil, before: forward ? nil : at, limit: limit)
            seqs += forward ? page.events.compactMap(\.seq) : page.events.compactMap(\.seq).reversed()
            guard page.hasMore, let last = seqs.last else { return seqs }
            at = last
        }
    }

    private func messages(_ node: StoreNode, _ session: Session, limit: Int, forward: Bool, head: Int) async throws
        -> [Int]
    {
        var seqs: [Int] = []
        var at = forward ? 0 : head + 1
        while true {
            let page = try await node.store.messages(
                of: session.id.text, limit: limit, before: forward ? nil : .seq(at), after: forward ? .seq(at) : nil)
            let found = page.messages.map(\.seq)
            seqs += forward ? found.reversed() : found
            guard page.hasMore, let last = seqs.last else { return seqs }
            at = last
        }
    }

    @Test func `paging crosses the border without a seam, on every node, in both directions`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await self.archivist(on: server, folder)
        let b = try await StoreNode.start(on: server, name: "b")
        let session = try await a.session()
        try await self.talk(b, session, upTo: 300)
        try await self.trimmed(session, server)
        let archive = try #require(a.archive)
        try await eventually(within: 60) { try await archive.open(session.id.text)?.head == 300 }
        let all = try await archive.kept(session.id.text, from: 1, to: 300, limit: 300, newestFirst: false)
        let messages = all.filter { EventType.messages.contains($0.type) }.map(\.seq)
        #expect(messages.count == 299)
        for node in [a, b] {
            for limit in node === a ? [1, 7, 100] : [7, 100] {
                for forward in [true, false] {
                    let seqs = try await self.pages(node, session, limit: limit, forward: forward, head: 300)
                    #expect(seqs == (forward ? Array(1...300) : (1...300).reversed()), "events by \(limit)")
                    let told = try await self.messages(node, session, limit: limit, forward: forward, head: 300)
                    #expect(told == (forward ? messages : messages.reversed()), "messages by \(limit)")
                }
            }
            // The bytes are those that were published.
            let log = try await node.log(of: session)
            #expect(log.map(\.bytes) == all.map(\.body))
        }
        // Right at the border, and bounds on both sides.
        for place in 255...265 {
            let before = try await b.store.events(of: session.id.text, before: place, limit: 5)
            #expect(before.events.compactMap(\.seq) == Array(place - 5..<place) && before.hasMore)
            let after = try await a.store.events(of: session.id.text, after: place - 3, before: place + 3, limit: 50)
            #expect(after.events.compactMap(\.seq).prefix(5) == [place - 2, place - 1, place, place + 1, place + 2])
        }
        await a.stop()
        await b.stop()
    }

    @Test func `streams begin in the archive and go on live, each event once`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await self.archivist(on: server, folder)
        let b = try await StoreNode.start(on: server, name: "b")
        let session = try await a.session()
        try await self.talk(a, session, upTo: 400)
        try await self.trimmed(session, server)
        var readers: [(from: Int, reader: WatchRecord)] = []
        for node in [a, b] {
            for from in [0, 17, 359, 360, 361, 399] {
                let cursor = Cursor(epoch: session.epoch, seq: from)
                readers.append((from, try await WatchRecord.start(on: node, session, after: cursor)))
            }
        }
        // While they catch up, the log grows and the border moves on.
        try await self.talk(b, session, upTo: 600)
        for (from, reader) in readers {
            try await eventually(within: 60) { reader.last == 600 }
            #expect(reader.seqs == Array(from + 1...600) && reader.gaps.isEmpty)
        }
        try await a.store.end(session.id.text)
        for (_, reader) in readers { try await eventually(within: 60) { reader.isOver } }
        for (from, reader) in readers { #expect(reader.seqs == Array(from + 1...601) && reader.error == nil) }
        await a.stop()
        await b.stop()
    }

    @Test func `the hand-over adds the rest, and every event is archived once`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await self.archivist(on: server, folder)
        let b = try await self.archivist(on: server, folder, name: "b")
        try await eventually { try server.client().send("ZCARD", "sj:archivists") == .int(2) }
        let archives = try [#require(a.archive), #require(b.archive)]
        var sessions: [(Session, Int)] = []
        for number in 0..<12 {
            let session = try await a.session()
            let head = 30 + number * 20
            try await self.talk(number % 2 == 0 ? a : b, session, upTo: head)
            sessions.append((session, head))
        }
        for (session, head) in sessions where head > Self.window { try await self.trimmed(session, server) }
        for (number, (session, _)) in sessions.enumerated() {
            // Whoever ends it, who has followed it hands it over.
            try await self.say("the last word", number, a, b, session)
            try await (number % 2 == 0 ? b : a).store.end(session.id.text)
        }
        try await eventually(within: 60) { try await a.store.list().counts.ended == 0 }
        for (session, head) in sessions {
            try await eventually { try await self.servedBy(session, archives).count == 1 }
            let place = try #require(try await self.servedBy(session, archives).first)
            let events = try await archives[place].events(session.id.text, limit: 1000).events
            #expect(events.map(\.seq) == Array(1...head + 2))
            #expect(try await archives[1 - place].open(session.id.text) == nil)
            #expect(try await archives[place].lostEvents(session.id.text).isEmpty)
            let id = session.id
            let page = try await (place == 0 ? a : b).shard {
                try await $0.anyEvents(of: id, after: nil, before: nil, limit: 1000, types: nil)
            }
            #expect(page.events.compactMap(\.seq) == Array(1...head + 2))
        }
        #expect(try KeyspaceWalk.violations(in: server.client()) == [])
        let shares = try await [archives[0].stats().committed, archives[1].stats().committed]
        #expect(shares.reduce(0, +) == 12)
        await a.stop()
        await b.stop()
    }

    private func say(_ text: String, _ number: Int, _ a: StoreNode, _ b: StoreNode, _ session: Session) async throws {
        try await (number % 3 == 0 ? a : b).say(text, in: session)
    }

    private func servedBy(_ session: Session, _ archives: [Archive]) async throws -> [Int] {
        var found: [Int] = []
        for (place, archive) in archives.enumerated() where try await archive.exists(session.id.text) {
            found.append(place)
        }
        return found
    }

    @Test func `while the archivist with the beginning is away, nobody gets a hole for it`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await self.archivist(on: server, folder)
        let b = try await self.archivist(on: server, folder, name: "b")
        try await eventually { try server.client().send("ZCARD", "sj:archivists") == .int(2) }
        // One that is followed by a, and trimmed.
        var session = try await b.session()
        while true {
            try await self.talk(b, session, upTo: 100)
            try await self.trimmed(session, server)
            if try await a.archive?.open(session.id.text) != nil { break }
            session = try await b.session()
        }
        let first = try #require(a.archive?.id)
        await a.stop()
        let id = session.id.text
        let error = await #expect(throws: StoreError.self) { try await b.store.events(of: id, after: 0) }
        #expect(error?.code == .archiveUnavailable && error?.details?["archivist"] == .string(first))
        await #expect(throws: StoreError.self) { try await b.store.messages(of: id, limit: 100) }
        // The window is there, and a stream says what it cannot give.
        #expect(try await b.store.messages(of: id, limit: 20).messages.count == 20)
        let reader = try await WatchRecord.start(on: b, session, after: Cursor(epoch: session.epoch, seq: 10))
        try await eventually { reader.last == 100 }
        let oldest = try 100 - self.kept(session, server) + 1
        #expect(reader.gaps.map(\.missing) == [11...oldest - 1] && reader.seqs == Array(oldest...100))
        // Nobody else trims it or hands it over.
        try await self.talk(b, session, upTo: 200)
        try await b.store.end(id)
        try await eventually(within: 60) { try server.client().send("ZCARD", "sj:archivists") == .int(1) }
        try await b.onDuties { duties in await duties.archivist?.poll() }
        #expect(try self.kept(session, server) == 201 - oldest + 1)
        #expect(try await b.archive?.exists(id) == false)
        // When it is back it goes on.
        let again = try await self.archivist(on: server, folder)
        let archive = try #require(again.archive)
        try await eventually(within: 60) { try await archive.exists(id) }
        #expect(try await archive.events(id, limit: 1000).events.map(\.seq) == Array(1...201))
        await again.stop()
        await b.stop()
    }

    @Test func `a session that nothing was trimmed of goes to another archivist when its own is gone`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await self.archivist(on: server, folder, window: nil)
        let session = try await a.session()
        try await self.talk(a, session, upTo: 60)
        let archive = try #require(a.archive)
        try await eventually { try await archive.open(session.id.text)?.head == 60 }
        try await a.crash()
        let b = try await self.archivist(on: server, folder, name: "b")
        try await self.talk(b, session, upTo: 90)
        let other = try #require(b.archive)
        try await eventually(within: 60, "it is taken over") { try await other.open(session.id.text)?.head == 90 }
        try await self.trimmed(session, server)
        #expect(try await b.log(of: session).map(\.seq) == Array(1...90))
        // The first one comes back and gives up what it has.
        await a.stop()
        let again = try await self.archivist(on: server, folder, window: nil)
        let reopened = try #require(again.archive)
        try await eventually { try await reopened.open(session.id.text) == nil }
        #expect(try await reopened.stats().quarantined == 0)
        try await b.store.end(session.id.text)
        try await eventually(within: 60) { try await other.exists(session.id.text) }
        #expect(try await other.events(session.id.text, limit: 100).events.map(\.seq) == Array(1...91))
        #expect(try await !reopened.exists(session.id.text))
        await again.stop()
        await b.stop()
    }

    @Test func `without an archivist that follows nothing is trimmed`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite")) {
            $0.logWindow = Self.window
            $0.archiveFollows = false
        }
        let session = try await a.session()
        try await self.talk(a, session, upTo: 120)
        try await a.store.end(session.id.text)
        let archive = try #require(a.archive)
        try await eventually { try await archive.exists(session.id.text) }
        #expect(try await archive.events(session.id.text, limit: 1000).events.map(\.seq) == Array(1...121))
        let other = try await a.session()
        try await self.talk(a, other, upTo: 120)
        #expect(try self.kept(other, server) == 120)
        #expect(try await archive.open(other.id.text) == nil)
        await a.stop()
    }

    @Test func `turns get their history and their input from both sides of the border`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await self.archivist(on: server, folder, window: 5)
        let b = try await StoreNode.start(on: server, name: "b")
        let session = try await a.session()
        let agent = try #require(UUIDBits(StoreNode.agent))
        _ = try await b.shard { try await $0.claim(agent: agent, count: 1, lease: 1000, wait: 0, watch: ClaimWatch()) }
        for number in 0..<20 { try await b.say("input \(number)", in: session) }
        try await eventually { try self.kept(session, server) <= 5 }
        let turn = try #require(
            try await b.shard {
                try await $0.claim(agent: agent, count: 1, lease: 60_000, wait: 0, watch: ClaimWatch())
            }
            .first)
        #expect(turn.messages.map(\.content) == ["input 0"])
        #expect(turn.turn.input == [2])
        await a.stop()
        await b.stop()
    }
}

extension StoreNode {
    /// Runs `body` with the node's duties, on their loop.
    func onDuties(_ body: @escaping @Sendable (NodeDuties) async throws -> Void) async throws {
        let duties = self.store.duties
        try await self.loops[0].run { try await body(duties.value) }
    }
}
