import Glibc
import SojournCore

/// The private redis-server of a node that was given none.
///
/// It listens on a unix socket only, writes an append-only file, and is started again when it dies. It may outlive
/// a killed node; the next node on the data folder adopts it. Only ``stop()`` ends it, with its data on disk.
actor EmbeddedRedis {
    /// How it is run.
    struct Options: Sendable {
        /// The program, found on PATH.
        var program = "redis-server"
        /// When it writes to disk.
        var appendfsync = ServeSettings.Appendfsync.always
        /// The variables of the node, of which it gets the harmless ones.
        var environment = Environment.variables
        /// How long it gets to answer, or to end, before it is killed.
        var patience: Duration = .seconds(10)
        /// What happens to it is told here.
        var log = Log.silent
    }

    /// Where it listens.
    nonisolated let socket: String
    /// Its process while it runs.
    private(set) var process: pid_t?
    /// Whether an earlier node started it.
    private(set) var isAdopted = false

    private let folder: DataFolder
    private let options: Options
    private var keeper: Task<Void, Never>?
    private var stopping = false
    /// Starts since it last ran for a while.
    private var attempts = 0
    private var upSince = ContinuousClock.now

    private static let glance: Duration = .milliseconds(20)
    /// A server that ran this long is not failing at its start.
    private static let steady: Duration = .seconds(30)

    /// A server that is not started yet.
    init(folder: DataFolder, options: Options = Options()) throws(StartError) {
        self.folder = folder
        self.options = options
        self.socket = try RedisSocket.path(for: folder, environment: options.environment)
    }

    // The keeper holds no strong reference between two glances. The server itself runs on, as it would if
    // the node were killed.
    deinit { self.keeper?.cancel() }

    /// Starts it, or adopts the one that runs, and returns when it answers.
    ///
    /// - Throws: ``StartError``, also when redis-server is not installed or too old.
    func start() async throws {
        try RedisProgram.check(self.options.program, environment: self.options.environment)
        try DataFolder.create(self.folder.redis)
        try await self.bringUp()
        self.keeper = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(50))
                guard let self else { return }
                await self.look()
            }
        }
    }

    /// Ends it and waits until its data is on disk and it is gone. Idempotent.
    func stop() async {
        self.stopping = true
        self.keeper?.cancel()
        await self.keeper?.value
        guard let process = self.process else { return }
        await self.end(process)
        self.process = nil
    }

    // MARK: Keeping it up

    private func look() async {
        guard !self.stopping, let process = self.process,
            let exit = ChildProcess.exit(of: process, workingIn: self.folder.redis)
        else { return }
        self.process = nil
        self.options.log(
            .warning, "the private Redis ended and is started again",
            ["redis.pid": "\(process)", "redis.exit": "\(exit)"])
        if ContinuousClock.now - self.upSince > Self.steady { self.attempts = 0 }
        while !self.stopping {
            // At once, then after 100 ms, 200 ms and so on up to 5 s.
            let pause = self.attempts == 0 ? 0 : min(5000, 100 << min(self.attempts - 1, 6))
            if pause > 0 { try? await Task.sleep(for: .milliseconds(pause)) }
            self.attempts += 1
            do {
                try await self.bringUp()
                self.options.log(.notice, "the private Redis is up again", ["redis.pid": "\(self.process ?? 0)"])
                return
            } catch {
                self.options.log(.error, "the private Redis did not start; the next try follows", ["error": "\(error)"])
            }
        }
    }

    private func bringUp() async throws(StartError) {
        guard !self.stopping else { throw StartError("the node is stopping") }
        if try await self.adopt() {
            self.isAdopted = true
        } else {
            try self.spawn()
            self.isAdopted = false
        }
        try await self.waitUntilReady()
        self.upSince = .now
    }

    private func spawn() throws(StartError) {
        let path = self.folder.redis + "/redis.log"
        let log = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else { throw StartError("\(path) cannot be opened: \(File.reason(errno))") }
        defer { close(log) }
        do {
            self.process = try ChildProcess.spawn(
                self.options.program,
                RedisProgram.arguments(socket: self.socket, appendfsync: self.options.appendfsync),
                environment: RedisProgram.harmless(self.options.environment), folder: self.folder.redis, output: log)
        } catch {
            throw RedisProgram.spawnError(self.options.program, error)
        }
    }

    private func waitUntilReady() async throws(StartError) {
        var reminder = ContinuousClock.now + self.options.patience
        while let process = self.process {
            if let exit = ChildProcess.exit(of: process, workingIn: self.folder.redis) {
                self.process = nil
                throw StartError(
                    "the private redis-server \(exit) at its start; the end of \(self.folder.redis)/redis.log says: "
                        + RedisProgram.lastWords(self.folder.redis + "/redis.log"))
            }
            if let probe = try? RedisProbe(path: self.socket), (try? probe.ask("PING")) == ["PONG"] { return }
            guard !self.stopping else { throw StartError("the node is stopping") }
            if ContinuousClock.now > reminder {
                self.options.log(.notice, "the private Redis is still loading its data", ["redis.pid": "\(process)"])
                reminder = .now + self.options.patience
            }
            try? await Task.sleep(for: Self.glance)
        }
    }

    // MARK: Adopting

    /// Takes over a server that an earlier node left behind; false when there is none.
    private func adopt() async throws(StartError) -> Bool {
        var limit = ContinuousClock.now + self.options.patience
        while true {
            let process = ChildProcess.find(named: "redis-server", workingIn: self.folder.redis)
            do throws(RedisProbe.Failure) {
                let probe = try RedisProbe(path: self.socket)
                let place = try probe.ask("CONFIG", "GET", "dir").last ?? ""
                guard let process, place == self.folder.redis else { throw .refused("works in \(place)") }
                try probe.ask(
                    "CONFIG", "SET", "appendfsync", self.options.appendfsync.rawValue, "maxmemory-policy", "noeviction")
                self.process = process
                self.options.log(
                    .notice, "adopted the private Redis of an earlier node", ["redis.pid": "\(process)"])
                return true
            } catch {
                // With nobody there the way is free. A server that is there but deaf is given time. Two on one
                // append-only file would destroy it, so after that time the old one must end.
                switch error {
                case .absent where process == nil: return false
                case .refused(let reason) where process == nil:
                    throw StartError("a strange redis-server listens on \(self.socket): \(reason); stop it")
                case .refused(let reason) where reason.hasPrefix("LOADING"): limit = .now + self.options.patience
                default: break
                }
            }
            if ContinuousClock.now > limit, let process {
                self.options.log(
                    .warning, "the Redis of an earlier node does not answer and is ended", ["redis.pid": "\(process)"])
                await self.end(process)
            }
            guard !self.stopping else { throw StartError("the node is stopping") }
            try? await Task.sleep(for: Self.glance)
        }
    }

    /// Asks a server to end (SIGTERM writes what is not on disk), and kills it when it does not.
    private func end(_ process: pid_t) async {
        var patience = self.options.patience
        for signal in [SIGTERM, SIGKILL] {
            guard ChildProcess.exit(of: process, workingIn: self.folder.redis) == nil else { return }
            kill(process, signal)
            let limit = ContinuousClock.now + patience
            while ContinuousClock.now < limit {
                if ChildProcess.exit(of: process, workingIn: self.folder.redis) != nil { return }
                // Not Task.sleep: whoever stops the node may have been cancelled, and that would spin.
                usleep(5000)
                await Task.yield()
            }
            self.options.log(.warning, "the private Redis does not end", ["redis.pid": "\(process)"])
            patience = .seconds(2)
        }
    }
}
