import Glibc
import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis
import SojournServer
import SojournStore

/// A running node: its loops, its store, its archive, its server.
struct Node {
    let name: String
    let port: Int
    private let loops: [EventLoop]
    private let store: SessionStore
    private let archive: Archive?
    private let server: Server
    private let settings: ServeSettings
    private let echoSecret: String
    /// The demonstration worker with its loop, if one was asked for.
    private let echo: (loop: EventLoop, worker: Confined<EchoWorker>)?

    /// The rest of a curl line that creates a session; who runs it puts a key, where one is needed, into `KEY`.
    static func firstLine(needsKey: Bool) -> String {
        """
        /api/messaging/sessions -H 'Content-Type: application/json'\(needsKey ? #" -H "X-API-KEY: $KEY""# : "") \\
              -d '{"agentId":"11111111-1111-4111-8111-111111111111","userId":"22222222-2222-4222-8222-222222222222"}'
        """
    }

    /// Starts everything, in the order in which it depends on each other.
    ///
    /// - Throws: an error whose description is a sentence for the person who starts the node.
    static func start(
        _ settings: ServeSettings, redis: RedisAddress, archivePath: String?, log: Log
    ) async throws -> Node {
        let name = settings.nodeName(port: settings.port.flatMap { $0 == 0 ? nil : $0 } ?? Int(getpid()))
        var configuration = redis.storeConfiguration(nodeName: name)
        configuration.namespace = settings.namespace
        configuration.partitions = settings.partitions
        configuration.waitReplicas = settings.waitReplicas
        configuration.waitMilliseconds = settings.waitMilliseconds
        configuration.timeouts = settings.timeouts
        configuration.outageThreshold = settings.outageThreshold
        configuration.outageHold = settings.outageHold
        configuration.tombstoneLife = settings.tombstone
        configuration.archiveLease = settings.archiveLease
        configuration.archiveRetention = settings.archiveRetention.milliseconds
        configuration.archiveFollows = settings.archiveFollows
        configuration.logWindow = settings.logWindow
        configuration.presenceLife = Int(settings.presence)
        configuration.testClock = settings.testClock
        configuration.turnQueue = settings.turnQueue
        configuration.turnAttempts = settings.turnAttempts
        configuration.agentTimeouts = settings.agentTimeouts
        let agents = try settings.agents.map(AgentSettings.agents) ?? []
        configuration.crashPoint = Environment.variables["SOJOURN_CRASH_AT"].flatMap(CrashPoint.init)
        switch settings.archive {
        case .nobody: configuration.archiving = false
        case .file: configuration.archiving = true
        case .unset: configuration.archiving = archivePath == nil ? nil : true
        }
        let echoSecret = AccessKey.newSecret()
        let credentials = try settings.credentials(echo: echoSecret)
        configuration.tls = try settings.redisSecurity(redis)
        var archive: Archive?
        if let archivePath { archive = try await Archive.open(path: archivePath, log: log) }
        let loops = (0..<settings.loops).map { EventLoop(name: "sojourn-loop-\($0)") }
        do {
            let store = try await SessionStore.start(
                configuration: configuration, loops: loops, archive: archive, log: log)
            var serving = ServerConfiguration()
            serving.host = settings.host
            serving.port = settings.port
            serving.unixSocket = settings.unixSocket
            serving.unixSocketAccess = settings.unixSocketAccess
            serving.credentials = credentials
            serving.version = version
            serving.corsOrigins = settings.corsOrigins
            serving.webSocketOrigins = settings.webSocketOrigins
            serving.rateRules = settings.rateRules
            serving.sessionsPerUser = settings.sessionsPerUser
            serving.streams = settings.streams
            serving.streamsPerAddress = settings.streamsPerAddress
            serving.connections = Self.connections(settings, log: log)
            serving.bodyBytes = settings.bodyBytes
            serving.trustedProxies = settings.trustedProxies
            serving.testClock = settings.testClock
            serving.slowRequest = settings.slowRequest
            serving.metrics = settings.metrics
            serving.unreadyTime = Int(settings.unready)
            serving.drainLimit = Int(settings.drain)
            do {
                for agent in agents { try await store.register(agent) }
                let server = try await Server.start(configuration: serving, store: store, log: log)
                return Node(
                    name: name, port: server.port, loops: loops, store: store, archive: archive, server: server,
                    settings: settings, echoSecret: echoSecret,
                    echo: try Self.echo(settings, key: echoSecret, port: server.port, log: log))
            } catch {
                await store.shutdown()
                throw error
            }
        } catch {
            await archive?.close()
            throw error
        }
    }

