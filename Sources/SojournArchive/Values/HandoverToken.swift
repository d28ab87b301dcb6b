/// The fencing token of one hand-over: whoever claims a session later gets a greater one.
///
/// Two tokens are the same hand-over only when both parts are equal; the order is that of ``major`` alone.
public struct HandoverToken: Sendable, Hashable, CustomStringConvertible {
    /// What orders tokens: the greater of the previous one plus one and Redis time in milliseconds.
    public let major: Int64
    /// 64 random bits as text, so that a failover that lost the counter cannot issue one token twice.
    public let random: String

    /// A token from its two parts.
    public init(major: Int64, random: String) {
        self.major = major
        self.random = random
    }

    /// The two parts with a dash between them.
    public var description: String { "\(self.major)-\(self.random)" }
}
