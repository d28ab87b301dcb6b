import SojournCore
import SojournHTTP
import SojournStore

/// What one loop of a node has to say of itself.
struct LoopReport: Sendable {
    /// Whether its commands reach Redis.
    let isConnected: Bool
    /// Whether what is published reaches it.
    let isHearing: Bool
    /// Its connections, and of those the event streams and the WebSockets.
    let connections: Int
    let streams: Int
    let sockets: Int
    /// Requests that are not answered, and streams that have not ended.
    let exchanges: Int
    /// Sessions that are read, by whomever.
    let readers: Int
    /// Bytes that wait for clients to take them.
    let outboxBytes: Int
    /// Streams and subscriptions that wait to be opened.
    let openings: Int
    /// Requests that were refused before they had a route.
    let refusals: Int
    let requests: [RequestTally]
    let lag: Distribution
    let streamCounters: StreamCounters
    let store: StoreCounters
    /// The channels of sessions that are subscribed, what came over them, and how often that was settled from the log.
    let channels: Int
    let arrivals: Int
    let repairs: Int
    let redis: RedisReport
}

extension NodeServer {
    /// What there is to say of this loop.
    var report: LoopReport {
        LoopReport(
            isConnected: self.shard.isConnected, isHearing: self.shard.feed.isHealthy,
            connections: self.http?.connections ?? 0, streams: self.streams.count, sockets: self.gateways.count,
            exchanges: self.http?.activeExchanges ?? 0, readers: self.readers.count,
            outboxBytes: self.streams.values.reduce(0) { $0 + $1.pendingBytes }
                + self.gateways.values.reduce(0) { $0 + $1.socket.pendingBytes },
            openings: self.openings.waiting, refusals: self.http?.refusals ?? 0, requests: self.tallies,
            lag: self.lag?.times ?? Distribution(Distribution.quick), streamCounters: self.counters,
            store: self.shard.counters, channels: self.shard.feed.channels, arrivals: self.shard.feed.arrivals,
            repairs: self.shard.feed.repairs, redis: self.shard.redisReport)
    }
}
