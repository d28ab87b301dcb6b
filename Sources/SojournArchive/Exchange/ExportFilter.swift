/// Which sessions are exported.
public struct ExportFilter: Sendable, Hashable {
    /// Only sessions that ended at this time or later, in ms of Redis time.
    public var since: Int64?
    /// Only sessions of this agent.
    public var agent: String?
    /// Only sessions of this user.
    public var user: String?

    /// All sessions.
    public init() {}
}

/// A part of an export: whole sessions, as lines.
public struct ExportPage: Sendable {
    /// The lines, each with its line feed.
    public internal(set) var lines: [UInt8] = []
    /// Where the next part begins.
    public internal(set) var position: Int64
    /// Sessions in these lines.
    public internal(set) var sessions = 0
    /// Events in these lines.
    public internal(set) var events = 0
    /// Whether more follow.
    public internal(set) var hasMore = true
}
