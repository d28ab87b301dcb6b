/// Something that must be erased from every archive, for ever.
public struct Purge: Sendable, Equatable {
    /// What is meant by its id.
    public enum Kind: String, Sendable {
        /// One session.
        case session
        /// Every session of a user that was created until the purge was asked for.
        case user
    }

    /// Its place among all purges of the keyspace; numbers only grow.
    public let number: Int64
    /// What the id names.
    public let kind: Kind
    /// The session's or the user's id.
    public let id: String
    /// When it was asked for, in milliseconds of Redis time.
    public let at: Int64

    /// A purge from its parts.
    public init(number: Int64, kind: Kind, id: String, at: Int64) {
        self.number = number
        self.kind = kind
        self.id = id
        self.at = at
    }
}

/// What a purge has erased from one archive so far. It holds no content, and stays for ever.
public struct PurgeRecord: Sendable, Equatable {
    /// What was asked for.
    public let purge: Purge
    /// Sessions that were served and are no more.
    public internal(set) var sessions = 0
    /// Their events.
    public internal(set) var events = 0
    /// The size of the events' bodies.
    public internal(set) var bytes = 0
    /// Whether nothing of it is left in the files.
    public internal(set) var isDone = false
}
