import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournRedis

@Suite struct ClusterSubscriberTests {
    private static let tags = PartitionTags(count: 16)
    private static func channel(_ partition: Int) -> String { "{\(Self.tags[partition])}:ch" }
    private static func slot(_ partition: Int) -> Int { Self.tags.slot(of: partition) }

    /// What a router's subscriber tells.
    private final class Ears {
        let router: RedisRouter
        var heard: [String: [String]] = [:]
        var restored: [String] = []
        var lost = 0

        init(_ loop: EventLoop, _ bed: ClusterBed) {
            var options = RedisOptions()
            options.commandTimeoutMs = 30_000
            self.router = RedisRouter(
                loop: loop, topology: .cluster([bed.endpoints[0]]), options: options,
                probes: (0..<16).map { "{\(ClusterSubscriberTests.tags[$0])}:probe" })
            self.router.subscriber.onMessage = { [weak self] channel, payload in
                self?.heard[channel, default: []].append(String(decoding: payload, as: UTF8.self))
            }
            self.router.subscriber.onRestored = { [weak self] in self?.restored += $0 }
            self.router.subscriber.onLost = { [weak self] in self?.lost += 1 }
            self.router.start()
            self.router.subscriber.start()
        }

        func publish(_ partition: Int, _ text: String) async throws {
            _ = try await self.router.send(
                ["SPUBLISH", .string(ClusterSubscriberTests.channel(partition)), .string(text)], kind: .write)
        }
    }

    @Test func `channels of all slots are heard, over one connection a master`() async throws {
        let bed = try await ClusterBed.start(masters: 3)
        defer { bed.stop() }
        try await onLoop { loop in
            let ears = Ears(loop, bed)
            defer { ears.router.close() }
            for partition in 0..<16 { try await ears.router.subscriber.subscribe(Self.channel(partition)) }
            for partition in 0..<16 { try await ears.publish(partition, "\(partition)") }
            try await eventually { ears.heard.count == 16 }
            #expect((0..<16).allSatisfy { ears.heard[Self.channel($0)] == ["\($0)"] })
            #expect(ears.router.subscriber.isHealthy && ears.lost == 0)
            for server in bed.servers {
                let list = try server.client().send("CLIENT", "LIST", "TYPE", "pubsub").string ?? ""
                #expect(list.split(separator: "\n").count == 1)
                #expect(try server.client().send("PUBSUB", "SHARDCHANNELS", "*probe").array.count == 1)
            }
            ears.router.subscriber.unsubscribe(Self.channel(3))
            let owner = try #require(try bed.owner(of: Self.slot(3)))
            try await eventually {
                try bed.servers[owner].client().send("PUBSUB", "SHARDCHANNELS", Self.channel(3)).array.isEmpty
            }
        }
    }

    @Test func `a channel whose slot moves is asked for at its new master, and told`() async throws {
        let bed = try await ClusterBed.start(masters: 3)
        defer { bed.stop() }
        try await onLoop { loop in
            let ears = Ears(loop, bed)
            defer { ears.router.close() }
            for partition in 0..<16 { try await ears.router.subscriber.subscribe(Self.channel(partition)) }
            // All of one master's, its probe's among them.
            let moving = try (0..<16).filter { try bed.owner(of: Self.slot($0)) == 0 }
            #expect(moving.count >= 5)
            for partition in moving { try bed.migrate(slot: Self.slot(partition), from: 0, to: 1 + partition % 2) }
            try await eventually { Set(ears.restored) == Set(moving.map(Self.channel)) }
            #expect(ears.lost > 0)
            for partition in 0..<16 { try await ears.publish(partition, "after") }
            try await eventually { ears.heard.count == 16 }
            #expect(ears.heard.values.allSatisfy { $0 == ["after"] })
            try await eventually { ears.router.subscriber.isHealthy }
        }
    }

    @Test func `a master that dies takes its channels along until its replica has them`() async throws {
        let bed = try await ClusterBed.start(masters: 3, replicas: 1)
        defer { bed.stop() }
        try await onLoop { loop in
            let ears = Ears(loop, bed)
            defer { ears.router.close() }
            for partition in 0..<16 { try await ears.router.subscriber.subscribe(Self.channel(partition)) }
            let dying = try (0..<16).filter { try bed.owner(of: Self.slot($0)) == 1 }
            bed.servers[1].kill9()
            try await eventually(within: 60) { Set(ears.restored) == Set(dying.map(Self.channel)) }
            for partition in 0..<16 { try await ears.publish(partition, "after") }
            try await eventually { ears.heard.count == 16 }
            try await eventually { ears.router.subscriber.isHealthy }
        }
    }

    @Test func `a subscriber connection that is cut comes back with its own channels`() async throws {
        let bed = try await ClusterBed.start(masters: 3)
        defer { bed.stop() }
        try await onLoop { loop in
            let ears = Ears(loop, bed)
            defer { ears.router.close() }
            for partition in 0..<16 { try await ears.router.subscriber.subscribe(Self.channel(partition)) }
            let own = try (0..<16).filter { try bed.owner(of: Self.slot($0)) == 2 }
            try bed.servers[2].client().send("CLIENT", "KILL", "TYPE", "pubsub")
            try await eventually { Set(ears.restored) == Set(own.map(Self.channel)) }
        }
    }
}
