/// What happened on connections to Redis since their start, and what waits on them now.
public struct RedisCounts: Sendable, Equatable {
    /// How often a connection was made again.
    public var reconnects = 0
    /// How often the server was found with another replication id: promotions, and restarts.
    public var epochChanges = 0
    /// Commands that were not sent yet.
    public var waiting = 0
    /// Commands that were sent and not answered.
    public var inFlight = 0

    /// Nothing yet.
    public init() {}

    /// The counts of two together.
    static func + (left: Self, right: Self) -> Self {
        var sum = left
        sum.reconnects += right.reconnects
        sum.epochChanges += right.epochChanges
        sum.waiting += right.waiting
        sum.inFlight += right.inFlight
        return sum
    }
}

extension RedisConnection {
    /// What happened since the start, and what waits.
    public var counts: RedisCounts {
        var counts = RedisCounts()
        counts.reconnects = max(0, self.link.connects - 1)
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
        counts.reconnects = max(0, self.link.connects - 1)
        return counts
    }
}

extension RedisRouter {
    /// What happened on the connections for commands that there are now, and what waits.
    public var counts: RedisCounts { self.masters.reduce(RedisCounts()) { $0 + $1.counts } }
}
