/// How many replicas were to have a message before it was acknowledged, and how many are known to.
///
/// Fewer than were asked for: the message is there, and a failover right now may lose it, which its readers would be
/// told.
public struct Durability: Sendable, Hashable {
    /// How many were to have it, by ``StoreConfiguration/waitReplicas``.
    public let asked: Int
    /// How many have it.
    public let reached: Int
}
