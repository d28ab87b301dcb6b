import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// Counts what the streams of one node bring, over many sessions. Lives on the node's loop.
private final class StreamTally: FeedReader {
    /// Events by type; gaps and ends of streams are counted as `gap` and `end`.
    private(set) var counts: [String: Int] = [:]
    /// How many streams have caught up.
    private(set) var ready = 0
    private var subscriptions: [Subscription] = []

    init(of ids: [SessionID], on feed: Feed) {
        self.subscriptions = ids.map { feed.subscribe(self, to: $0, after: .start) }
    }

    let isReady = true
    func take(_ event: LiveEvent) { self.counts[event.event.type, default: 0] += 1 }
    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor) { self.counts["gap", default: 0] += 1 }
    func caughtUp(_ cursor: Cursor) { self.ready += 1 }
    func finished(_ reason: FeedEnd) { self.counts["end", default: 0] += 1 }
}

@Suite(.serialized) struct SweepTests {
    /// A stream of each session, spread over the nodes.
    private func streams(of ids: [SessionID], on nodes: [StoreNode]) async throws -> [Confined<StreamTally>] {
        var tallies: [Confined<StreamTally>] = []
        for (place, node) in nodes.enumerated() {
            let share = stride(from: place, to: ids.count, by: nodes.count).map { ids[$0] }
            tallies.append(try await node.shard { Confined(StreamTally(of: share, on: $0.feed), to: $0.loop) })
        }
        try await eventually(within: 30, "every stream has caught up") {
            var ready = 0
            for (node, tally) in zip(nodes, tallies) { ready += try await node.loops[0].run { tally.value.ready } }
            return ready == ids.count
        }
        return tallies
    }

