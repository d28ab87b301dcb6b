import SojournRedis

extension RedisConnection {
    /// The servers behind it: this one.
    var masters: [RedisConnection] { [self] }
}
