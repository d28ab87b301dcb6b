import SojournRedis

/// How one loop and its Redis get on.
package struct RedisReport: Sendable {
    /// How often the connection for commands was made again.
    package let reconnects: Int
    /// The same of the connection for subscriptions.
    package let subscriptionReconnects: Int
    /// How often Redis was found promoted or restarted.
    package let epochChanges: Int
    /// Commands that were not sent yet.
    package let waiting: Int
    /// Commands that were sent and not answered.
    package let inFlight: Int
}

extension StoreShard {
    /// How this loop and Redis get on.
    package var redisReport: RedisReport {
        let (commands, subscriptions) = (self.redis.counts, self.feed.subscriber.counts)
        return RedisReport(
            reconnects: commands.reconnects, subscriptionReconnects: subscriptions.reconnects,
            epochChanges: commands.epochChanges, waiting: commands.waiting, inFlight: commands.inFlight)
    }
}