    /// What all streams together have brought.
    private func counts(_ tallies: [Confined<StreamTally>], on nodes: [StoreNode]) async throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for (node, tally) in zip(nodes, tallies) {
            counts.merge(try await node.loops[0].run { tally.value.counts }, uniquingKeysWith: +)
        }
        return counts
    }

    private func nodes(_ names: [String], on server: RedisServer, partitions: Int = 256) async throws -> [StoreNode] {
        var nodes: [StoreNode] = []
        for name in names {
            nodes.append(try await StoreNode.start(on: server, name: name) { $0.partitions = partitions })
        }
        try await eventually(within: 15, "the nodes share the partitions") {
            var total = 0
            for node in nodes { total += try await node.partitions }
            return total == partitions
        }
        return nodes
    }

    /// Sessions that all have the same deadline, to the millisecond, and that instant.
    private func sessions(_ count: Int, on node: StoreNode) async throws -> ([SessionID], deadline: Instant) {
        let policy = TimeoutPolicy(
            timeout: 12 * 60_000, autoRenew: false, maxDuration: 60 * 60_000, warning: 5 * 60_000)
        let made = try await node.shard { shard in
            var made: [Session] = []
            await shard.concurrently(0..<count) { _ in
                let request = SessionRequest(agentID: StoreNode.agent, userID: StoreNode.user, policy: policy)
                if let created = try? await shard.create(request) { made.append(created.session) }
            }
            return made
        }
        try #require(made.count == count)
        let deadline = try #require(made.map(\.expiresAt).max())
        let patched = try await node.shard { shard in
            var patched = 0
            await shard.concurrently(made) { session in
                let patch = TimeoutPatch(timeout: deadline.milliseconds - session.base.milliseconds)
                if let session = try? await shard.patch(session.id, patch), session.expiresAt == deadline {
                    patched += 1
                }
            }
            return patched
        }
        try #require(patched == count)
        return (made.map(\.id), deadline)
    }

    /// Moves the test clock to `ahead` ms before `instant`.
    private func jump(to instant: Instant, ahead: Int64, on node: StoreNode, with id: SessionID) async throws {
        let now = try await node.store.session(id.text).asOf
        try await node.store.advanceTestClock(milliseconds: instant.milliseconds - ahead - now.milliseconds)
    }

    /// The events of a type over all logs, live or ended.
    private func events(_ type: String, of ids: [SessionID], on server: RedisServer, partitions: Int = 256) throws
        -> [Event]
    {
        let keyspace = Keyspace(namespace: "sj", partitions: partitions)
        let client = try server.client()
        return try ids.flatMap { id in
            try client.send("LRANGE", keyspace.keys(of: id).log, "0", "-1").array.compactMap { entry in
                entry.string.flatMap { Event(bytes: Array($0.utf8)) }.flatMap { $0.type == type ? $0 : nil }
            }
        }
    }

    @Test func `five nodes warn and end a thousand sessions once each, on time`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let nodes = try await self.nodes(["a", "b", "c", "d", "e"], on: server)
        var best: Int64 = .max
        for round in 1...(TestRun.isAlone ? 5 : 1) where best >= 250 {
            let (ids, deadline) = try await self.sessions(1000, on: nodes[0])
            // What the streams of all sessions bring is counted once; it takes a share of the machine.
            let streamed = round == 1 ? ids : []
            let tallies = try await self.streams(of: streamed, on: nodes)
            var worst: Int64 = 0
            for (type, due) in [("session.expiring", deadline - 5 * 60_000), ("session.expired", deadline)] {
                try await self.jump(to: due, ahead: 2_500, on: nodes[0], with: ids[0])
                try await eventually(within: 20, "1000 \(type)") {
                    try self.events(type, of: Array(ids.prefix(10)), on: server).count == 10
                }
                try await eventually(within: 20, "1000 \(type)") {
                    try self.events(type, of: ids, on: server).count >= 1000
                }
                let late = try self.events(type, of: ids, on: server).map { $0.at - due }.sorted()
                #expect(late.count == 1000)
                #expect(late[0] >= 0, "none is early")
                print("\(type): lateness p50 \(late[500]) ms, p99 \(late[989]) ms, max \(late[999]) ms")
                worst = max(worst, late[989])
            }
            best = min(best, worst)
            // Nobody fires them again.
            #expect(try self.events("session.expiring", of: ids, on: server).count == 1000)
            // A stream ends with its session, so nothing comes after these.
            try await eventually(within: 30, "every stream has ended") {
                try await self.counts(tallies, on: nodes)["end"] ?? 0 == streamed.count
            }
            let brought = try await self.counts(tallies, on: nodes)
            for type in ["session.expiring", "session.expired"] {
                #expect(brought[type] ?? 0 == streamed.count, "\(brought)")
            }
            #expect(brought["gap"] == nil)
            var counts = [0, 0]
            for node in nodes {
                let duties = node.store.duties
                let (warned, expired) = try await node.loops[0].run { (duties.value.warned, duties.value.expired) }
                counts = [counts[0] + warned, counts[1] + expired]
                #expect(warned > 0 && expired > 0, "every node sweeps")
            }
            #expect(counts[0] == counts[1] && counts[0] % 1000 == 0)
        }
        // Beside other tests a lateness says little.
        if TestRun.isAlone { #expect(best < 250, "p99 in ms, in the best round") }
        for node in nodes { await node.stop() }
    }

    @Test(arguments: ["shutdown", "crash"])
    func `the partitions of a node that is gone are swept by the others`(way: String) async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let nodes = try await self.nodes(["a", "b", "c"], on: server, partitions: 64)
        let (ids, deadline) = try await self.sessions(300, on: nodes[0])
        try await self.jump(to: deadline, ahead: 400_000, on: nodes[0], with: ids[0])
        if way == "shutdown" { await nodes[2].stop() } else { try await nodes[2].crash() }
        try await self.jump(to: deadline, ahead: 0, on: nodes[0], with: ids[0])
        let clock = ContinuousClock()
        let gone = clock.now
        try await eventually(within: 15, "the others sweep everything") {
            try self.events("session.expired", of: ids, on: server, partitions: 64).count == 300
        }
        print("after a \(way) all was swept within \(clock.now - gone)")
        #expect(try await nodes[0].partitions + nodes[1].partitions == 64)
        if way == "crash" { await nodes[2].stop() }
        for node in nodes.prefix(2) { await node.stop() }
    }

    @Test(arguments: [1, 3])
    func `sweeping an idle store costs one look a partition and second, however many nodes`(count: Int) async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let nodes = try await self.nodes(["a", "b", "c"].prefix(count).map { $0 }, on: server)
        let client = try server.client()
        func seconds() throws -> Double {
            let time = try client.send("TIME").array.compactMap { $0.string.flatMap { Double($0) } }
            return time[0] + time[1] / 1e6
        }
        let (calls, all, start) = (try server.calls(of: "evalsha", "eval"), try server.calls(), try seconds())
        try await eventually { try seconds() - start > 4 }
        let passed = try seconds() - start
        let rate = Double(try server.calls(of: "evalsha", "eval") - calls) / passed
        let allRate = Double(try server.calls() - all) / passed
        print("\(count) idle nodes: \(Int(rate)) script calls and \(Int(allRate)) Redis commands in all a second")
        #expect(rate < 256 * 1.25 + Double(count) * 4)
        for node in nodes { await node.stop() }
    }
}

extension StoreNode {
    /// How many partitions this node sweeps.
    fileprivate var partitions: Int {
        get async throws {
            let duties = self.store.duties
            return try await self.loops[0].run { duties.value.nodes.partitions.count }
        }
    }
}