    /// The connections of one loop, as many as asked for unless the system does not let it open so many files: a node
    /// without a file left could not even reach its Redis.
    private static func connections(_ settings: ServeSettings, log: Log) -> Int {
        let limit = OpenFiles.raiseLimit()
        let most = OpenFiles.connections(of: settings.loops, limit: limit)
        guard most < settings.connections else { return settings.connections }
        log(
            .notice, "each loop takes fewer connections than asked for: this process may not open more files",
            ["connections": String(most), "files": String(limit)])
        return most
    }

    /// Starts the demonstration worker, which talks to this node like any other.
    private static func echo(
        _ settings: ServeSettings, key: String, port: Int, log: Log
    ) throws -> (loop: EventLoop, worker: Confined<EchoWorker>)? {
        guard let agent = settings.echoAgent else { return nil }
        let loop = EventLoop(name: "sojourn-echo")
        let isAny = ["0.0.0.0", "::"].contains(settings.host)
        let address: HTTPCall.Address
        if settings.port == nil, let path = settings.unixSocket {
            address = HTTPCall.Address(.unix(path: path))
        } else {
            address = HTTPCall.Address(
                .tcp(host: isAny ? "127.0.0.1" : settings.host, port: port),
                // Its own certificate is what it expects there, whatever names that bears.
                tls: try settings.tlsCertificate.map { try TLSContext(authority: $0, checksName: false) })
        }
        let worker = Confined(
            EchoWorker(loop: loop, address: address, key: key, agent: agent, log: log), to: loop)
        loop.execute { loop.spawn { await worker.value.run() } }
        return (loop, worker)
    }

    /// Reads keys and certificate again. Connections that are open go on; when a file is wrong, all stays as it is.
    func reload(log: Log) async {
        do {
            await self.server.renew(try self.settings.credentials(echo: self.echoSecret))
            log(.notice, "the keys and the certificate were read again", [:])
        } catch {
            log(.error, "the keys and the certificate stay as they were", ["reason": "\(error)"])
        }
    }

    /// Returns when each loop has come to it: one that hangs never does.
    func passThroughLoops() async { for loop in self.loops { try? await loop.run {} } }

    /// Drains: streams are told, requests finish, the archive batch is flushed, the registry is left.
    func stop() async {
        if let (loop, worker) = self.echo { try? await loop.run { await worker.value.stop() } }
        await self.server.drain()
        await self.store.shutdown()
        await self.archive?.close()
        for loop in self.loops { loop.stop() }
        self.echo?.loop.stop()
    }
}

extension RedisAddress {
    /// How the servers are found.
    var topology: RedisTopology {
        switch self.place {
        case .tcp(let host, let port): .standalone(.tcp(host: host, port: port))
        case .unix(let path): .standalone(.unix(path: path))
        case .sentinel(let servers, let master): .sentinel(servers, master: master)
        case .cluster(let servers): .cluster(servers)
        }
    }

    /// A store there, with the login; TLS is set apart.
    func storeConfiguration(nodeName: String) -> StoreConfiguration {
        var configuration = StoreConfiguration(redis: self.topology, nodeName: nodeName)
        configuration.user = self.user
        configuration.password = self.password
        configuration.sentinelUser = self.sentinelUser
        configuration.sentinelPassword = self.sentinelPassword
        configuration.database = self.database
        return configuration
    }
}
