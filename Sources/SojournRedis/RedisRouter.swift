public import SojournCore
public import SojournLoop

/// The way to a Redis, whatever its topology: commands, and what is published. Loop only.
///
/// One server is one connection for commands and one for subscriptions. With sentinels these move to the master that
/// is told: what was not sent goes there, reads on their way go there again, writes on their way are unknown. In a
/// cluster there are such two for each master, and a command goes where the slot of its key is.
public final class RedisRouter {
    private enum Way {
        case one(RedisMaster, SentinelWatch?)
        case cluster(RedisCluster, ClusterSubscriber)
    }

    /// How the servers are found.
    public let topology: RedisTopology
    /// What listens to channels.
    public let subscriber: any RedisSubscriptions
    private let way: Way
    private let commandTimeout: Int

    /// A router that is not started yet.
    ///
    /// - Parameter probes: channels on which the subscribers hear themselves: of each master one, of a slot of its own.
    public init(
        loop: EventLoop, topology: RedisTopology, options: RedisOptions = RedisOptions(), probes: [String],
        log: Log = .silent
    ) {
        loop.checkIsolated()
        self.topology = topology
        self.commandTimeout = options.commandTimeoutMs
        switch topology {
        case .standalone(let endpoint):
            let master = RedisMaster(loop: loop, endpoint: endpoint, options: options, probe: probes.first, log: log)
            self.way = .one(master, nil)
            self.subscriber = master.subscriber
        case .sentinel(let sentinels, let name):
            let master = RedisMaster(
                loop: loop, endpoint: sentinels[0], options: options, probe: probes.first, log: log)
            let watch = SentinelWatch(loop: loop, sentinels: sentinels, name: name, options: options, log: log)
            master.park()
            watch.isUsable = { [weak master] in master?.connection.isMaster ?? true }
            watch.onMaster = { [weak master] in master?.move(to: $0) }
            self.way = .one(master, watch)
            self.subscriber = master.subscriber
        case .cluster(let seeds):
            let cluster = RedisCluster(loop: loop, seeds: seeds, options: options, probes: probes, log: log)
            let subscriber = ClusterSubscriber(cluster: cluster)
            self.way = .cluster(cluster, subscriber)
            self.subscriber = subscriber
        }
    }

    /// Whether one script may use keys of several slots: everywhere but in a cluster.
    public var spansSlots: Bool {
        switch self.way {
        case .one: true
        case .cluster: false
        }
    }

    /// How the connections for commands stand: ready when all of them are.
    public var state: RedisConnection.State {
        switch self.way {
        case .one(let master, _): master.connection.state
        case .cluster(let cluster, _): cluster.state
        }
    }

    /// What names the servers as they are: another one after a promotion or restart; nil before the first connection.
    public var replid: String? {
        switch self.way {
        case .one(let master, _): master.connection.replid
        case .cluster(let cluster, _): cluster.replid
        }
    }

    /// Why there is no connection, as a sentence, if more is known than that.
    public var trouble: String? {
        if case .refused(let reason) = self.state { return reason }
        switch self.way {
        case .one(_, let watch): return watch?.trouble
        case .cluster(let cluster, _): return cluster.trouble
        }
    }

    /// Why there is no connection to the one server, as far as it is known; nil while there is one.
    public var reason: String? {
        guard case .one(let master, _) = self.way else { return nil }
        return master.connection.trouble
    }

    /// The connections to the masters as they are known now, for what concerns all keys, such as `SCAN`.
    public var masters: [RedisConnection] {
        switch self.way {
        case .one(let master, _): [master.connection]
        case .cluster(let cluster, _): cluster.masters.map(\.connection)
        }
    }

    /// Begins to connect for commands, and to reconnect until ``close()``; the subscriber is started by itself.
    public func start() {
        switch self.way {
        case .one(let master, let watch):
            watch?.start()
            master.start()
        case .cluster(let cluster, _): cluster.start()
        }
    }

