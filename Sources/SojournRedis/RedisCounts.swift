/// What happened on a connection to Redis since its start, and what waits on it now.
public struct RedisCounts: Sendable, Equatable {
    /// How often the connection was made, the first time included.
    public var connects = 0
    /// How often the server was found with another replication id: promotions, and restarts.
    public var epochChanges = 0
    /// Commands that were not sent yet.
    public var waiting = 0
    /// Commands that were sent and not answered.
    public var inFlight = 0

    /// Nothing yet.
    public init() {}

    /// How often the connection was made again.
    public var reconnects: Int { max(0, self.connects - 1) }
}

extension RedisConnection {
    /// What happened since the start, and what waits.
    public var counts: RedisCounts {
        var counts = RedisCounts()
        counts.connects = self.link.connects
        counts.epochChanges = self.epochChanges
        counts.waiting = self.pipeline.waitingCount
        counts.inFlight = self.pipeline.inFlightCount
        return counts
    }
}

extension RedisSubscriber {
    /// What happened since the start.
    public var counts: RedisCounts {
        var counts = RedisCounts()
        counts.connects = self.link.connects
        return counts
    }
}
