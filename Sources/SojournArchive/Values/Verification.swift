/// A part of a check of the archive: some sessions, in the order of their hand-overs.
public struct VerifyPage: Sendable, Equatable {
    /// Where the next part begins.
    public internal(set) var position: Int64
    /// Sessions that were checked.
    public internal(set) var sessions = 0
    /// Their events.
    public internal(set) var events = 0
    /// Those of them that have no hash yet, because they were archived a moment ago or by an older version.
    public internal(set) var unsealed = 0
    /// What is wrong.
    public internal(set) var damaged: [Damage] = []
    /// Whether more follow.
    public internal(set) var hasMore = true
}

/// A session whose events are not what they were.
public struct Damage: Sendable, Equatable {
    /// The session id.
    public let id: String
    /// What is wrong, as parts of a sentence.
    public let flaws: [String]
}
