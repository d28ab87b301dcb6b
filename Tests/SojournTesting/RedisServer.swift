import Foundation
public import SojournLoop

/// A real redis-server of one test: its own folder, Unix socket and, if asked, a free TCP port.
///
/// A shell stands between: it kills the server when this process closes its pipe, also by crashing.
public final class RedisServer: Sendable {
    private struct Child {
        var shell: Process
        var lifeline: FileHandle
        var pid: pid_t
    }

    /// The folder with its data, socket and log.
    public let folder = TemporaryFolder()
    /// The TCP port on 127.0.0.1, or 0.
    public let port: Int
    private let settings: [String]
    private let password: String?
    private let child = Locked<Child?>(nil)

    private init(tcp: Bool, password: String?, settings: [String]) {
        self.port = tcp ? TestListener.freePort() : 0
        self.password = password
        self.settings = settings
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
        let access = self.password.map { ["--requirepass", $0] } ?? []
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        // No `wait`: threads of this process may block SIGCHLD, which the shell inherits and then waits for ever.
        let script = "redis-server \"$@\" >/dev/null 2>&1 & echo $!; read line; kill -9 $! 2>/dev/null"
        shell.arguments = ["-c", script, "sh"] + defaults + access + self.settings
        // Not Foundation's pipes: those are inherited by the next child, and so never seem closed.
        var pair: [CInt] = [0, 0]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        precondition(socketpair(AF_UNIX, kind, 0, &pair) == 0, "socketpair: errno \(errno)")
        let lifeline = FileHandle(fileDescriptor: pair[0], closeOnDealloc: true)
        let theirs = FileHandle(fileDescriptor: pair[1], closeOnDealloc: true)
        shell.standardInput = theirs
        shell.standardOutput = theirs
        try shell.run()
        try theirs.close()
        var text = ""
        var byte: UInt8 = 0
        while !text.hasSuffix("\n") {
            let count = read(pair[0], &byte, 1)
            if count == 1 { text.append(Character(UnicodeScalar(byte))) } else if count == 0 || errno != EINTR { break }
        }
        guard let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw NotInTime(description: "redis-server did not start")
        }
        let child = Child(shell: shell, lifeline: lifeline, pid: pid)
        self.child.withLock { $0 = child }
    }

    /// The server's process id, or 0.
    public var pid: Int32 { self.child.withLock { $0?.pid ?? 0 } }

    /// Kills it as a crash would, and waits for its end. `restart` brings it back with its data.
    public func kill9() {
        if self.pid != 0 { kill(self.pid, SIGKILL) }
        self.stop()
    }

    /// Sends it a signal, such as SIGSTOP.
    public func signal(_ number: CInt) { if self.pid != 0 { kill(self.pid, number) } }

    /// Ends it. Idempotent.
    public func stop() {
        let child = self.child.withLock { child -> Child? in
            defer { child = nil }
            return child
        }
        guard let child else { return }
        kill(child.pid, SIGKILL)
        try? child.lifeline.close()
        // The shell ends by itself then. Foundation's wait for it can spin for ever when others wait, too.
        while Self.isRunning(child.pid) { usleep(500) }
    }

    /// Whether a process runs; a zombie, whose parent is gone, does not.
    private static func isRunning(_ pid: pid_t) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
        return stat.split(separator: ")").last?.hasPrefix(" Z") == false
    }

    /// A blocking client, authenticated if needed.
    public func client() throws -> RawRedis {
        let client = try RawRedis(self.endpoint)
        if let password = self.password { _ = try client.send("AUTH", password) }
        return client
    }
}