    /// Ends all connections for good.
    public func close() {
        switch self.way {
        case .one(let master, let watch):
            watch?.close()
            master.close()
        case .cluster(let cluster, let subscriber):
            subscriber.close()
            cluster.close()
        }
    }

    // MARK: Commands

    /// Sends one command, whose second word is a key, and whose other keys share its slot; see
    /// ``RedisConnection/send(_:kind:timeoutMs:file:line:)``.
    public func send(
        _ command: RedisCommand, kind: RedisCommandKind, timeoutMs: Int? = nil,
        file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) -> RESPValue {
        switch self.way {
        case .one(let master, _):
            return try await master.connection.send(command, kind: kind, timeoutMs: timeoutMs, file: file, line: line)
        case .cluster(let cluster, _):
            guard command.arguments.count > 1, case .string(let key) = command.arguments[1] else {
                preconditionFailure("a command without a key has no place in a cluster")
            }
            return try await cluster.perform(
                .plain(command.arguments), key: key, kind: kind, orderKey: nil,
                timeoutMs: timeoutMs ?? self.commandTimeout, file: file, line: line)
        }
    }

    /// Calls a script, whose keys share a slot; see
    /// ``RedisConnection/call(_:keys:arguments:orderKey:timeoutMs:file:line:)``.
    ///
    /// - Parameter acrossSlots: the keys may lie in several slots; only where ``spansSlots`` says so.
    public func call(
        _ script: Script, keys: [String], arguments: [RedisArgument] = [], orderKey: String? = nil,
        acrossSlots: Bool = false, timeoutMs: Int? = nil, file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) -> RESPValue {
        if !acrossSlots || !self.spansSlots { Self.check(keys, of: script) }
        switch self.way {
        case .one(let master, _):
            return try await master.connection.call(
                script, keys: keys, arguments: arguments, orderKey: orderKey, timeoutMs: timeoutMs, file: file,
                line: line)
        case .cluster(let cluster, _):
            return try await cluster.perform(
                .script(script, keys: keys, arguments: arguments), key: keys[0],
                kind: script.isReadOnly ? .read : .write, orderKey: orderKey,
                timeoutMs: timeoutMs ?? self.commandTimeout, file: file, line: line)
        }
    }

    /// Calls a script that writes, and waits for replicas as ``RedisOptions/wait`` says, over a connection of its own.
    ///
    /// - Returns: the reply, and how many replicas are known to have the write; nil when none were to be waited for.
    public func callDurably(
        _ script: Script, keys: [String], arguments: [RedisArgument] = [], orderKey: String? = nil,
        file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) -> (reply: RESPValue, reached: Int?) {
        Self.check(keys, of: script)
        switch self.way {
        case .one(let master, _):
            guard let durable = master.durable else {
                let reply = try await master.connection.call(
                    script, keys: keys, arguments: arguments, orderKey: orderKey, file: file, line: line)
                return (reply, nil)
            }
            let (reply, reached) = try await durable.call(
                script, keys: keys, arguments: arguments, orderKey: orderKey, timeoutMs: self.commandTimeout,
                file: file, line: line)
            return (reply, reached)
        case .cluster(let cluster, _):
            return try await cluster.performDurably(
                script, keys: keys, arguments: arguments, orderKey: orderKey, timeoutMs: self.commandTimeout,
                file: file, line: line)
        }
    }

    /// A script whose keys lie in several slots works on one server and fails in a cluster, so tests find it anywhere.
    private static func check(_ keys: [String], of script: Script) {
        assert(Set(keys.map(ClusterSlot.of)).count == 1, "the keys of script \(script.name) share no slot: \(keys)")
    }
}

extension RedisRouter {
    /// Commands that were not sent yet.
    var waitingCount: Int { self.masters.reduce(0) { $0 + $1.pipeline.waitingCount } }
}
