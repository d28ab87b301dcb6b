public import SojournCore
public import SojournLoop

/// One multiplexed, pipelined connection to a Redis server. Loop only.
///
/// Commands of one pass of the loop leave in one write. Each has a deadline; what happens at it tells whether
/// the command may be repeated (see ``RedisError/Code``). A lost connection comes back by itself: commands that
/// were not sent wait for it within their deadlines. Cancelling the waiting task changes nothing; the deadline
/// bounds the wait.
public final class RedisConnection {
    /// How the connection stands.
    public enum State: Sendable, Hashable {
        /// Not started.
        case idle
        /// No connection at the moment; attempts go on.
        case connecting
        /// Commands leave at once.
        case ready
        /// The server cannot be used, for the reason in this sentence. Commands fail at once; attempts go on.
        case refused(String)
        /// ``RedisConnection/close()`` was called.
        case closed
    }

    /// The server.
    public var endpoint: Endpoint { self.pipeline.endpoint }
    /// How the connection stands.
    public private(set) var state: State = .idle {
        didSet { if self.state != oldValue { self.onStateChange?(self.state) } }
    }
    /// Why there is no connection: what was heard last, unless that only was the end. Nil while there is one.
    public private(set) var trouble: String?
    /// Told of each change of ``state``, on the loop.
    public var onStateChange: ((State) -> Void)?
    /// The server's `master_replid` as last read; nil before the first connection. Another one after a promotion
    /// or restart.
    public internal(set) var replid: String?
    /// How often ``replid`` has changed.
    var epochChanges = 0

    let loop: EventLoop
    let options: RedisOptions
    let log: Log
    let link: RedisLink
    var pipeline: Pipeline
    /// Fires at the earliest deadline; late ends of answered commands make it fire in vain, once.
    private var deadlineTimer: LoopTimer?
    private var nextDeadline = Int.max
    var refreshTimer: LoopTimer?
    var refreshIsOut = false
    private var flushIsDue = false
    private var writer = RESPWriter()

    /// More output than this is not handed to the socket; the commands wait where they can still be taken back.
    private static let outputLimit = 1 << 20

    /// A connection to `endpoint` that is not started yet.
    public convenience init(
        loop: EventLoop, endpoint: Endpoint, options: RedisOptions = RedisOptions(), log: Log = .silent
    ) {
        self.init(loop: loop, endpoint: endpoint, options: options, purpose: "commands", log: log)
    }

    /// `purpose` is what the log calls it.
    init(loop: EventLoop, endpoint: Endpoint, options: RedisOptions, purpose: String, log: Log) {
        loop.checkIsolated()
        self.loop = loop
        self.options = options
        self.log = log
        self.pipeline = Pipeline(endpoint: endpoint, maxWaiting: options.maxWaiting)
        self.link = RedisLink(
            loop: loop, endpoint: endpoint, options: options, purpose: purpose, checks: true, log: log)
    }

    /// Begins to connect, and to reconnect until ``close()``. Commands may be sent before.
    public func start() {
        self.loop.checkIsolated()
        guard case .idle = self.state else { return }
        self.deadlineTimer = LoopTimer(loop: self.loop) { [weak self] in self?.expire() }
        self.armDeadline(self.nextDeadline)
        self.refreshTimer = LoopTimer(loop: self.loop) { [weak self] in self?.refreshIsDue() }
        self.state = .connecting
        self.link.start(
            .init(
                ready: { [weak self] in self?.linkIsReady(isMaster: $0, replid: $1) },
                received: { [weak self] in self?.receive($0) },
                lost: { [weak self] in self?.linkIsLost($0) },
                refused: { [weak self] in self?.linkIsRefused($0) }))
    }

    /// Goes on with another server: what was not sent goes there, what is on its way is treated as lost.
    func move(to endpoint: Endpoint) {
        self.loop.checkIsolated()
        self.pipeline.endpoint = endpoint
        self.link.move(to: endpoint)
    }

    /// Gives back what was not sent, as unavailable, and ends the connection when the rest must have been answered.
    func retire() {
        self.loop.checkIsolated()
        self.pipeline.giveBack("this server is no master any more")
        self.loop.spawn { [weak self] in
            guard let self else { return }
            let end = EventLoop.now + self.options.commandTimeoutMs
            while self.pipeline.inFlightCount > 0, EventLoop.now < end { await self.loop.sleep(milliseconds: 50) }
            self.close()
        }
    }

    /// Whether writes leave at once.
    var isMaster: Bool { self.pipeline.isOpen && self.pipeline.allowsWrites }

    /// Ends the connection for good. Writes on their way are unknown, all else is unavailable.
    public func close() {
        self.loop.checkIsolated()
        guard self.state != .closed else { return }
        self.state = .closed
        self.deadlineTimer?.stop()
        self.refreshTimer?.stop()
        self.link.close()
        self.pipeline.close()
        self.onStateChange = nil
    }

    // MARK: Commands

