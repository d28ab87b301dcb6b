import Foundation
public import SojournLoop

/// A master with replicas, watched by real sentinels.
public final class SentinelBed: Sendable {
    /// What the sentinels call the master.
    public static let name = "sojourn"
    /// The first one is the master at the start.
    public let servers: [RedisServer]
    /// What stands before each server, if that was asked for: also sentinels and replicas know no other way to it.
    public let proxies: [TestProxy]
    /// Where the sentinels listen.
    public let sentinels: [Endpoint]
    /// The folder with the sentinels' settings and logs.
    public let folder: TemporaryFolder
    private let processes: [TestProcess]

    /// Starts all of it and waits until the sentinels know each other and the replicas. A master counts as dead after
    /// `downAfter` milliseconds. `proxied` puts a proxy before each server.
    public static func start(
        replicas: Int = 2, sentinels count: Int = 3, downAfter: Int = 1_000, proxied: Bool = false,
        _ settings: [String] = []
    ) async throws -> SentinelBed {
        let settings = settings + ["--repl-diskless-sync-delay", "0"]
        let servers = (0...replicas).map { _ in RedisServer(tcp: true, password: nil, settings: settings) }
        let proxies = proxied ? servers.map { TestProxy(to: $0.tcpEndpoint) } : []
        let master = servers[0]
        let masterPort = proxies.first?.port ?? master.port
        for (place, server) in servers.enumerated() {
            server.keepSettings()
            if proxied {
                server.alsoSet([
                    "--replica-announce-ip", "127.0.0.1", "--replica-announce-port", "\(proxies[place].port)",
                ])
            }
            if place > 0 { server.alsoSet(["--replicaof", "127.0.0.1 \(masterPort)"]) }
            try await server.restart()
        }
        try await eventually(within: 60, "the replicas follow") {
            try master.client().send("INFO", "replication").string?.components(separatedBy: "state=online").count
                == replicas + 1
        }
        let folder = TemporaryFolder()
        var processes: [TestProcess] = []
        var endpoints: [Endpoint] = []
        for place in 0..<count {
            let port = TestListener.freePort()
            let file = folder.file("sentinel-\(place).conf")
            try """
            port \(port)
            bind 127.0.0.1
            dir \(folder.path)
            logfile \(folder.file("sentinel-\(place).log"))
            sentinel monitor \(Self.name) 127.0.0.1 \(masterPort) \(count / 2 + 1)
            sentinel down-after-milliseconds \(Self.name) \(downAfter)
            sentinel failover-timeout \(Self.name) 10000
            """.write(toFile: file, atomically: true, encoding: .utf8)
            processes.append(try TestProcess("redis-server", [file, "--sentinel"]))
            endpoints.append(.tcp(host: "127.0.0.1", port: port))
        }
        let bed = SentinelBed(
            servers: servers, proxies: proxies, sentinels: endpoints, folder: folder, processes: processes)
        for place in 0..<count {
            try await eventually(within: 60, "the sentinels know the master, the replicas and each other") {
                let state = (try? bed.state(of: place)) ?? [:]
                return state["num-slaves"] == "\(replicas)" && state["num-other-sentinels"] == "\(count - 1)"
                    && state["flags"] == "master"
            }
        }
        return bed
    }

    private init(
        servers: [RedisServer], proxies: [TestProxy], sentinels: [Endpoint], folder: TemporaryFolder,
        processes: [TestProcess]
    ) {
        self.servers = servers
        self.proxies = proxies
        self.sentinels = sentinels
        self.folder = folder
        self.processes = processes
    }

    deinit { self.stop() }

    /// Ends everything. Idempotent.
    public func stop() {
        for process in self.processes { process.kill9() }
        for server in self.servers { server.stop() }
    }

    /// Kills one of the sentinels.
    public func killSentinel(_ place: Int) { self.processes[place].kill9() }

    /// What one of the sentinels thinks of the master, field by field.
    public func state(of place: Int) throws -> [String: String] {
        let flat = try RawRedis(self.sentinels[place]).send("SENTINEL", "MASTER", Self.name).array.compactMap(\.string)
        return Dictionary(
            stride(from: 0, to: flat.count - 1, by: 2).map { (flat[$0], flat[$0 + 1]) }, uniquingKeysWith: { $1 })
    }

    /// The server that is the master, as one of the sentinels says.
    public func master(askedOf place: Int = 0) throws -> RedisServer? {
        let port = try RawRedis(self.sentinels[place]).send("SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self.name).array.last
        let place = self.proxies.firstIndex { "\($0.port)" == port?.string }
        return place.map { self.servers[$0] } ?? self.servers.first { "\($0.port)" == port?.string }
    }
}

extension RedisServer {
    /// How many replicas have all that was written until now, once one has, or after a while.
    public func replicas() throws -> Int {
        let client = try self.client()
        // `WAIT` is about what its connection has seen: for a new one that is nothing.
        try client.send("PING")
        return try client.send("WAIT", "1", "20000").string.flatMap { Int($0) } ?? 0
    }
}
