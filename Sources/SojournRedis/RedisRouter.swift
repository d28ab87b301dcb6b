public import SojournCore
public import SojournLoop

/// The way to a Redis, whatever its topology: commands, and what is published. Loop only.
///
/// One server is one connection for commands and one for subscriptions. With sentinels these move to the master that
/// is told: what was not sent goes there, reads on their way go there again, writes on their way are unknown.
public final class RedisRouter {
    /// How the servers are found.
    public let topology: RedisTopology
    /// The connection for subscriptions.
    public let subscriber: RedisSubscriber

    let connection: RedisConnection
    private let durable: DurableWrites?
    private let commandTimeout: Int
    private let watch: SentinelWatch?

    /// A router that is not started yet.
    ///
    /// - Parameter probe: a channel on which the subscriber hears itself.
    public init(
        loop: EventLoop, topology: RedisTopology, options: RedisOptions = RedisOptions(), probe: String,
        log: Log = .silent
    ) {
        loop.checkIsolated()
        self.topology = topology
        let first: Endpoint
        switch topology {
        case .standalone(let endpoint):
            first = endpoint
            self.watch = nil
        case .sentinel(let sentinels, let master):
            first = sentinels[0]
            self.watch = SentinelWatch(loop: loop, sentinels: sentinels, name: master, options: options, log: log)
        }
        let connection = RedisConnection(loop: loop, endpoint: first, options: options, log: log)
        self.connection = connection
        self.commandTimeout = options.commandTimeoutMs
        self.durable = options.wait.map {
            DurableWrites(loop: loop, endpoint: first, options: options, wait: $0, log: log)
        }
        self.subscriber = RedisSubscriber(
            loop: loop, endpoint: first, options: options,
            probe: .init(channel: probe) { channel, nonce in
                _ = try await connection.send(["SPUBLISH", .string(channel), .string(nonce)], kind: .read)
            }, log: log)
        guard let watch = self.watch else { return }
        connection.link.isParked = true
        self.durable?.connection.link.isParked = true
        self.subscriber.link.isParked = true
        watch.isUsable = { [weak connection] in connection?.isMaster ?? true }
        watch.onMaster = { [weak self] endpoint in
            self?.connection.move(to: endpoint)
            self?.durable?.connection.move(to: endpoint)
            self?.subscriber.move(to: endpoint)
        }
    }

    /// How the connections for commands stand.
    public var state: RedisConnection.State { self.connection.state }

    /// What names the servers as they are: another one after a promotion or restart; nil before the first connection.
    public var replid: String? { self.connection.replid }

    /// Why there is no connection, as a sentence, if more is known than that.
    public var trouble: String? {
        if case .refused(let reason) = self.state { return reason }
        return self.watch?.trouble
    }

    /// Commands that were not sent yet.
    var waitingCount: Int { self.connection.pipeline.waitingCount }

    /// Begins to connect for commands, and to reconnect until ``close()``; the subscriber is started by itself.
    public func start() {
        self.watch?.start()
        self.connection.start()
        self.durable?.connection.start()
    }

    /// Ends all connections for good.
    public func close() {
        self.watch?.close()
        self.subscriber.close()
        self.connection.close()
        self.durable?.connection.close()
    }

    /// Sends one command, whose second word is its key; see ``RedisConnection/send(_:kind:timeoutMs:file:line:)``.
    public func send(
        _ command: RedisCommand, kind: RedisCommandKind, timeoutMs: Int? = nil,
        file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) -> RESPValue {
        try await self.connection.send(command, kind: kind, timeoutMs: timeoutMs, file: file, line: line)
    }

    /// Calls a script, whose keys share a slot; see
    /// ``RedisConnection/call(_:keys:arguments:orderKey:timeoutMs:file:line:)``.
    public func call(
        _ script: Script, keys: [String], arguments: [RedisArgument] = [], orderKey: String? = nil,
        timeoutMs: Int? = nil, file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) -> RESPValue {
        try await self.connection.call(
            script, keys: keys, arguments: arguments, orderKey: orderKey, timeoutMs: timeoutMs, file: file, line: line)
    }

    /// Calls a script that writes, and waits for replicas as ``RedisOptions/wait`` says, over a connection of its own.
    ///
    /// - Returns: the reply, and how many replicas are known to have the write; nil when none were to be waited for.
    public func callDurably(
        _ script: Script, keys: [String], arguments: [RedisArgument] = [], orderKey: String? = nil,
        file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) -> (reply: RESPValue, reached: Int?) {
        guard let durable = self.durable else {
            let reply = try await self.call(
                script, keys: keys, arguments: arguments, orderKey: orderKey, file: file, line: line)
            return (reply, nil)
        }
        let (reply, reached) = try await durable.call(
            script, keys: keys, arguments: arguments, orderKey: orderKey, timeoutMs: self.commandTimeout, asking: false,
            file: file, line: line)
        return (reply, reached)
    }
}
