import SojournLoop

/// What happened to the readers of a node since its start, on all its loops.
package final class StreamCounters: Sendable {
    /// The counts.
    package struct Values: Sendable {
        /// Readers that are being served.
        package var open = 0
        /// Readers that became too slow for what came, and were fed from the log instead.
        package var demoted = 0
        /// Readers that caught up from there, and get what comes as it comes again.
        package var promoted = 0
        /// Readers that were closed because they took nothing for too long.
        package var stalled = 0
        /// Gaps that readers were told of.
        package var gaps = 0
        /// Readers that were sent elsewhere by a drain.
        package var drained = 0
    }

    private let counts = Locked(Values())

    package init() {}

    /// The counts as they stand.
    package var values: Values { self.counts.withLock { $0 } }

    /// Adds to one of the counts.
    package func add(_ change: Int = 1, to count: any WritableKeyPath<Values, Int> & Sendable) {
        self.counts.withLock { $0[keyPath: count] += change }
    }
}
