import Foundation
import SojournCore
public import SojournLoop

/// A real redis-server of one test: its own folder, Unix socket and, if asked, a free TCP port.
public final class RedisServer: Sendable {
    /// The folder with its data, socket and log.
    public let folder = TemporaryFolder()
    /// The TCP port on 127.0.0.1, or 0.
    public let port: Int
    private let settings: [String]
    let password: String?
    /// What it is part of.
    private let around = Locked(TestSurroundings.alone)
    /// The port for TLS in a secure run, or 0.
    private let securePort: Int
    private let process = Locked<TestProcess?>(nil)
    /// What it is told beside its settings, each time it is started.
    private let more = Locked<[String]>([])

    /// A server that is not started yet.
    init(tcp: Bool, password: String?, settings: [String]) {
        self.port = tcp ? TestListener.freePort() : 0
        self.password = password
        self.settings = settings
        self.securePort = SecureRun.certificate == nil ? 0 : TestListener.freePort()
    }

    deinit { self.stop() }

    /// Starts a server and waits until it answers. `settings` are redis-server arguments, such as
    /// `["--maxmemory", "10mb"]`, and win over the defaults (`noeviction`, append-only file, no snapshots). A test that
    /// is about one server says `alone`; others get what ``TestTopology`` says.
    public static func start(
        tcp: Bool = false, password: String? = nil, _ settings: [String] = [], alone: Bool = false,
        file: String = #fileID
    ) async throws -> RedisServer {
        switch alone ? .standalone : TestTopology.applying(to: file, tcp: tcp, settings) {
        case .standalone:
            let server = RedisServer(tcp: tcp, password: password, settings: settings)
            try await server.restart()
            return server
        case .sentinel:
            let server = RedisServer(tcp: true, password: password, settings: settings)
            try await server.restart()
            let sentinel = try await Self.sentinel(of: server)
            server.around.withLock { $0 = sentinel }
            return server
        case .cluster:
            let login = password.map { ["--masterauth", $0] } ?? []
            let bed = try await ClusterBed.start(nodeTimeout: 60_000, password: password, settings + login)
            let server = bed.servers[0]
            server.around.withLock { $0 = .cluster(Array(bed.servers.dropFirst())) }
            return server
        }
    }

    var surroundings: TestSurroundings { self.around.withLock { $0 } }

    /// Itself, and the other members of its cluster.
    public var everyone: [RedisServer] { [self] + self.others }

    /// The server that holds a key, among itself and the other members of its cluster, as their slots are at the start.
    public func holder(of key: String) -> RedisServer {
        let all = self.everyone
        let slot = ClusterSlot.of(key)
        return all[all.indices.last { $0 * PartitionTags.slots / all.count <= slot } ?? 0]
    }

    /// The other members of its cluster.
    private var others: [RedisServer] { if case .cluster(let others) = self.surroundings { others } else { [] } }

    /// Its Unix socket.
    public var endpoint: Endpoint { .unix(path: self.folder.file("redis.sock")) }

    /// Its TCP address.
    public var tcpEndpoint: Endpoint { .tcp(host: "127.0.0.1", port: self.port) }

    /// Its address for TLS in a secure run; ask as the user of the README, with the run's certificate.
    public var secureEndpoint: Endpoint { .tcp(host: "127.0.0.1", port: self.securePort) }

    /// What makes it listen for TLS, too, in a secure run.
    private func security() throws -> [String] {
        guard let certificate = SecureRun.certificate else { return [] }
        let users = "user default on \(self.password.map { ">" + $0 } ?? "nopass") ~* &* +@all\n\(SecureRun.acl)\n"
        try users.write(toFile: self.folder.file("users.acl"), atomically: true, encoding: .utf8)
        return [
            "--tls-port", "\(self.securePort)", "--tls-cert-file", certificate.file, "--tls-key-file", certificate.key,
            "--tls-ca-cert-file", certificate.file, "--tls-auth-clients", "yes", "--aclfile",
            self.folder.file("users.acl"),
        ]
    }

    /// Starts it again with the same data and waits until it answers.
    public func restart() async throws {
        self.stop()
        try self.launch()
        for server in [self] + self.others {
            try await eventually(within: 20, "redis-server answers") {
                guard let client = try? server.ownClient(), (try? client.send("PING")) == .text("PONG") else {
                    return false
                }
                return self.others.isEmpty
                    || (try? client.send("CLUSTER", "INFO").string?.contains("cluster_state:ok")) == true
            }
        }
    }

    /// Whether its settings are in a file, where what sentinels change stays over restarts.
    private let keepsSettings = Locked(false)

    /// Keeps its settings in a file from its first start on.
    func keepSettings() { self.keepsSettings.withLock { $0 = true } }

    /// Adds settings before it is started.
    func alsoSet(_ settings: [String]) { self.more.withLock { $0 += settings } }

    /// Starts it again without waiting.
    public func launch() throws {
        let defaults = [
            "--port", "\(self.port)", "--bind", "127.0.0.1", "--unixsocket", self.folder.file("redis.sock"),
            "--dir", self.folder.path, "--logfile", self.folder.file("redis.log"), "--daemonize", "no",
            "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction",
            "--enable-debug-command", "yes",
        ]
        let access = try self.securePort == 0 ? self.password.map { ["--requirepass", $0] } ?? [] : self.security()
        let settings = defaults + access + self.settings + self.more.withLock { $0 }
        let process = try TestProcess(
            "redis-server", self.keepsSettings.withLock { $0 } ? [self.settingsFile(settings)] : settings)
        self.process.withLock { $0 = process }
        for other in self.others { try other.launch() }
    }

    /// The file of its settings, written at the first start. The first word of each line is a name.
    private func settingsFile(_ settings: [String]) throws -> String {
        let file = self.folder.file("redis.conf")
        if FileManager.default.fileExists(atPath: file) { return file }
        let lines = settings.map { word in
            word.hasPrefix("--") ? "\n" + word.dropFirst(2) : word.isEmpty ? " \"\"" : " " + word
        }
        try (lines.joined() + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    /// The server's process id, or 0.
    public var pid: Int32 { self.process.withLock { $0?.pid ?? 0 } }

    /// Kills it as a crash would, and waits for its end. `restart` brings it back with its data.
    public func kill9() { self.stop() }

    /// Sends it a signal, such as SIGSTOP.
    public func signal(_ number: CInt) {
        self.process.withLock { $0?.signal(number) }
        for other in self.others { other.signal(number) }
    }

    /// Ends it. Idempotent.
    public func stop() {
        let process = self.process.withLock { process -> TestProcess? in
            defer { process = nil }
            return process
        }
        process?.kill9()
        process?.wait()
        for other in self.others { other.stop() }
    }

    /// A blocking client, authenticated if needed; of the whole cluster in a run against one.
    public func client() throws -> RawRedis {
        let client = try self.ownClient()
        guard !self.others.isEmpty else { return client }
        let all = [self] + self.others
        client.cluster = try RawCluster(all.map { try $0.ownClient() }, ports: all.map(\.port))
        return client
    }

    /// A blocking client of this server alone, authenticated if needed.
    func ownClient() throws -> RawRedis {
        let client = try RawRedis(self.endpoint)
        if let password = self.password { _ = try client.send("AUTH", password) }
        return client
    }
}