    /// Sends one command and returns its reply; errors of the server are thrown as ``RedisError/Code/server``.
    ///
    /// `timeoutMs` milliseconds, or the options' command timeout, bound the whole wait.
    public func send(
        _ command: RedisCommand, kind: RedisCommandKind, timeoutMs: Int? = nil,
        file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) -> RESPValue {
        try await self.submit(
            .plain(command.arguments), kind: kind, orderKey: nil, timeoutMs: timeoutMs, file: file, line: line)
    }

    /// Calls a script and returns its reply.
    ///
    /// A server that does not know the script gets its text. Calls of one `orderKey` are sent one at a time, so
    /// they run in the order of the calls even then; others overlap. A script flagged `no-writes` is a read.
    public func call(
        _ script: Script, keys: [String], arguments: [RedisArgument] = [], orderKey: String? = nil,
        timeoutMs: Int? = nil, file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) -> RESPValue {
        precondition(keys.count >= script.keyCount, "script \(script.name) takes at least \(script.keyCount) keys")
        return try await self.submit(
            .script(script, keys: keys, arguments: arguments), kind: script.isReadOnly ? .read : .write,
            orderKey: orderKey, timeoutMs: timeoutMs, file: file, line: line)
    }

    /// With `isAsking` the server takes it for a slot that is on its way there.
    func submit(
        _ payload: PendingCommand.Payload, kind: RedisCommandKind, orderKey: String?, timeoutMs: Int?,
        isAsking: Bool = false, file: String, line: UInt
    ) async throws(RedisError) -> RESPValue {
        self.loop.checkIsolated()
        let deadline = EventLoop.now + (timeoutMs ?? self.options.commandTimeoutMs)
        // A command answers once, however it ends; a check of that costs as much as all else here.
        let result = await unsafe withUnsafeContinuation {
            (continuation: UnsafeContinuation<Result<RESPValue, RedisError>, Never>) in
            let command = PendingCommand(
                payload, kind: kind, deadline: deadline, orderKey: orderKey, file: file, line: line
            ) { unsafe continuation.resume(returning: $0) }
            command.isAsking = isAsking
            self.enqueue(command)
        }
        return try result.get()
    }

    func enqueue(_ command: PendingCommand) {
        guard self.state != .closed else {
            return command.fail(.unavailable, "the connection was closed", at: self.endpoint)
        }
        self.pipeline.submit(command)
        if command.deadline < self.nextDeadline { self.armDeadline(command.deadline) }
        self.flushSoon()
    }

    // MARK: Sending and receiving

    func flushSoon() {
        guard !self.flushIsDue, self.pipeline.isOpen else { return }
        self.flushIsDue = true
        self.loop.atEndOfTick { [weak self] in self?.flush() }
    }

    private func flush() {
        self.flushIsDue = false
        guard self.link.pendingBytes < Self.outputLimit else { return }
        let leaving = self.pipeline.takeSendable(now: EventLoop.now)
        guard !leaving.isEmpty else { return }
        self.writer.removeAll()
        self.writer.replicationID = String((self.replid ?? "").prefix(16))
        for command in leaving { self.writer.append(command.payload, asEval: command.asEval) }
        self.link.write(self.writer.bytes)
    }

    private func receive(_ reply: RESPValue) {
        switch self.pipeline.receive(reply) {
        case .settled: break
        case .sendable: self.flushSoon()
        case .stateChanged: self.refresh()
        case .unexpected: return self.link.drop("the server sent a reply that nobody asked for")
        }
        if self.pipeline.hasWaiting { self.flushSoon() }
    }

    private func linkIsReady(isMaster: Bool, replid: String?) {
        self.pipeline.refusal = nil
        self.pipeline.isOpen = true
        self.adopt(isMaster: isMaster, replid: replid)
        if !isMaster { self.tellNoMaster() }
        self.state = .ready
        self.trouble = nil
        self.refreshIsOut = false
        self.refreshTimer?.start(afterMilliseconds: self.options.refreshIntervalMs)
        self.flushSoon()
    }

    private func linkIsLost(_ reason: String) {
        self.refreshTimer?.stop()
        // A server that does not want us says so and closes, and its last words may get lost; once heard, they count.
        if self.trouble == nil || reason != ByteStream.CloseReason.endOfFile.description { self.trouble = reason }
        self.pipeline.connectionLost(reason)
        if self.pipeline.refusal == nil { self.state = .connecting }
    }

    private func linkIsRefused(_ sentence: String) {
        if case .refused = self.state {
        } else {
            self.log(
                .error, "This Redis server cannot be used; it is asked again until that changes",
                ["redis.endpoint": "\(self.endpoint)", "reason": sentence])
        }
        self.pipeline.refusal = sentence
        self.state = .refused(sentence)
    }

    // MARK: Deadlines

    private func armDeadline(_ deadline: Int) {
        self.nextDeadline = deadline
        guard deadline != Int.max else { return }
        self.deadlineTimer?.start(afterMilliseconds: deadline - EventLoop.now)
    }

    private func expire() {
        self.armDeadline(self.pipeline.expire(now: EventLoop.now) ?? Int.max)
        self.flushSoon()
    }
}
