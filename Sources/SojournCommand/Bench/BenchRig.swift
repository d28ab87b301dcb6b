import Glibc
import SojournLoop

/// A private Redis and a private node of this very program, in a temporary folder. Whoever starts it stops it.
final class BenchRig: Sendable {
    let redis: RedisAddress
    let node: pid_t
    let port: Int
    /// Milliseconds from the start of the node until it listened.
    let startMilliseconds: Int
    private let folder: String
    private let redisProcess: pid_t

    static func start(_ options: BenchOptions, environment: [String: String]) async throws -> BenchRig {
        let folder = try Self.temporaryFolder()
        let socket = folder + "/redis.sock"
        let redis = try Self.spawn(
            "redis-server",
            [
                "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--maxmemory-policy",
                "noeviction",
            ], folder: folder, log: "redis.log", environment: environment)
        do {
            try await Self.wait("redis-server", redis, folder) {
                (try? RedisProbe(path: socket).ask("PING")) == ["PONG"]
            }
            let began = EventLoop.now
            let node = try Self.spawn(
                File.target(ofLink: "/proc/self/exe") ?? "sojourn",
                [
                    "serve", "--redis", "unix:" + socket, "--port", "0", "--loops", "\(options.loops)", "--log-level",
                    "warning", "--session-min-timeout-minutes", "0.01", "--max-streams-per-address", "100000",
                    "--max-connections", "100000",
                ] + options.nodeArguments, folder: folder, log: "node.log", environment: environment)
            do {
                var port = 0
                try await Self.wait("the node", node, folder) {
                    port = Self.port(in: File.text(folder + "/node.log") ?? "")
                    return port != 0
                }
                return BenchRig(
                    redis: RedisAddress(unix: socket), node: node, port: port, startMilliseconds: EventLoop.now - began,
                    folder: folder, redisProcess: redis)
            } catch {
                Self.end(node)
                throw error
            }
        } catch {
            Self.end(redis)
            throw error
        }
    }

    private init(
        redis: RedisAddress, node: pid_t, port: Int, startMilliseconds: Int, folder: String, redisProcess: pid_t
    ) {
        self.redis = redis
        self.node = node
        self.port = port
        self.startMilliseconds = startMilliseconds
        self.folder = folder
        self.redisProcess = redisProcess
    }

    /// Ends both processes and removes the folder.
    func stop() {
        Self.end(self.node)
        Self.end(self.redisProcess)
        for name in [
            "node.log", "redis.log", "archive.sqlite", "archive.sqlite-wal", "archive.sqlite-shm",
            "archive.sqlite.lock", "redis.sock",
        ] {
            unsafe unlink(self.folder + "/" + name)
        }
        unsafe rmdir(self.folder)
    }

    private static func temporaryFolder() throws -> String {
        var template = Array("/tmp/sojourn-bench.XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template) else {
            throw StartError("no temporary folder in /tmp: \(File.reason(errno))")
        }
        return unsafe String(cString: made)
    }

    private static func spawn(
        _ program: String, _ arguments: [String], folder: String, log: String, environment: [String: String]
    ) throws -> pid_t {
        let output = unsafe open(folder + "/" + log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(output) }
        do {
            return try ChildProcess.spawn(
                program, arguments, environment: RedisProgram.harmless(environment), folder: folder, output: output)
        } catch {
            throw StartError("\(program) cannot be started: \(File.reason(error.code))")
        }
    }

    private static func wait(
        _ what: String, _ process: pid_t, _ folder: String, until isReady: () -> Bool
    ) async throws {
        let limit = EventLoop.now + 10_000
        while !isReady() {
            if let exit = ChildProcess.exit(of: process, workingIn: folder) {
                let words = RedisProgram.lastWords(folder + "/node.log")
                throw StartError("\(what) \(exit) at its start: \(words)")
            }
            guard EventLoop.now < limit else { throw StartError("\(what) did not start within 10 s") }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// The port in the line `listens  http://127.0.0.1:4321`, or 0.
    private static func port(in text: String) -> Int {
        let line = text.split(separator: "\n").first { $0.contains("listens ") }
        return line?.split(separator: ":").last.flatMap { Int($0) } ?? 0
    }

    private static func end(_ process: pid_t) {
        kill(process, SIGTERM)
        let limit = EventLoop.now + 5000
        while waitpid(process, nil, WNOHANG) == 0 {
            if EventLoop.now > limit { kill(process, SIGKILL) }
            usleep(5000)
        }
    }
}
