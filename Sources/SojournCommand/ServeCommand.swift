import Glibc
import SojournArchive
import SojournCore

/// `sojourn serve`: from the settings to a running node, and back when a signal says so.
enum ServeCommand {
    /// Runs until a signal; returns the exit code.
    static func run(arguments: [String], environment: [String: String]) async -> CInt {
        let settings: ServeSettings
        let warnings: [String]
        do throws(SettingsError) {
            switch try SettingsReader(environment: environment, readFile: File.text).read(arguments: arguments) {
            case .help:
                Console.say(SettingsHelp.text)
                return 0
            case .serve(var read, let slips):
                read.agentTimeouts = AgentSettings.timeouts(environment)
                (settings, warnings) = (read, slips)
            }
        } catch {
            Console.complain("sojourn: \(error)\ntry: sojourn serve --help")
            return 64
        }
        let levels = LogLevels(settings.logLevel)
        let log = Log.lines(to: 2, threshold: levels.threshold, format: settings.logFormat)
        for warning in warnings { log(.warning, "a variable looks like a misspelt setting", ["hint": warning]) }
        let signals = Signals()
        signals.onUser { levels.next(log) }
        do {
            try await self.run(settings, signals: signals, environment: environment, log: log)
            return 0
        } catch {
            Console.complain("sojourn: \(Console.sentence(for: error))")
            return 1
        }
    }

    private static func run(
        _ settings: ServeSettings, signals: Signals, environment: [String: String], log: Log
    ) async throws {
        guard let address = settings.redis else {
            let folder = try DataFolder(settings.data)
            let options = EmbeddedRedis.Options(
                appendfsync: settings.redisAppendfsync, environment: environment, log: log)
            let redis = try EmbeddedRedis(folder: folder, options: options)
            try await redis.start()
            do {
                try await self.serve(
                    settings, redis: RedisAddress(unix: redis.socket), folder: folder, signals: signals, log: log)
            } catch {
                await redis.stop()
                throw error
            }
            await redis.stop()
            return
        }
        try await self.serve(settings, redis: address, folder: nil, signals: signals, log: log)
    }

    /// Runs the node between a Redis that is there and a signal.
    ///
    /// - Parameter folder: the locked data folder, with a private Redis.
    private static func serve(
        _ settings: ServeSettings, redis: RedisAddress, folder: DataFolder?, signals: Signals, log: Log
    ) async throws {
        let archive = settings.archivePath(in: folder)
        let node = try await Node.start(settings, redis: redis, archivePath: archive, log: log)
        let (listens, curl) = Self.addresses(settings, port: node.port)
        Console.say(
            """
            sojourn \(version), node \(node.name)
              listens  \(listens)
              redis    \(redis.shown)\(folder == nil ? "" : " (private, appendfsync \(settings.redisAppendfsync))")
              data     \(folder?.path ?? "none")
              archive  \(archive ?? "none on this node")
            try:
              curl \(curl)\(Node.firstLine(needsKey: settings.needsKey))
            """)
        signals.onHangUp { await node.reload(log: log) }
        let manager = ServiceManager(environment: Environment.variables)
        manager.tell("READY=1\nSTATUS=serves \(curl)")
        let watch = manager.watch { await node.passThroughLoops() }
        let signal = await signals.first()
        watch?.cancel()
        manager.tell("STOPPING=1\nSTATUS=streams are told, requests finish")
        log(.notice, "stopping: streams are told, requests finish", ["signal": "\(signal)"])
        await node.stop()
        log(.notice, "stopped", [:])
    }

    /// Where a node listens, and how curl gets there.
    private static func addresses(_ settings: ServeSettings, port: Int) -> (listens: String, curl: String) {
        let host = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
        let url = "\(settings.scheme)://\(host):\(port)"
        guard let path = settings.unixSocket else { return (url, url) }
        if settings.port == nil { return ("unix:\(path)", "--unix-socket \(path) http://localhost") }
        return (url + "\n  listens  unix:\(path)", url)
    }
}

extension ServeSettings {
    /// The archive's file; nil when this node does not archive.
    func archivePath(in folder: DataFolder?) -> String? {
        switch self.archive {
        case .file(let path): path
        case .nobody: nil
        case .unset: folder?.archive
        }
    }

    /// Whether requests need an API key.
    var needsKey: Bool { !self.apiKeys.isEmpty || self.apiKeyFile != nil }

    /// What this node calls itself among the others, once it knows its port.
    func nodeName(port: Int) -> String { self.nodeName ?? "\(Environment.hostName):\(port)" }
}
