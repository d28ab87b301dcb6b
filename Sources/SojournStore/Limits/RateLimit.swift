/// How often something may happen, over all nodes.
public struct RateLimit: Sendable, Hashable {
    /// How many, in a period.
    public let count: Int
    /// The period in milliseconds.
    public let period: Int
    /// How many may come at once after a pause.
    public let burst: Int

    /// A limit; `burst` is `count` unless it is given. All are at least 1.
    public init(count: Int, period: Int, burst: Int? = nil) {
        precondition(count > 0 && period > 0 && burst ?? 1 > 0, "a rate limit allows something")
        self.count = count
        self.period = period
        self.burst = burst ?? count
    }

    /// Microseconds between two requests at the rate.
    var interval: Int { max(1, self.period * 1000 / self.count) }
}

/// What a limit says of one request.
package struct RateVerdict: Sendable {
    package let limit: RateLimit
    package let isAllowed: Bool
    /// How many more could come now.
    package let left: Int
    /// Milliseconds until the next one could come; 0 when it may at once.
    package let retryAfter: Int
    /// Milliseconds until nothing of the limit is used.
    package let reset: Int
}
