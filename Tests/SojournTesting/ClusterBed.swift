import Foundation
import SojournCore
public import SojournLoop

/// A Redis Cluster of real servers, whose masters share the slots in equal ranges.
public final class ClusterBed: Sendable {
    /// The masters at the start, then their replicas in turn.
    public let servers: [RedisServer]
    /// What stands before each server, if that was asked for: all but the bus goes that way.
    public let proxies: [TestProxy]
    /// How many masters there are at the start.
    public let masterCount: Int

    /// Starts all of it and waits until each member says that the cluster is well. A master counts as dead after
    /// `nodeTimeout` milliseconds. `proxied` puts a proxy before each server.
    public static func start(
        masters: Int = 3, replicas: Int = 0, nodeTimeout: Int = 2_000, proxied: Bool = false, password: String? = nil,
        _ settings: [String] = []
    ) async throws -> ClusterBed {
        let count = masters * (1 + replicas)
        let servers = (0..<count).map { _ in
            let bus = TestListener.freePort()
            return (
                bus: bus,
                server: RedisServer(
                    tcp: true, password: password, settings: Self.settings(bus: bus, nodeTimeout) + settings)
            )
        }
        let proxies = proxied ? servers.map { TestProxy(to: $0.server.tcpEndpoint) } : []
        for (proxy, (bus, server)) in zip(proxies, servers) {
            server.alsoSet([
                "--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", "\(proxy.port)",
                "--cluster-announce-bus-port", "\(bus)",
            ])
        }
        // Every member starts with the whole picture, so that nobody has to be introduced.
        func id(_ place: Int) -> String { String(repeating: "0", count: 37) + "\(100 + place)" }
        for own in 0..<count {
            var lines = (0..<count).map { place -> String in
                let (bus, server) = servers[place]
                let isMaster = place < masters
                let flags = (place == own ? "myself," : "") + (isMaster ? "master" : "slave")
                let first = place * PartitionTags.slots / masters
                let slots = isMaster ? " \(first)-\((place + 1) * PartitionTags.slots / masters - 1)" : ""
                let master = isMaster ? "-" : id(place % masters)
                let port = proxied ? proxies[place].port : server.port
                return "\(id(place)) 127.0.0.1:\(port)@\(bus) \(flags) \(master) 0 0 \(place % masters + 1) "
                    + "connected\(slots)"
            }
            lines.append("vars currentEpoch \(masters) lastVoteEpoch 0\n")
            try lines.joined(separator: "\n").write(
                toFile: servers[own].server.folder.file("nodes.conf"), atomically: true, encoding: .utf8)
        }
        let bed = ClusterBed(servers: servers.map(\.server), proxies: proxies, masterCount: masters)
        for server in bed.servers { try server.launch() }
        for server in bed.servers {
            try await eventually(within: 60, "the cluster is well") {
                (try? server.ownClient().send("CLUSTER", "INFO").string?.contains("cluster_state:ok")) == true
            }
        }
        for server in bed.servers.dropFirst(masters) {
            try await eventually(within: 60, "the replica follows") {
                try server.ownClient().send("INFO", "replication").string?.contains("master_link_status:up") == true
            }
        }
        return bed
    }

    private static func settings(bus: Int, _ nodeTimeout: Int) -> [String] {
        [
            "--cluster-enabled", "yes", "--cluster-port", "\(bus)", "--cluster-node-timeout", "\(nodeTimeout)",
            "--repl-diskless-sync-delay", "0", "--cluster-migration-barrier", "100",
        ]
    }

    private init(servers: [RedisServer], proxies: [TestProxy], masterCount: Int) {
        self.servers = servers
        self.proxies = proxies
        self.masterCount = masterCount
    }

    /// Ends everything. Idempotent.
    public func stop() { for server in self.servers { server.stop() } }

    /// Where all of them listen.
    public var endpoints: [Endpoint] {
        self.proxies.isEmpty ? self.servers.map(\.tcpEndpoint) : self.proxies.map(\.endpoint)
    }

    /// The name of a member among the others.
    public func id(_ place: Int) throws -> String {
        try self.servers[place].ownClient().send("CLUSTER", "MYID").string ?? ""
    }

