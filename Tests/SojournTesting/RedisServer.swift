import Foundation
public import SojournLoop

/// A real redis-server of one test: its own folder, Unix socket and, if asked, a free TCP port.
public final class RedisServer: Sendable {
    /// The folder with its data, socket and log.
    public let folder = TemporaryFolder()
    /// The TCP port on 127.0.0.1, or 0.
    public let port: Int
    private let settings: [String]
    private let password: String?
    /// The port for TLS in a secure run, or 0.
    private let securePort: Int
    private let process = Locked<TestProcess?>(nil)

    /// A server that is not started yet.
    init(tcp: Bool, password: String?, settings: [String]) {
        self.port = tcp ? TestListener.freePort() : 0
        self.password = password
        self.settings = settings
        self.securePort = SecureRun.certificate == nil ? 0 : TestListener.freePort()
    }

    deinit { self.stop() }

    /// Starts a server and waits until it answers. `settings` are redis-server arguments, such as
    /// `["--maxmemory", "10mb"]`, and win over the defaults (`noeviction`, append-only file, no snapshots).
    public static func start(
        tcp: Bool = false, password: String? = nil, _ settings: [String] = []
    ) async throws -> RedisServer {
        let server = RedisServer(tcp: tcp, password: password, settings: settings)
        try await server.restart()
        return server
    }

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
        try await eventually(within: 20, "redis-server answers") {
            guard let client = try? self.client() else { return false }
            return (try? client.send("PING")) == .text("PONG")
        }
    }

    /// Starts it again without waiting.
    public func launch() throws {
        let defaults = [
            "--port", "\(self.port)", "--bind", "127.0.0.1", "--unixsocket", self.folder.file("redis.sock"),
            "--dir", self.folder.path, "--logfile", self.folder.file("redis.log"), "--daemonize", "no",
            "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction",
            "--enable-debug-command", "yes",
        ]
        let access = try self.securePort == 0 ? self.password.map { ["--requirepass", $0] } ?? [] : self.security()
        let process = try TestProcess("redis-server", defaults + access + self.settings)
        self.process.withLock { $0 = process }
    }

    /// The server's process id, or 0.
    public var pid: Int32 { self.process.withLock { $0?.pid ?? 0 } }

    /// Kills it as a crash would, and waits for its end. `restart` brings it back with its data.
    public func kill9() { self.stop() }

    /// Sends it a signal, such as SIGSTOP.
    public func signal(_ number: CInt) { self.process.withLock { $0?.signal(number) } }

    /// Ends it. Idempotent.
    public func stop() {
        let process = self.process.withLock { process -> TestProcess? in
            defer { process = nil }
            return process
        }
        process?.kill9()
        process?.wait()
    }

    /// A blocking client, authenticated if needed.
    public func client() throws -> RawRedis {
        let client = try RawRedis(self.endpoint)
        if let password = self.password { _ = try client.send("AUTH", password) }
        return client
    }
}
