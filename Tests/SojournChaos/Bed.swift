import Foundation
import SojournLoop
import SojournTesting

/// The Redis of a run, with what stands between it and the nodes.
final class Bed: Sendable {
    let topology: Options.Topology
    let servers: [RedisServer]
    private let sentinels: SentinelBed?
    private let cluster: ClusterBed?
    /// One for each node, or with replicas one for each server.
    let proxies: [TestProxy]

    static func start(_ options: Options, nodes: Int) async throws -> Bed {
        let settings = ["--appendfsync", options.fsync.rawValue]
        switch options.topology {
        case .standalone:
            let server = try await RedisServer.start(tcp: true, settings, alone: true)
            return Bed(.standalone, [server], proxies: (0..<nodes).map { _ in TestProxy(to: server.tcpEndpoint) })
        case .sentinel:
            let bed = try await SentinelBed.start(
                replicas: options.replicas, downAfter: 1_500, proxied: true, settings)
            return Bed(.sentinel, bed.servers, proxies: bed.proxies, sentinels: bed)
        case .cluster:
            let bed = try await ClusterBed.start(replicas: 1, proxied: true, settings)
            return Bed(.cluster, bed.servers, proxies: bed.proxies, cluster: bed)
        }
    }

    private init(
        _ topology: Options.Topology, _ servers: [RedisServer], proxies: [TestProxy], sentinels: SentinelBed? = nil,
        cluster: ClusterBed? = nil
    ) {
        self.topology = topology
        self.servers = servers
        self.proxies = proxies
        self.sentinels = sentinels
        self.cluster = cluster
    }

    /// Ends all of it and deletes its files.
    func stop() {
        self.sentinels?.stop()
        for server in self.servers { server.stop() }
        for (_, folder) in self.folders { folder.remove() }
    }

    /// Where the logs are, by a name for each folder.
    var folders: [(name: String, folder: TemporaryFolder)] {
        self.servers.enumerated().map { ("redis-\($0)", $1.folder) }
            + (self.sentinels.map { [("sentinels", $0.folder)] } ?? [])
    }

    /// What `--redis` says on a node.
    func url(of node: Int) -> String {
        switch self.topology {
        case .standalone: "redis://\(self.proxies[node].endpoint)"
        case .sentinel:
            "redis+sentinel://" + (self.sentinels?.sentinels ?? []).map { "\($0)" }.joined(separator: ",")
                + "/\(SentinelBed.name)"
        case .cluster: "redis+cluster://" + self.proxies.map { "\($0.endpoint)" }.joined(separator: ",")
        }
    }

    /// What a server says of replication, field by field; empty while it does not answer.
    private static func replication(_ server: RedisServer) -> [String: String] {
        guard server.pid != 0, let text = try? server.client().send("INFO", "replication").string else { return [:] }
        let pairs = text.split(whereSeparator: \.isNewline).compactMap { line -> (String, String)? in
            let halves = line.split(separator: ":", maxSplits: 1)
            return halves.count == 2 ? (String(halves[0]), String(halves[1])) : nil
        }
        return Dictionary(pairs) { $1 }
    }

    /// The proxy that a harm to the network is done to: one of a node, or with replicas that of a master.
    func proxy(_ place: Int) -> TestProxy? {
        guard self.topology != .standalone else { return self.proxies[place % self.proxies.count] }
        let masters = self.servers.indices.filter { Self.replication(self.servers[$0])["role"] == "master" }
        return masters.isEmpty ? nil : self.proxies[masters[place % masters.count]]
    }

    /// The servers that call themselves masters.
    var masters: [RedisServer] { self.servers.filter { Self.replication($0)["role"] == "master" } }

    /// The servers that follow one.
    var replicas: [RedisServer] { self.servers.filter { Self.replication($0)["role"] == "slave" } }

    /// Whether every server runs, every master has all its replicas, and these have caught up.
    var isWell: Bool {
        let states = self.servers.map(Self.replication)
        let masters = states.filter { $0["role"] == "master" }
        guard states.allSatisfy({ !$0.isEmpty }), masters.count == (self.topology == .cluster ? 3 : 1) else {
            return false
        }
        let wanted = self.topology == .standalone ? 0 : self.servers.count / masters.count - 1
        let followers = masters.allSatisfy { master in
            let online = master.filter { $0.key.hasPrefix("slave") && $0.value.contains("state=online") }
            return master["connected_slaves"] == "\(wanted)" && online.count == wanted
        }
        let isCaughtUp = states.allSatisfy { $0["role"] == "master" || $0["master_link_status"] == "up" }
        guard followers, isCaughtUp else { return false }
        switch self.topology {
        case .standalone: return true
        case .sentinel: return (try? self.sentinels?.master()?.port) == self.masters.first?.port
        case .cluster:
            return self.servers.allSatisfy {
                (try? $0.client().send("CLUSTER", "INFO").string?.contains("cluster_state:ok")) == true
            }
        }
    }

    /// Keys of sessions that are still there, and what nobody owns: law 7.
    func remains() throws -> (sessions: [String], unowned: [String]) {
        var sessions: [String] = []
        var unowned: [String] = []
        for master in self.masters {
            let client = try master.client()
            let keys = try client.send("KEYS", "sj:*:s:*").array.compactMap(\.string)
            sessions += keys.compactMap { $0.split(separator: ":").last.map(String.init) }
            unowned += try KeyspaceWalk.violations(in: client)
        }
        return (sessions, unowned)
    }
}
