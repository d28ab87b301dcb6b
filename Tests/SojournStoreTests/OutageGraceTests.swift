import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// Redis is away for longer than sessions live.
@Suite struct OutageGraceTests {
    private static let partitions = 64
    private let keyspace = Keyspace(namespace: "sj", partitions: Self.partitions)

    /// Has minutes pass while the server is down: what it reads when it starts says that nobody was here for so long.
    ///
    /// The test clock moves the time of the sessions on, and the last visit of a sweeper, which is in the server's own
    /// time, moves back. Both are there before anybody can ask the server anything.
    private func pass(minutes: Int, on server: RedisServer) throws {
        let folder = server.folder.file("appendonlydir")
        let name = try #require(
            FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".incr.aof") }.sorted().last)
        let file = try #require(FileHandle(forWritingAtPath: folder + "/" + name))
        defer { try? file.close() }
        try file.seekToEnd()
        for partition in 0..<Self.partitions {
            for (field, change) in [("offset", minutes * 60_000), ("seen", minutes * -60_000)] {
                let words = ["HINCRBY", self.keyspace.clock(partition), field, "\(change)"]
                let command = "*4\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
                try file.write(contentsOf: Data(command.utf8))
            }
        }
    }

    private func sessions(_ count: Int, on node: StoreNode) async throws -> [SessionID] {
        // One minute, which is less than clients may ask for.
        let policy = TimeoutPolicy(
            timeout: 60_000, autoRenew: true, maxDuration: 12 * 3_600_000, warning: 5 * 60_000)
        let ids = try await node.shard { shard in
            var ids: [SessionID] = []
            while ids.count < count {
                await shard.concurrently(0..<min(500, count - ids.count)) { _ in
                    let request = SessionRequest(agentID: StoreNode.agent, userID: StoreNode.user, policy: policy)
                    if let created = try? await shard.create(request) { ids.append(created.session.id) }
                }
            }
            return ids
        }
        try #require(ids.count == count)
        return ids
    }

    private func beat(_ ids: [SessionID], on node: StoreNode) async throws {
        for start in stride(from: 0, to: ids.count, by: 1_000) {
            let texts = ids[start..<min(start + 1_000, ids.count)].map(\.text)
            let outcomes = try await node.store.heartbeat(batch: texts)
            #expect(outcomes.count == texts.count && outcomes.allSatisfy { $0.error == nil })
        }
    }

    /// The events of each session, from its log, which stays while nobody archives.
    private func logs(of ids: [SessionID], on client: RawRedis) throws -> [[Event]] {
        try ids.map { id in
            try client.send("LRANGE", self.keyspace.keys(of: id).log, "0", "-1").array.compactMap { entry in
                entry.string.flatMap { Event(bytes: Array($0.utf8)) }
            }
        }
    }

    @Test func `after three minutes without Redis no session of a minute expires before the grace is over`()
        async throws
    {
        let server = try await RedisServer.start(["--appendfsync", "always"], alone: true)
        defer { server.stop() }
        var nodes: [StoreNode] = []
        for name in ["a", "b"] {
            nodes.append(
                try await StoreNode.start(on: server, name: name) {
                    $0.partitions = Self.partitions
                    $0.outageHold = 15_000
                    $0.commandTimeout = 30_000
                })
        }
        let ids = try await self.sessions(10_000, on: nodes[0])
        // All of them have their minute before them when Redis goes.
        try await self.beat(ids, on: nodes[0])
        server.kill9()
        try self.pass(minutes: 3, on: server)
        try await server.restart()
        let client = try server.client()
        // A sweeper comes to each partition, finds that nobody was there, and opens the hold.
        var holds: [Int64] = []
        try await eventually(within: 30, "every partition has a hold") {
            holds = try (0..<Self.partitions).compactMap {
                try client.send("HGET", self.keyspace.clock($0), "hold").string.flatMap { Int64($0) }
            }
            return holds.count == Self.partitions
        }
        // Some clients come back meanwhile; their sessions live on.
        let saved = Array(ids.prefix(1_000))
        let back = try await nodes[1].store.session(saved[0].text).asOf
        try await self.beat(saved, on: nodes[1])
        #expect(try await nodes[0].shard { try await $0.counts().live } == ids.count)
        try await eventually(within: 60, "the others expire") {
            try await nodes[1].shard { try await $0.counts().live } <= saved.count
        }
        let lost = Array(ids.dropFirst(saved.count))
        var (early, earliest) = (0, Int64.max)
        for (id, log) in zip(lost, try self.logs(of: lost, on: client)) {
            let counts = Dictionary(grouping: log, by: \.type).mapValues(\.count)
            #expect(log.map(\.seq) == Array(1...log.count), "a log is whole")
            #expect(counts["session.expired"] == 1)
            // A warning is taken back by what renews the session.
            #expect(counts["session.expiring", default: 0] == 1 + counts["session.renewed", default: 0])
            let end = try #require(log.last)
            let offset = try #require(
                try client.send("HGET", self.keyspace.clock(id.partition), "offset").string.flatMap { Int64($0) })
            let after = end.at.milliseconds - offset - holds[id.partition]
            if after < 0 { early += 1 }
            earliest = min(earliest, after)
        }
        #expect(early == 0)
        print("\(lost.count) sessions expired, once each, the first \(earliest) ms after the grace; early: \(early)")
        // Those that were heard of have another minute.
        for log in try self.logs(of: saved, on: client) {
            guard let end = log.last, end.type == "session.expired" else { continue }
            #expect(end.at - back >= 60_000)
        }
        for node in nodes { await node.stop() }
    }
}
