/// Why an event stream ended.
enum StreamEnd: String, Sendable, CaseIterable {
    /// The session is over.
    case closed
    /// The node stops.
    case drain
    /// The time of its token was over.
    case expired = "token_expired"
    /// It took no byte for too long.
    case stalled
    /// The log no longer had what it lacked.
    case outrun
    /// The client left.
    case left
}

/// What became of readers on one loop, since its start.
struct StreamCounters: Sendable, Equatable {
    /// How often a reader's outbox was full when an event came, and it went on from the log.
    var demotions = 0
    /// How often such a reader caught up again.
    var promotions = 0
    /// Readers that were closed because the log no longer had what they lacked.
    var outrun = 0
    /// Connections that were closed because they took no byte for too long.
    var stalled = 0
    /// WebSockets that were closed because they answered no ping.
    var silent = 0
    /// Streams and WebSockets that were sent elsewhere by a drain.
    var drained = 0
    /// Gaps that readers were told of.
    var gaps = 0
    /// Events that were written to event streams, those about the stream itself included.
    var eventsToStreams = 0
    /// Events that were written to WebSockets.
    var eventsToSockets = 0
    /// Event streams that ended, by why.
    var ends: [StreamEnd: Int] = [:]
    /// WebSockets that were closed, by code; nil for codes that only clients use.
    var closes: [UInt16?: Int] = [:]
    /// Operations of WebSockets.
    var operations: [String: Int] = [:]

    /// The counters of two loops together.
    static func + (left: Self, right: Self) -> Self {
        var sum = left
        sum.demotions += right.demotions
        sum.promotions += right.promotions
        sum.outrun += right.outrun
        sum.stalled += right.stalled
        sum.silent += right.silent
        sum.drained += right.drained
        sum.gaps += right.gaps
        sum.eventsToStreams += right.eventsToStreams
        sum.eventsToSockets += right.eventsToSockets
        sum.ends.merge(right.ends, uniquingKeysWith: +)
        sum.closes.merge(right.closes, uniquingKeysWith: +)
        sum.operations.merge(right.operations, uniquingKeysWith: +)
        return sum
    }
}
