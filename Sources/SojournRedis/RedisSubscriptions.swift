/// What listens to sharded channels, whatever the topology; see ``RedisSubscriber``. Loop only.
public protocol RedisSubscriptions: AnyObject {
    /// A message on a channel that is subscribed.
    var onMessage: ((_ channel: String, _ payload: [UInt8]) -> Void)? { get set }
    /// Messages may be missed from now on, on some channels.
    var onLost: (() -> Void)? { get set }
    /// These channels are back after ``onLost``; what was published in between is not.
    var onRestored: ((_ channels: [String]) -> Void)? { get set }
    /// Whether what is published arrives, as far as that is known.
    var isHealthy: Bool { get }
    /// What happened since the start.
    var counts: RedisCounts { get }
    /// Begins to connect, and to reconnect until ``close()``.
    func start()
    /// Ends it for good; those who wait get `unavailable`, handlers are dropped.
    func close()
    /// Returns when a server has acknowledged the subscription: whatever is published later arrives.
    ///
    /// Waits at most `timeoutMs` milliseconds, or the options' command timeout; then it throws `unavailable`.
    func subscribe(_ channel: String, timeoutMs: Int?, file: String, line: UInt) async throws(RedisError)
    /// Forgets the channel; no message of it is delivered after this returns.
    func unsubscribe(_ channel: String)
}

extension RedisSubscriptions {
    /// Waits for the options' command timeout at most.
    public func subscribe(
        _ channel: String, file: String = #fileID, line: UInt = #line
    ) async throws(RedisError) {
        try await self.subscribe(channel, timeoutMs: nil, file: file, line: line)
    }
}
