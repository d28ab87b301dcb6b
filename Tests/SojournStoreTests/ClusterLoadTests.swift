import SojournCore
import SojournLoop
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

/// A cluster changes under load.
@Suite struct ClusterLoadTests {
    private func nodes(
        _ bed: ClusterBed, _ change: @escaping (inout StoreConfiguration) -> Void = { _ in }
    ) async throws -> [StoreNode] {
        var nodes: [StoreNode] = []
        for (name, loops) in [("a", 1), ("b", 2)] {
            nodes.append(
                try await StoreNode.start(on: bed.servers[0], name: name, loops: loops) {
                    $0.redis = .cluster(bed.endpoints)
                    change(&$0)
                })
        }
        return nodes
    }

    /// Every reader has the log as it is, and every log is whole.
    private func check(_ sessions: [Session], _ load: SentinelLoad, on node: StoreNode) async throws -> [Event] {
        var all: [Event] = []
        for (session, reader) in zip(sessions, load.readers) {
            let log = try await node.log(of: session)
            #expect(log.map(\.seq) == Array(1...log.count))
            try await eventually(within: 60) { reader.events.last == log.last }
            #expect(reader.picture == log)
            all += log
        }
        return all
    }

    @Test func `half of the slots of a cluster move under load, and no client gets an error`() async throws {
        let bed = try await ClusterBed.start(masters: 3)
        defer { bed.stop() }
        let partitions = 64
        let nodes = try await self.nodes(bed) { $0.partitions = partitions }
        let sessions = try await SentinelLoad.sessions(48, on: nodes[0])
        let load = try await SentinelLoad.start(sessions, on: nodes)
        try await eventually(within: 60) { load.acknowledged > 200 }
        // Of each master the first half of its slots goes to the next one, some at a time.
        let borders = (0...3).map { $0 * PartitionTags.slots / 3 }
        var moved: Set<Int> = []
        for master in 0..<3 {
            let end = (borders[master] + borders[master + 1]) / 2
            for start in stride(from: borders[master], to: end, by: 128) {
                let slots = start..<min(start + 128, end)
                let before = load.acknowledged
                try bed.migrate(slots, from: master, to: (master + 1) % 3)
                moved.formUnion(slots)
                try await eventually(within: 60) { load.acknowledged > before + 10 }
            }
        }
        try await load.stop()
        let tags = PartitionTags(count: partitions)
        let loaded = sessions.filter { moved.contains(tags.slot(of: $0.id.partition)) }
        #expect(abs(moved.count - PartitionTags.slots / 2) <= 3 && !loaded.isEmpty && loaded.count < sessions.count)
        for slot in [borders[0], borders[1], borders[2]] {
            let place = try #require(borders.firstIndex(of: slot))
            #expect(try bed.owner(of: slot) == (place + 1) % 3)
        }
        #expect(load.refused == 0, "\(load.reasons)")
        let events = try await self.check(sessions, load, on: nodes[1])
        #expect(events.count == load.acknowledged + sessions.count, "each message once, and each creation")
        let gaps = load.readers.flatMap { $0.gaps }
        #expect(gaps.isEmpty)
        print(
            """
            \(moved.count) slots moved, with \(loaded.count) of \(sessions.count) sessions: \(load.acknowledged) messages \
            acknowledged, \(load.refused) refused, \(gaps.count) gaps
            """)
        for node in nodes { await node.stop() }
        for server in bed.servers { #expect(try KeyspaceWalk.violations(in: server.client()) == []) }
    }

    @Test func `six masters share the partitions evenly, and each loop has two connections to each`() async throws {
        let bed = try await ClusterBed.start(masters: 6)
        defer { bed.stop() }
        let nodes = try await self.nodes(bed) { $0.partitions = 256 }
        let tags = PartitionTags(count: 256)
        let owners = try (0..<256).map { try #require(try bed.owner(of: tags.slot(of: $0))) }
        let shares = Dictionary(grouping: owners) { $0 }.mapValues(\.count)
        #expect(shares.count == 6 && shares.values.allSatisfy { (42...43).contains($0) }, "\(shares)")
        let sessions = try await SentinelLoad.sessions(120, on: nodes[0])
        let load = try await SentinelLoad.start(sessions, on: nodes)
        try await eventually(within: 60) { load.acknowledged > 600 }
        for server in bed.servers {
            let clients = try server.client().send("CLIENT", "LIST").string ?? ""
            let names = clients.split(whereSeparator: \.isNewline).filter { !$0.contains(" name= ") }
            // Of three loops, two of them of one node.
            #expect(names.count == 6, "\(clients)")
        }
        try await load.stop()
        #expect(load.refused == 0, "\(load.reasons)")
        _ = try await self.check(sessions, load, on: nodes[1])
        for server in bed.servers { #expect(try server.client().send("DBSIZE") != 0) }
        for node in nodes { await node.stop() }
    }

    @Test func `replicas leave, join and take over under load, and no client gets an error`() async throws {
        let bed = try await ClusterBed.start(masters: 3, replicas: 1)
        defer { bed.stop() }
        let nodes = try await self.nodes(bed)
        let sessions = try await SentinelLoad.sessions(24, on: nodes[0])
        let load = try await SentinelLoad.start(sessions, on: nodes)
        func goOn(_ when: String) async throws {
            let before = load.acknowledged
            try await eventually(within: 60, "messages are taken \(when)") { load.acknowledged > before + 200 }
        }
        try await goOn("at the start")
        try bed.leave(4)
        try await goOn("without a replica")
        let newcomer = try await bed.join(replicaOf: 1)
        defer { newcomer.stop() }
        try await goOn("with another replica")
        #expect(load.refused == 0, "\(load.reasons)")
        // The newcomer takes over from its master in good order.
        try await bed.takeOver(newcomer)
        // Until it hears of that, its old master keeps those waiting who write; then it is a replica, and leaves.
        try await eventually(within: 60, "the old master follows") {
            try bed.servers[1].client().send("INFO", "replication").string?.contains("role:slave") == true
        }
        try await goOn("by the new master")
        try bed.leave(1)
        try await goOn("without the old master")
        try await load.stop()
        #expect(load.refused == 0, "\(load.reasons)")
        let events = try await self.check(sessions, load, on: nodes[1])
        #expect(events.count == load.acknowledged + sessions.count)
        for node in nodes { await node.stop() }
        for server in [bed.servers[0], newcomer, bed.servers[2]] {
            #expect(try KeyspaceWalk.violations(in: server.client()) == [])
        }
    }

    @Test func `what a replica has is there after its master was killed, and readers are told of the rest`()
        async throws
    {
        let bed = try await ClusterBed.start(masters: 3, replicas: 1)
        defer { bed.stop() }
        let nodes = try await self.nodes(bed) {
            $0.waitReplicas = 1
            $0.waitMilliseconds = 2_000
        }
        let sessions = try await SentinelLoad.sessions(24, on: nodes[0])
        let load = try await SentinelLoad.start(sessions, on: nodes)
        try await eventually(within: 60) { load.kept.count > 400 }
        bed.servers[1].kill9()
        for session in sessions { try await nodes[0].sayUntilTaken("after", in: session) }
        try await load.stop()
        #expect(try bed.owner(of: PartitionTags.slots / 2, askedOf: 2) == 4, "its replica is the master now")
        let found = Set(try await self.check(sessions, load, on: nodes[1]).compactMap { Message($0)?.id })
        #expect(load.kept.subtracting(found).isEmpty, "acknowledged, and at the replica, and lost")
        #expect(load.refused > 0, "nothing was in flight when the master died")
        for node in nodes { await node.stop() }
        for place in [0, 2, 4] { #expect(try KeyspaceWalk.violations(in: bed.servers[place].client()) == []) }
    }
}
