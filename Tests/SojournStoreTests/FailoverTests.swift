import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournArchive
@testable import SojournRedis
@testable import SojournStore

/// Redis forgets events that it had acknowledged: nobody may miss one silently.
@Suite struct FailoverTests {
    /// Cuts the append-only file right before the transaction that wrote this event.
    fileprivate func forget(from seq: Int, of session: Session, on server: RedisServer) throws {
        let channel = Keyspace(namespace: "sj", partitions: 16).keys(of: session.id).channel
        let folder = server.holder(of: channel).folder.file("appendonlydir")
        let name = try #require(
            FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".incr.aof") }.sorted().last)
        let url = URL(fileURLWithPath: folder + "/" + name)
        let data = try Data(contentsOf: url)
        let range = try #require(data.range(of: Data("\"seq\":\(seq),".utf8)))
        try data[..<range.lowerBound].write(to: url)
    }

    private func nodes(on server: RedisServer) async throws -> [StoreNode] {
        [try await StoreNode.start(on: server, name: "a"), try await StoreNode.start(on: server, name: "b")]
    }

    @Test func `readers of a log that lost its end are told exactly once, and get the new branch`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let nodes = try await self.nodes(on: server)
        let session = try await nodes[0].session()
        let old = session.epoch
        var readers = [
            try await WatchRecord.start(on: nodes[0], session), try await WatchRecord.start(on: nodes[1], session),
        ]
        for number in 2...11 { try await nodes[0].say("old \(number)", in: session) }
        readers.append(try await WatchRecord.start(on: nodes[1], session, after: Cursor(epoch: old, seq: 4)))
        for reader in readers { try await eventually { reader.last == 11 } }
        server.kill9()
        try self.forget(from: 8, of: session, on: server)
        try await server.restart()
        try await eventually { try await nodes[1].store.session(session.id.text).head == 7 }
        // Those who come before the first event of the new branch, and after it.
        let early = try await self.resumed(on: nodes[1], session, epoch: old)
        for reader in readers { try await eventually { reader.gaps.count == 1 } }
        for number in 8...13 { try await nodes[number % 2].say("new \(number)", in: session) }
        let log = try await nodes[0].log(of: session)
        let epoch = try #require(log.last?.epoch)
        #expect(log.map(\.seq) == Array(1...13))
        #expect(log.prefix(7).allSatisfy { $0.epoch == old } && log.dropFirst(7).allSatisfy { $0.epoch == epoch })
        #expect(epoch != old)
        let late = try await self.resumed(on: nodes[0], session, epoch: old)
        for reader in readers + [early.beyond, late.beyond] {
            try await eventually { reader.last == 13 && reader.events.last == log.last }
            #expect(reader.gaps.count == 1)
            #expect(reader.gaps.first?.missing == 8...11)
            #expect(reader.gaps.first?.resumeAt.seq == 7)
            #expect(reader.seqsSinceGap == Array(8...13))
            #expect(Array(reader.events.suffix(6)) == Array(log.suffix(6)))
        }
        for reader in [early.inside, late.inside] {
            try await eventually { reader.last == 13 }
            #expect(reader.gaps.isEmpty)
            #expect(reader.events == Array(log.suffix(8)))
        }
        for node in nodes { await node.stop() }
    }

    /// Two readers that come back: one has only what survived, one has more.
    private func resumed(
        on node: StoreNode, _ session: Session, epoch: String
    ) async throws -> (inside: WatchRecord, beyond: WatchRecord) {
        let inside = try await WatchRecord.start(on: node, session, after: Cursor(epoch: epoch, seq: 5))
        let beyond = try await WatchRecord.start(on: node, session, after: Cursor(epoch: epoch, seq: 11))
        try await eventually { inside.ready != nil && beyond.ready != nil }
        return (inside, beyond)
    }

    @Test func `a promotion that lost events is noticed on connections that stay open`() async throws {
        let settings = ["--repl-diskless-sync-delay", "0"]
        let server = try await RedisServer.start(tcp: true, settings)
        defer { server.stop() }
        let replica = try await RedisServer.start(tcp: true, settings)
        defer { replica.stop() }
        let nodes = try await self.nodes(on: server)
        let session = try await nodes[0].session()
        let readers = [
            try await WatchRecord.start(on: nodes[0], session), try await WatchRecord.start(on: nodes[1], session),
        ]
        // The replica has seven events when its replication stops; the rest is acknowledged and lost. A master's
        // first replica gives it a new replication id, so what follows is a branch of its own.
        let (here, there) = (try server.client(), try replica.client())
        let log = Keyspace(namespace: "sj", partitions: 16).keys(of: session.id).log
        try there.send("REPLICAOF", "127.0.0.1", "\(server.port)")
        try await eventually { try there.send("EXISTS", log) == .int(1) }
        try await eventually {
            let replid = try await nodes[0].shard { $0.redis.replid }
            return try here.send("INFO", "replication").string?.contains("master_replid:\(replid ?? "-")") == true
        }
        for number in 2...7 { try await nodes[0].say("kept \(number)", in: session) }
        try await eventually { try there.send("LLEN", log) == .int(7) }
        try there.send("REPLICAOF", "NO", "ONE")
        for number in 8...11 { try await nodes[0].say("lost \(number)", in: session) }
        for reader in readers { try await eventually { reader.last == 11 } }
        try here.send("REPLICAOF", "127.0.0.1", "\(replica.port)")
        try await eventually { try here.send("LLEN", log) == .int(7) }
        try here.send("REPLICAOF", "NO", "ONE")
        try await eventually {
            let replid = try await nodes[0].shard { $0.redis.replid }
            return try here.send("INFO", "replication").string?.contains("master_replid:\(replid ?? "-")") == true
        }
        for number in 8...12 { try await nodes[0].say("new \(number)", in: session) }
        let events = try await nodes[0].log(of: session)
        #expect(events.count == 12)
        for reader in readers {
            try await eventually { reader.last == 12 }
            #expect(reader.gaps.map(\.missing) == [8...11])
            #expect(reader.gaps.first?.resumeAt.seq == 7)
            #expect(Array(reader.events.suffix(5)) == Array(events.suffix(5)))
        }
        for node in nodes { await node.stop() }
    }

    /// Epochs follow each other, whatever is lost, and each reader's picture stays the log.
    @Test func `after several losses every reader ends with the log as it is`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let nodes = try await self.nodes(on: server)
        let session = try await nodes[0].session()
        var readers: [(from: Int, record: WatchRecord)] = []
        var epochs: Set<String> = [session.epoch]
        for round in 1...4 {
            let head = try await nodes[0].store.session(session.id.text).head
            readers.append((0, try await WatchRecord.start(on: nodes[round % 2], session)))
            for number in 0..<Int.random(in: 2...8) {
                try await nodes[number % 2].say("round \(round) \(number)", in: session)
            }
            let last = try #require(try await nodes[0].log(of: session).last)
            epochs.insert(last.epoch)
            for (_, reader) in readers { try await eventually { reader.events.last == last } }
            let cut = Int.random(in: (head + 1)...(last.seq ?? 0))
            server.kill9()
            try self.forget(from: cut, of: session, on: server)
            try await server.restart()
            try await eventually { try await nodes[0].store.session(session.id.text).head == cut - 1 }
            try await eventually { (try? await nodes[1].store.session(session.id.text).head) == cut - 1 }
        }
        for number in 0..<5 { try await nodes[0].say("end \(number)", in: session) }
        let log = try await nodes[0].log(of: session)
        for (_, reader) in readers {
            try await eventually { reader.events.last == log.last }
            // What a reader keeps when it drops what a gap takes back is the log.
            #expect(reader.picture == log)
        }
        #expect(epochs.count == 4)
        for node in nodes { await node.stop() }
    }

    @Test func `a write that waited for Redis to come back opens a new epoch`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let nodes = try await self.nodes(on: server)
        let session = try await nodes[0].session()
        for number in 2...9 { try await nodes[0].say("old \(number)", in: session) }
        let reader = try await WatchRecord.start(on: nodes[1], session)
        try await eventually { reader.last == 9 }
        server.kill9()
        try self.forget(from: 6, of: session, on: server)
        try await eventually { try await nodes[0].shard { $0.redis.state == .connecting } }
        let waiting = Task { try await nodes[0].say("sent while Redis was away", in: session) }
        try await eventually { try await nodes[0].shard { $0.redis.waitingCount > 0 } }
        try await server.restart()
        let sent = try await waiting.value
        #expect(sent.cursor.seq == 6)
        #expect(sent.cursor.epoch != session.epoch)
        for node in nodes { await node.stop() }
    }
}

