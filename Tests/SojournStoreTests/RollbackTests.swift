import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournArchive
@testable import SojournRedis
@testable import SojournStore

/// Redis goes back to before it let archived sessions go, as after a power cut between two syncs of its disk: each of
/// them is served once all the same.
@Suite struct RollbackTests {
    /// What Redis is taken back to, by what it did next.
    private enum Moment {
        case end, claim, acknowledgement

        func next(_ session: Session) -> String {
            let key = Keyspace(namespace: "sj", partitions: 16).keys(of: session.id).session
            let word = "$\(key.utf8.count)\r\n\(key)\r\n"
            return switch self {
            case .end: "\"type\":\"session.ended\",\"sessionId\":\"\(session.id)\""
            case .claim: "HSET\r\n\(word)$2\r\nco\r\n"
            case .acknowledgement: "DEL\r\n\(word)"
            }
        }
    }

    /// A server, its archivists, and a node without an archive.
    private struct Bed {
        let server: RedisServer
        let folder = TemporaryFolder()
        let client: StoreNode

        static func start() async throws -> Bed {
            let server = try await RedisServer.start()
            return Bed(server: server, client: try await StoreNode.start(on: server, name: "c"))
        }

        func archivist(
            _ name: String, follows: Bool = false, lease: Int64 = 10_000, window: Int? = nil
        ) async throws -> StoreNode {
            try await StoreNode.start(on: self.server, name: name, archivePath: self.folder.file("\(name).sqlite")) {
                $0.archiveFollows = follows
                $0.archiveLease = lease
                $0.logWindow = window
            }
        }

        /// Kills the server and starts it as it was before it did that for the session.
        func takeBack(_ session: Session, before moment: Moment) async throws {
            self.server.kill9()
            let key = Keyspace(namespace: "sj", partitions: 16).keys(of: session.id).session
            let files = self.server.holder(of: key).folder.file("appendonlydir")
            let name = try #require(
                FileManager.default.contentsOfDirectory(atPath: files).filter { $0.hasSuffix(".incr.aof") }.sorted()
                    .last)
            let url = URL(fileURLWithPath: files + "/" + name)
            let data = try Data(contentsOf: url)
            let range = try #require(data.range(of: Data(moment.next(session).utf8)))
            try data[..<range.lowerBound].write(to: url)
            try await self.server.restart()
            try await eventually("the node is back") { (try? await self.client.store.list()) != nil }
        }

