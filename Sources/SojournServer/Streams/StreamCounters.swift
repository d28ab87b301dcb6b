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
        return sum
    }
}
