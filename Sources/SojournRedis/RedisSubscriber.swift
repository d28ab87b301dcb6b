public import SojournCore
public import SojournLoop

/// A connection that listens to sharded channels (`SSUBSCRIBE`) and repairs itself. Loop only.
///
/// Pub/sub loses what is published while nobody listens, so the subscriber says when that may have happened:
/// ``onLost``, then ``onRestored`` with the channels that are back; readers then repair from the log.
public final class RedisSubscriber: RedisSubscriptions {
    /// How the subscriber finds out that it has gone deaf: it publishes to itself.
    public struct Probe {
        /// A channel of one of the server's slots; without one nothing is found out.
        public var channel: String?
        /// How often to probe, in milliseconds.
        public var intervalMs = 2_000
        /// How long, in milliseconds after the publish, the message may take.
        public var limitMs = 1_000
        /// Publishes through the command connection (`SPUBLISH channel nonce`). If it throws, nothing is concluded.
        public var publish: (_ channel: String, _ nonce: String) async throws -> Void

        /// A probe with the default times.
        public init(channel: String?, publish: @escaping (_ channel: String, _ nonce: String) async throws -> Void) {
            self.channel = channel
            self.publish = publish
        }
    }

    /// The server.
    public var endpoint: Endpoint { self.link.endpoint }
    /// A message on a channel that is subscribed.
    public var onMessage: ((_ channel: String, _ payload: [UInt8]) -> Void)?
    /// Messages may be missed from now on, on all channels, or on one that the server ended by itself.
    public var onLost: (() -> Void)?
    /// These channels are back after ``onLost``; what was published in between is not.
    public var onRestored: ((_ channels: [String]) -> Void)?
    /// Whether what is published arrives, as far as that is known: all channels are subscribed, and no probe went
    /// unheard. Before the first attempt to connect has succeeded or failed, nothing speaks against it.
    public var isHealthy: Bool { !self.isDeaf && (self.book.isComplete || self.isUntried) }

    let loop: EventLoop
    let log: Log
    let link: RedisLink
    private(set) var probe: Probe?
    /// Told of a channel that this server does not have any more, because its slot has moved away; the subscriber has
    /// forgotten it. Set in a cluster only.
    var onMoved: ((_ channel: String) -> Void)? {
        didSet { self.book.followsSlots = self.onMoved != nil }
    }
    private let options: RedisOptions
    private var book = SubscriptionBook()
    private var flushIsDue = false
    private var hasBeenLost = false
    private var isClosed = false
    /// No attempt to connect has come to an end yet.
    private var isUntried = true
    /// No probe has been heard since the last one failed.
    var isDeaf = false
    var awaitedNonce: String?
    var probeCount = 0
    var probeTimer: LoopTimer?
    var probeLimit: LoopTimer?

    /// A subscriber that is not started yet. Of `options`, the credentials, name, times and pauses count.
    public init(
        loop: EventLoop, endpoint: Endpoint, options: RedisOptions = RedisOptions(), probe: Probe? = nil,
        log: Log = .silent
    ) {
        loop.checkIsolated()
        self.loop = loop
        self.options = options
        self.probe = probe
        self.log = log
        self.link = RedisLink(
            loop: loop, endpoint: endpoint, options: options, purpose: "subscriptions", checks: false, log: log)
    }

    /// Begins to connect, and to reconnect until ``close()``.
    public func start() {
        self.loop.checkIsolated()
        self.link.start(
            .init(
                ready: { [weak self] _, _ in self?.linkIsReady() },
                received: { [weak self] in self?.receive($0) },
                lost: { [weak self] _ in self?.linkIsLost() },
                refused: { [weak self] in self?.linkIsRefused($0) }))
        self.startProbing()
    }

    /// Goes on with another server: all channels are asked for there, and told as lost and restored.
    func move(to endpoint: Endpoint) {
        self.loop.checkIsolated()
        self.link.move(to: endpoint)
    }

    /// Ends it for good; those who wait get `unavailable`, handlers are dropped.
    public func close() {
        self.loop.checkIsolated()
        self.isClosed = true
        self.link.close()
        self.stopProbing()
        self.book.close(failure: self.unavailable("the subscriber was closed"))
        self.onMessage = nil
        self.onLost = nil
        self.onRestored = nil
        self.onMoved = nil
    }

