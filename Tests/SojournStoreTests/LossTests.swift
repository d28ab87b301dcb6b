import Foundation
import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

/// What nodes write once, or at their start, is there again after Redis has lost it.
@Suite struct LossTests {
    /// Gives every master another replication id, as each loss does, and waits until the node knows of it.
    private func change(_ server: RedisServer, under node: StoreNode) async throws {
        let old = try await self.replids(node)
        #expect(try server.client().send("DEBUG", "CHANGE-REPL-ID") == "OK")
        try await eventually(within: 30, "the node knows that Redis is another one") {
            let new = try await self.replids(node)
            return new.isDisjoint(with: old) && new.count == old.count
        }
    }

    private func replids(_ node: StoreNode) async throws -> Set<String> {
        Set((try await node.shard { $0.redis.replid } ?? "").split(separator: " ").map(String.init))
    }

    private let keyspace = Keyspace(namespace: "sj", partitions: 16)

    @Test func `an agent works by turns again after one master came back empty`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        _ = try await a.claim()
        // In a cluster the hash of the whole namespace outlives it.
        let victim = server.everyone.first { $0 !== server.holder(of: self.keyspace.workersDone) } ?? server
        server.kill9()
        try FileManager.default.removeItem(atPath: victim.folder.file("appendonlydir"))
        try await server.restart()
        var lost: SessionID?
        try await eventually(within: 60, "a session there") {
            guard let id = try? await a.session().id else { return false }
            if server.holder(of: self.keyspace.keys(of: id).session) === victim { lost = id }
            return lost != nil
        }
        let id = try #require(lost)
        _ = try await a.claim()
        #expect(try await a.say("one", in: id, ifBusy: .enqueue).turnID == "\(id).1")
        #expect(try await a.claimOne().messages.map(\.content) == ["one"])
        await a.stop()
    }

    @Test func `a worker that waits while Redis loses who works by turns gets what is said then`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        async let waiting = a.claimOne()
        let id = try await a.session().id
        let workers = self.keyspace.keys(of: id).workers
        try await eventually(within: 30) { try server.client().send("EXISTS", workers) == 1 }
        for partition in 0..<16 { try server.client().send("DEL", self.keyspace.workers(partition)) }
        try server.client().send("DEL", self.keyspace.workersDone)
        #expect(try await a.say("one", in: id, ifBusy: .enqueue).turnID == nil)
        try await self.change(server, under: a)
        #expect(try await waiting.messages.map(\.content) == ["one"])
        await a.stop()
    }

    @Test func `only the first shard tells Redis again who works by turns, the others read that it did`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let (a, b) = (
            try await StoreNode.start(on: server, name: "a"), try await StoreNode.start(on: server, name: "b")
        )
        func enlistments(_ node: StoreNode) async throws -> Int {
            try await node.shard { $0.counters.scripts["enlist"]?.times.count ?? 0 }
        }
        for round in 1...2 {
            // Many workers at once.
            try await a.shard { shard in
                var claims = 0
                await shard.concurrently(0..<8) { _ in
                    let turns = try? await shard.claim(
                        agent: StoreNode.agentBits, count: 1, lease: 30_000, wait: 0, watch: ClaimWatch())
                    if turns?.isEmpty == true { claims += 1 }
                }
                #expect(claims == 8)
            }
            _ = try await b.claim()
            #expect(try await enlistments(a) == round * 16)
            #expect(try await enlistments(b) == 0)
            try await self.change(server, under: a)
            try await eventually(within: 30) { try await self.replids(b) == self.replids(a) }
        }
        for node in [a, b] { await node.stop() }
    }

    @Test func `what the nodes agree on and the list of archives are written again`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        // The archive mode is one that only another node was told.
        let first = try await StoreNode.start(on: server, name: "first") { $0.archiving = false }
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        await first.stop()
        let archive = try #require(a.archive)
        let redis = try server.client()
        try await eventually(within: 30) { try redis.send("HEXISTS", self.keyspace.archives, archive.id) == 1 }
        try redis.send("DEL", self.keyspace.meta)
        try redis.send("DEL", self.keyspace.archives)
        try await self.change(server, under: a)
        try await eventually(within: 30, "all of it is there again") {
            try redis.send("HMGET", self.keyspace.meta, "schema", "partitions", "archive")
                == .array(["1.0", "16", "none"])
                && redis.send("HGET", self.keyspace.archives, archive.id) == "0"
        }
        await #expect(throws: StoreError.self) {
            _ = try await StoreNode.start(on: server, name: "other") { $0.partitions = 32 }
        }
        await a.stop()
    }

    @Test func `a node says so when others have set up the keyspace in another way meanwhile`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let reasons = Locked<[String]>([])
        let log = Log(minimum: .error) { event in
            reasons.withLock { $0 += event.metadata.filter { $0.key == "reason" }.map(\.value) }
        }
        let a = try await StoreNode.start(on: server, name: "a", log: log)
        try server.client().send("HSET", self.keyspace.meta, "partitions", "32")
        try await self.change(server, under: a)
        try await eventually(within: 30) {
            reasons.withLock { $0.contains { $0.contains("start it with --partitions 32") } }
        }
        try server.client().send("HSET", self.keyspace.meta, "partitions", "16", "archive", "none")
        try await self.change(server, under: a)
        try await eventually(within: 30) { reasons.withLock { $0.contains { $0.contains("archive mode none") } } }
        // It goes on.
        try await a.say("hello", in: try await a.session())
        #expect(try server.client().send("HGET", self.keyspace.meta, "archive") == "none", "nothing is overwritten")
        await a.stop()
    }
}