        func stop(_ nodes: StoreNode...) async {
            for node in nodes + [self.client] { await node.stop() }
            self.server.stop()
        }
    }

    /// A session with two messages that has ended, and its log as it was.
    private func ended(on node: StoreNode) async throws -> Session {
        let session = try await node.session()
        for text in ["one", "two"] { try await node.say(text, in: session) }
        try await node.store.end(session.id.text)
        return session
    }

    /// Waits until one of the archives alone serves the session and Redis has let it go, and all archivists know that;
    /// returns its types of events.
    private func settled(_ session: Session, on bed: Bed, _ nodes: StoreNode...) async throws -> [String] {
        var serving: [Archive] = []
        let keys = Keyspace(namespace: "sj", partitions: 16).keys(of: session.id)
        try await eventually(within: 60, "one archive serves the session") {
            serving = []
            for node in nodes {
                let archive = try #require(node.archive)
                if try await archive.exists(session.id.text) { serving.append(archive) }
                guard try await node.hasReviewed() else { return false }
                guard try await archive.open(session.id.text) == nil, try await archive.prepared().isEmpty else {
                    return false
                }
            }
            return try bed.server.client().send("EXISTS", keys.session) == .int(0) && serving.count == 1
        }
        let events = try await #require(serving.first).events(session.id.text, limit: 100).events
        #expect(events.map(\.seq) == Array(1...events.count))
        return events.map(\.type)
    }

    private let whole = ["session.created", "user.message", "user.message", "session.ended"]

    @Test func `a session that lives again and is ended by another archivist is served by one of them`() async throws {
        let bed = try await Bed.start()
        let a = try await bed.archivist("a")
        let session = try await self.ended(on: a)
        let archive = try #require(a.archive)
        try await eventually { try await archive.exists(session.id.text) }
        let b = try await bed.archivist("b")
        try await bed.takeBack(session, before: .end)
        try await eventually { (try? await b.store.session(session.id.text).head) == 3 }
        try await b.say("three", in: session)
        try await b.store.end(session.id.text)
        let types = try await self.settled(session, on: bed, a, b)
        #expect(types.count == 5 && types.last == "session.ended")
        // Nothing is deleted for it, whoever was the first: the one that had it may follow it before it ends.
        if try await archive.exists(session.id.text) {
            #expect(try await archive.lostEvents(session.id.text).map(\.event.type) == ["session.ended"])
        } else {
            #expect(try await archive.quarantined().map(\.eventCount) == [4])
        }
        await bed.stop(a, b)
    }

    @Test func `a session is found though something was imported under a clock that is ahead`() async throws {
        let bed = try await Bed.start()
        let a = try await bed.archivist("a")
        let archive = try #require(a.archive)
        let (other, session) = (try await self.ended(on: a), try await self.ended(on: a))
        for each in [other, session] { try await eventually { try await archive.exists(each.id.text) } }
        let served = try #require(try await archive.served().first { $0.id == other.id.text })
        let ahead = served.archivedAt + 3_600_000
        try await archive.settle([Settlement(id: served.id, token: served.token, outcome: .committed, at: ahead)])
        let b = try await bed.archivist("b")
        try await bed.takeBack(session, before: .end)
        try await eventually { (try? await b.store.session(session.id.text).head) == 3 }
        try await b.store.end(session.id.text)
        _ = try await self.settled(session, on: bed, a, b)
        await bed.stop(a, b)
    }

    @Test func `a session that lives again comes back to the archivist that follows it`() async throws {
        let bed = try await Bed.start()
        let a = try await bed.archivist("a", follows: true)
        let archive = try #require(a.archive)
        let session = try await a.session()
        for text in ["one", "two"] { try await a.say(text, in: session) }
        try await eventually { try await archive.open(session.id.text)?.head == 3 }
        try await a.store.end(session.id.text)
        try await eventually { try await archive.exists(session.id.text) }
        let b = try await bed.archivist("b", follows: true)
        try await bed.takeBack(session, before: .end)
        try await eventually { (try? await b.store.session(session.id.text).head) == 3 }
        try await eventually(within: 60) { try await archive.open(session.id.text)?.head == 3 }
        #expect(try await archive.lostEvents(session.id.text).map(\.event.type) == ["session.ended"])
        try await b.say("three", in: session)
        try await eventually(within: 60) { try await archive.open(session.id.text)?.head == 4 }
        try await b.store.end(session.id.text)
        #expect(try await self.settled(session, on: bed, a, b).count == 5)
        #expect(try await archive.exists(session.id.text))
        #expect(try await archive.stats().quarantined == 0)
        await bed.stop(a, b)
    }

    @Test func `a session whose acknowledgement was lost is acknowledged again`() async throws {
        let bed = try await Bed.start()
        let a = try await bed.archivist("a")
        let archive = try #require(a.archive)
        let session = try await self.ended(on: bed.client)
        try await eventually { try await archive.exists(session.id.text) }
        let b = try await bed.archivist("b")
        try await bed.takeBack(session, before: .acknowledgement)
        #expect(try await self.settled(session, on: bed, a, b) == self.whole)
        await bed.stop(a, b)
    }

    @Test func `a session whose claim was lost is served by whoever claims it then`() async throws {
        let bed = try await Bed.start()
        let session = try await self.ended(on: bed.client)
        let a = try await bed.archivist("a")
        let archive = try #require(a.archive)
        try await eventually { try await archive.exists(session.id.text) }
        let b = try await bed.archivist("b")
        try await bed.takeBack(session, before: .claim)
        #expect(try await self.settled(session, on: bed, a, b) == self.whole)
        await bed.stop(a, b)
    }

    @Test(arguments: [0, 1])
    func `an archivist that was away finds that another one serves what it has served`(claims: Int) async throws {
        let bed = try await Bed.start()
        let session = try await self.ended(on: bed.client)
        let a = try await bed.archivist("a", lease: 500)
        let archive = try #require(a.archive)
        try await eventually { try await archive.exists(session.id.text) }
        try await a.crash()
        await a.stop()
        // Unclaimed, or claimed by the one that is away.
        try await bed.takeBack(session, before: claims == 0 ? .claim : .acknowledgement)
        let b = try await bed.archivist("b")
        #expect(try await self.settled(session, on: bed, b) == self.whole)
        let again = try await bed.archivist("a")
        #expect(try await self.settled(session, on: bed, again, b) == self.whole)
        #expect(try await #require(b.archive).exists(session.id.text))
        #expect(try await #require(again.archive).quarantined().map(\.header.id) == [session.id.text])
        await bed.stop(again, b)
    }

    /// A session of which Redis has only the last events, ended and prepared by its archivist, which does no more.
    private func prepared(on bed: Bed, by a: StoreNode) async throws -> Session {
        let archive = try #require(a.archive)
        let session = try await a.session()
        for number in 1...10 { try await a.say("\(number)", in: session) }
        let log = Keyspace(namespace: "sj", partitions: 16).keys(of: session.id).log
        try await eventually(within: 60, "its log is trimmed") {
            guard case .int(let kept) = try bed.server.client().send("LLEN", log) else { return false }
            let head = try await archive.open(session.id.text)?.head
            return kept <= 4 && head == 11
        }
        try await a.haltArchivist()
        try await bed.client.store.end(session.id.text)
        #expect(try await a.prepareOnly(session.id))
        return session
    }

    @Test func `what only the archive has of a session survives that its hand-over is refused`() async throws {
        let bed = try await Bed.start()
        let a = try await bed.archivist("a", follows: true, window: 4)
        let session = try await self.prepared(on: bed, by: a)
        try await a.crash()
        await a.stop()
        try await bed.takeBack(session, before: .end)
        let again = try await bed.archivist("a", follows: true, window: 4)
        let archive = try #require(again.archive)
        try await eventually(within: 60) { try await archive.open(session.id.text)?.head == 11 }
        #expect(try await archive.prepared().isEmpty)
        try await bed.client.say("eleven", in: session)
        try await bed.client.store.end(session.id.text)
        #expect(try await self.settled(session, on: bed, again).count == 13)
        await bed.stop(again)
    }

    @Test func `what Redis does not know when it is asked for the outcome is kept aside`() async throws {
        let bed = try await Bed.start()
        let a = try await bed.archivist("a", follows: true, window: 4)
        let archive = try #require(a.archive)
        let session = try await self.prepared(on: bed, by: a)
        let token = try #require(try await archive.prepared().first).token
        for each in bed.server.everyone { try each.client().send("FLUSHALL") }
        let duties = a.store.duties
        try await a.loops[0].run {
            guard let archivist = duties.value.archivist else { return }
            await archivist.settle(await archivist.settlements(of: [(session.id, token)]))
        }
        #expect(try await archive.quarantined().map(\.eventCount) == [12])
        await bed.stop(a)
    }

    @Test func `a session that lives again is found by what it logs, however long ago it was let go`() async throws {
        let bed = try await Bed.start()
        let a = try await bed.archivist("a", follows: true)
        let archive = try #require(a.archive)
        let session = try await self.ended(on: a)
        try await eventually { try await archive.exists(session.id.text) }
        let other = try await self.ended(on: a)
        try await eventually { try await archive.exists(other.id.text) }
        try await archive.write { connection throws(ArchiveError) in
            try connection.run(
                "UPDATE sessions SET archived_at = archived_at - 600000 WHERE id = ?", session.id.text)
        }
        try await bed.takeBack(session, before: .end)
        try await eventually { (try? await bed.client.store.session(session.id.text).head) == 3 }
        try await bed.client.say("three", in: session)
        try await eventually(within: 60) { try await archive.open(session.id.text)?.head == 4 }
        try await bed.client.store.end(session.id.text)
        #expect(try await self.settled(session, on: bed, a).count == 5)
        await bed.stop(a)
    }

    @Test func `the branches of a log that has ended are known while its archive is away`() async throws {
        let bed = try await Bed.start()
        let a = try await bed.archivist("a")
        let archive = try #require(a.archive)
        let session = try await self.ended(on: a)
        try await eventually { try await archive.exists(session.id.text) }
        try await bed.takeBack(session, before: .end)
        try await eventually { (try? await bed.client.store.session(session.id.text).head) == 3 }
        try await bed.client.store.end(session.id.text)
        _ = try await self.settled(session, on: bed, a)
        await a.stop()
        let history = try await bed.client.shard { try await $0.branches(of: session.id) }
        #expect(history.head == 4 && history.cuts.map(\.firstSeq) == [1, 4])
        #expect(history.cuts.first?.epoch == session.epoch)
        // Who has the end that was lost shares three events with it.
        #expect(history.commonPrefix(with: Cursor(epoch: session.epoch, seq: 4)) == 3)
        await bed.stop()
    }

    @Test func `what Redis does not know at all stays served`() async throws {
        let bed = try await Bed.start()
        let a = try await bed.archivist("a")
        let archive = try #require(a.archive)
        let session = try await self.ended(on: a)
        try await eventually { try await archive.exists(session.id.text) }
        bed.server.kill9()
        for each in bed.server.everyone {
            try FileManager.default.removeItem(atPath: each.folder.file("appendonlydir"))
        }
        try await bed.server.restart()
        try await eventually(within: 60, "the node works again") { (try? await a.session()) != nil }
        #expect(try await self.settled(session, on: bed, a) == self.whole)
        await bed.stop(a)
    }
}

extension StoreNode {
    /// Whether its archivist has asked the Redis that is there now about everything it has.
    fileprivate func hasReviewed() async throws -> Bool {
        let duties = self.store.duties
        return try await self.shard { shard in
            guard let behind = duties.value.archivist?.behind, let replid = shard.redis.replid else { return false }
            return behind.replid == replid && !behind.wantsReview && behind.undecided.isEmpty
        }
    }
}