    /// Listens to itself on another channel from now on, or on none.
    func probe(on channel: String?) {
        guard self.probe != nil, self.probe?.channel != channel else { return }
        if let old = self.probe?.channel { self.book.unsubscribe(old, failure: self.unavailable("no probe any more")) }
        self.probe?.channel = channel
        self.awaitedNonce = nil
        self.isDeaf = false
        self.probeLimit?.stop()
        if self.link.isReady, let channel { self.book.subscribe(channel, SubscriptionBook.Waiter { _ in }) }
        self.flushSoon()
    }

    // MARK: Channels

    /// Returns when the server has acknowledged the subscription: whatever is published later arrives.
    ///
    /// Waits at most `timeoutMs` milliseconds, or the options' command timeout; then it throws `unavailable`, and
    /// the channel is given up unless others wait for it.
    public func subscribe(
        _ channel: String, timeoutMs: Int? = nil, file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) {
        self.loop.checkIsolated()
        guard !self.isClosed else { throw self.unavailable("the subscriber was closed", file: file, line: line) }
        var limit: LoopTimer?
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Void, RedisError>, Never>) in
            let waiter = SubscriptionBook.Waiter { continuation.resume(returning: $0) }
            self.book.subscribe(channel, waiter)
            guard !waiter.isAnswered else { return }
            let timer = LoopTimer(loop: self.loop) { [weak self] in
                guard let self, !waiter.isAnswered else { return }
                let error = self.unavailable("no acknowledgement of a subscription in time", file: file, line: line)
                waiter.answer(.failure(error))
                self.book.abandon(channel, failure: error)
                self.flushSoon()
            }
            timer.start(afterMilliseconds: timeoutMs ?? self.options.commandTimeoutMs)
            limit = timer
            self.flushSoon()
        }
        limit?.stop()
        try result.get()
    }

    /// Forgets the channel; no message of it is delivered after this returns.
    public func unsubscribe(_ channel: String) {
        self.loop.checkIsolated()
        self.book.unsubscribe(channel, failure: self.unavailable("the channel was unsubscribed"))
        self.flushSoon()
    }

    func unavailable(_ message: String, file: String = #fileID, line: UInt = #line) -> RedisError {
        RedisError(code: .unavailable, message: message, endpoint: self.endpoint, file: file, line: line)
    }

    // MARK: Link

    private func flushSoon() {
        guard !self.flushIsDue, !self.book.outbox.isEmpty else { return }
        self.flushIsDue = true
        self.loop.atEndOfTick { [weak self] in self?.flush() }
    }

    private func flush() {
        self.flushIsDue = false
        var writer = RESPWriter()
        for command in self.book.takeOutbox() { writer.append(command) }
        self.link.write(writer.bytes)
    }

    private func linkIsReady() {
        self.isUntried = false
        self.book.opened()
        if let channel = self.probe?.channel, !self.book.wants(channel) {
            self.book.subscribe(channel, SubscriptionBook.Waiter { _ in })
        }
        self.flushSoon()
        if self.book.restoredAtOnce { self.tellRestored([]) }
    }

    private func linkIsLost() {
        self.isUntried = false
        self.book.lost()
        self.awaitedNonce = nil
        self.probeLimit?.stop()
        guard !self.hasBeenLost else { return }
        self.hasBeenLost = true
        self.onLost?()
    }

    private func linkIsRefused(_ sentence: String) {
        self.log(
            .error, "This Redis server refuses subscriptions; it is asked again until that changes",
            ["redis.endpoint": "\(self.endpoint)", "reason": sentence])
    }

    private func tellRestored(_ channels: [String]) {
        guard self.hasBeenLost else { return }
        self.hasBeenLost = false
        self.onRestored?(channels.filter { $0 != self.probe?.channel })
    }

    private func receive(_ push: RESPValue) {
        let event = self.book.receive(push) { error in
            RedisError(
                code: .server, message: error.message, endpoint: self.endpoint, file: #fileID, line: #line)
        }
        switch event {
        case .nothing: break
        case .message(let channel, let payload):
            if channel == self.probe?.channel { self.heard(payload) } else { self.onMessage?(channel, payload) }
        case .kicked(let channel):
            self.log(
                .notice, "Redis ended a subscription; it is asked for again",
                ["redis.endpoint": "\(self.endpoint)", "redis.channel": channel])
            if !self.hasBeenLost {
                self.hasBeenLost = true
                self.onLost?()
            }
        case .restored(let channels): self.tellRestored(channels)
        case .restoreFailed(let words): self.link.drop("a subscription could not be restored: \(words)")
        case .unexpected: self.link.drop("the server sent an acknowledgement that nobody asked for")
        }
        for channel in self.book.takeMoved() { self.onMoved?(channel) }
        self.flushSoon()
    }
}