extension FailoverTests {
    /// An archive has written down what Redis has lost.
    @Test func `what Redis lost is dropped from the archive that followed, whether or not the log goes on`()
        async throws
    {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite")) {
            $0.logWindow = 10
        }
        let b = try await StoreNode.start(on: server, name: "b")
        let archive = try #require(a.archive)
        let (ended, going) = (try await a.session(), try await a.session())
        for session in [ended, going] {
            for number in 2...30 { try await b.say("old \(number)", in: session) }
        }
        for session in [ended, going] {
            try await eventually { try await archive.open(session.id.text)?.head == 30 }
        }
        server.kill9()
        // Both lose events, and that they were trimmed.
        try self.forget(from: 24, of: ended, on: server)
        try await server.restart()
        try await eventually { (try? await b.store.session(ended.id.text).head) == 23 }
        // Nothing is logged any more in the one, and yet its lost events leave the archive.
        try await eventually(within: 60) { try await archive.open(ended.id.text)?.head == 23 }
        #expect(try await archive.lostEvents(ended.id.text).map(\.event.seq) == Array(24...30))
        let head = try await b.store.session(going.id.text).head
        for number in 1...25 { try await b.say("new \(number)", in: going) }
        let keys = Keyspace(namespace: "sj", partitions: 16).keys(of: going.id)
        try await eventually(within: 60) { try server.client().send("LLEN", keys.log) == .int(10) }
        for session in [ended, going] {
            let log = try await b.log(of: session)
            #expect(log.map(\.seq) == Array(1...(session.id == ended.id ? 23 : head + 25)))
            try await a.store.end(session.id.text)
            try await eventually(within: 60) { try await archive.exists(session.id.text) }
            let events = try await archive.events(session.id.text, limit: 100).events
            #expect(events.dropLast().map(\.body) == log.map(\.bytes))
            #expect(events.map(\.seq) == Array(1...log.count + 1))
        }
        await a.stop()
        await b.stop()
    }

    @Test func `a Redis that lost everything costs what was not written yet, and nothing is deleted for it`()
        async throws
    {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let archive = try #require(a.archive)
        let session = try await a.session()
        var slowest = Duration.zero
        for number in 2...20 {
            let start = ContinuousClock.now
            try await a.say("message \(number)", in: session)
            try await eventually { try await archive.open(session.id.text)?.head == number }
            slowest = max(slowest, ContinuousClock.now - start)
        }
        print("the archive was at most \(slowest) behind")
        server.kill9()
        for each in server.everyone {
            try FileManager.default.removeItem(atPath: each.folder.file("appendonlydir"))
        }
        try await server.restart()
        try await eventually(within: 60, "the node works again") { (try? await a.session()) != nil }
        try await eventually(within: 60) { try await archive.quarantined().map(\.header.id) == [session.id.text] }
        #expect(try await archive.quarantined().first?.eventCount == 20)
        await a.stop()
    }
}