    /// The member that is the master of a slot, as `member` says.
    public func owner(of slot: Int, askedOf member: Int = 0) throws -> Int? {
        for range in try self.servers[member].ownClient().send("CLUSTER", "SLOTS").array {
            let parts = range.array
            guard parts.count > 2, case .int(let first) = parts[0], case .int(let last) = parts[1],
                (first...last).contains(slot)
            else { continue }
            let port = parts[2].array.dropFirst().first
            return self.servers.firstIndex { "\($0.port)" == port?.string }
        }
        return nil
    }

    /// Moves a slot with its keys to another master, as `redis-cli --cluster reshard` does.
    public func migrate(slot: Int, from source: Int, to target: Int) throws {
        try self.migrate(CollectionOfOne(slot), from: source, to: target)
    }

    /// Moves slots with their keys, one after the other.
    public func migrate(_ slots: some Sequence<Int>, from source: Int, to target: Int, keysAtOnce: Int = 10) throws {
        let (old, new) = (try self.servers[source].ownClient(), try self.servers[target].ownClient())
        let (here, there) = (try self.id(source), try self.id(target))
        let others = self.servers.enumerated().filter { place, _ in
            place < self.masterCount && place != source && place != target
        }.compactMap { try? $0.element.ownClient() }
        for slot in slots {
            try new.send("CLUSTER", "SETSLOT", "\(slot)", "IMPORTING", here)
            try old.send("CLUSTER", "SETSLOT", "\(slot)", "MIGRATING", there)
            while true {
                let keys = try old.send("CLUSTER", "GETKEYSINSLOT", "\(slot)", "\(keysAtOnce)").array
                    .compactMap(\.string)
                if keys.isEmpty { break }
                try old.send(["MIGRATE", "127.0.0.1", "\(self.servers[target].port)", "", "0", "5000", "KEYS"] + keys)
            }
            for client in [new, old] { try client.send("CLUSTER", "SETSLOT", "\(slot)", "NODE", there) }
            for client in others { _ = try? client.send("CLUSTER", "SETSLOT", "\(slot)", "NODE", there) }
        }
    }

    // MARK: Members that come and go

    /// Starts a server that joins as one more replica of a master, and waits until it has all that the master has.
    public func join(replicaOf master: Int, nodeTimeout: Int = 2_000) async throws -> RedisServer {
        let bus = TestListener.freePort()
        let server = RedisServer(tcp: true, password: nil, settings: Self.settings(bus: bus, nodeTimeout))
        try server.launch()
        let (name, member) = (try self.id(master), try self.servers[master].ownClient())
        try await eventually(within: 60, "a server joins") {
            guard let client = try? server.ownClient() else { return false }
            try member.send("CLUSTER", "MEET", "127.0.0.1", "\(server.port)", "\(bus)")
            return try client.send("CLUSTER", "REPLICATE", name) == "OK"
        }
        try await eventually(within: 60, "it follows, and all know it") {
            let own = try server.ownClient().send("CLUSTER", "MYID").string ?? ""
            return try server.ownClient().send("INFO", "replication").string?.contains("master_link_status:up") == true
                && self.running.allSatisfy {
                    try $0.ownClient().send("CLUSTER", "NODES").string?.split(separator: "\n")
                        .contains { $0.hasPrefix(own) && $0.contains(" slave \(name) ") } == true
                }
        }
        return server
    }

    /// Has a replica take over from its master, which both agree on before; it gives up by itself when they do not.
    public func takeOver(_ replica: RedisServer) async throws {
        let client = try replica.ownClient()
        func isMaster() throws -> Bool {
            try client.send("INFO", "replication").string?.contains("role:master") == true
        }
        for _ in 1...8 where try !isMaster() {
            try client.send("CLUSTER", "FAILOVER")
            // Redis tries for 5 seconds.
            try? await eventually(within: 7) { try isMaster() }
        }
        guard try isMaster() else { throw NotInTime(description: "the replica did not take over") }
    }

    /// Ends a member, and has all others forget it.
    public func leave(_ place: Int) throws {
        let name = try self.id(place)
        self.servers[place].kill9()
        for server in self.running { try server.ownClient().send("CLUSTER", "FORGET", name) }
    }

    private var running: [RedisServer] { self.servers.filter { $0.pid != 0 } }
}
