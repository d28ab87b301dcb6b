/// A stretch of the log of a session that lives, for the open hand-over that is written behind it.
///
/// The events are gapless; they begin right behind what the hand-over has, or before that.
public struct LiveStretch: Sendable, Hashable {
    /// The session id.
    public let id: String
    /// The agent that answers.
    public let agent: String
    /// The user whose session it is.
    public let user: String
    /// The conversation key, if it has one.
    public let key: String?
    /// When it was created, in milliseconds of Redis time.
    public let createdAt: Int64
    /// JSON bytes the archive keeps and returns unread.
    public let info: [UInt8]
    /// The first event that belongs to the log: 1, or later when what was before it is lost.
    public let first: Int
    /// The head of the log when the stretch was read: what the hand-over has beyond it is of a lost branch.
    public let head: Int
    /// The events, oldest first, up to the head or as many as were read; none when only the head is told.
    public let events: [TranscriptEvent]

    /// A stretch from its parts.
    public init(
        id: String, agent: String, user: String, key: String?, createdAt: Int64, info: [UInt8], first: Int = 1,
        head: Int, events: [TranscriptEvent]
    ) {
        self.id = id
        self.agent = agent
        self.user = user
        self.key = key
        self.createdAt = createdAt
        self.info = info
        self.first = first
        self.head = head
        self.events = events
    }
}

/// What became of a stretch.
public enum FollowResult: Sendable, Equatable {
    /// The archive has everything up to the end of the stretch, this seq.
    case held(upTo: Int)
    /// Events are missing between what the archive has, up to this seq, and the stretch; nothing was written.
    case missing(after: Int)
    /// The session has ended and was handed over already, or was erased on purpose; nothing was written.
    case ended
}

/// An open hand-over: a session that lives, as far as it is known here.
public struct OpenSession: Sendable, Equatable {
    /// The number of the hand-over; a page of them continues after the last one's.
    public let handover: Int64
    /// The session id.
    public let id: String
    /// The last event the archive has.
    public let head: Int
}
