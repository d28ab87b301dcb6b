import SojournCore
import SojournLoop
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

/// Many nodes on a few loops, each with its own store, connections, registry and sweeper, on one Redis over TCP: so
/// that Redis can tell who calls.
final class Crowd: Sendable {
    static let partitions = 256

    private let server: RedisServer
    private let loops = (0..<2).map { EventLoop(name: "crowd-\($0)") }
    private let stores = Locked<[String: SessionStore]>([:])

    init(on server: RedisServer) { self.server = server }

    var names: [String] { self.stores.withLock { $0.keys.sorted() } }

    /// Starts these nodes, ten at a time.
    func join(_ names: [String]) async throws {
        for start in stride(from: 0, to: names.count, by: 10) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for place in start..<min(start + 10, names.count) {
                    group.addTask { try await self.start(names[place], on: self.loops[place % self.loops.count]) }
                }
                try await group.waitForAll()
            }
        }
    }

    private func start(_ name: String, on loop: EventLoop) async throws {
        var configuration = StoreConfiguration(redis: .standalone(self.server.tcpEndpoint), nodeName: name)
        if let login = SecureRun.login { (configuration.user, configuration.password) = login }
        configuration.partitions = Self.partitions
        configuration.commandTimeout = 30_000
        let store = try await SessionStore.start(configuration: configuration, loops: [loop])
        self.stores.withLock { $0[name] = store }
    }

    /// Ends these nodes: in good order, or as a crash would.
    func leave(_ names: [String], crashing: Bool = false) async throws {
        for name in names {
            guard let store = self.stores.withLock({ $0.removeValue(forKey: name) }) else { continue }
            if crashing {
                for (loop, shard) in zip(store.loops, store.shards) { try await loop.run { shard.value.close() } }
            }
            await store.shutdown()
        }
    }

    func stop() async throws { try await self.leave(self.names) }

    /// Who sweeps each partition, as the nodes themselves say; nil while they do not see the same nodes.
    private func sweepers() async throws -> [[String]]? {
        let stores = self.stores.withLock { $0 }
        let names = stores.keys.sorted()
        var sweepers = [[String]](repeating: [], count: Self.partitions)
        for (name, store) in stores {
            let duties = store.duties
            let (live, partitions) = try await store.loops[0].run {
                (duties.value.nodes.live, duties.value.nodes.partitions)
            }
            guard live == names else { return nil }
            for partition in partitions { sweepers[partition].append(name) }
        }
        return sweepers
    }

    /// Waits until all nodes see the same nodes, and says whose each partition is. None is left out or taken twice.
    func settled() async throws -> [String] {
        var sweepers: [[String]] = []
        try await eventually(within: 60, "\(self.names.count) nodes see each other") {
            sweepers = try await self.sweepers() ?? []
            return !sweepers.isEmpty
        }
        #expect(sweepers.allSatisfy { $0.count == 1 })
        return sweepers.map { $0.first ?? "" }
    }
}
