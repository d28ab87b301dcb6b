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

    @Test func `half of the slots move under load, and no client gets an error`() async throws {
        let bed = try await ClusterBed.start(masters: 3)
        defer { bed.stop() }
        let nodes = try await self.nodes(bed)
        let sessions = try await SentinelLoad.sessions(24, on: nodes[0])
        let load = try await SentinelLoad.start(sessions, on: nodes)
        try await eventually(within: 60) { load.acknowledged > 200 }
        let tags = PartitionTags(count: 16)
        for partition in stride(from: 0, to: 16, by: 2) {
            let slot = tags.slot(of: partition)
            let from = try #require(try bed.owner(of: slot))
            try bed.migrate(slot: slot, from: from, to: (from + 1) % 3)
            let before = load.acknowledged
            try await eventually(within: 60) { load.acknowledged > before + 50 }
        }
        try await load.stop()
        #expect(load.refused == 0)
        let events = try await self.check(sessions, load, on: nodes[1])
        #expect(events.count == load.acknowledged + sessions.count, "each message once, and each creation")
        let gaps = load.readers.flatMap { $0.gaps }
        #expect(gaps.isEmpty)
        for node in nodes { await node.stop() }
        for server in bed.servers { #expect(try KeyspaceWalk.violations(in: server.client()) == []) }
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
