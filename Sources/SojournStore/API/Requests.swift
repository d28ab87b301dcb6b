public import SojournCore

/// What a new session is to be.
public struct SessionRequest: Sendable {
    /// The agent's UUID, lower case.
    public var agentID: String
    /// The user's UUID, lower case.
    public var userID: String
    /// Stored with the session; comes back with it.
    public var metadata: JSONObject
    /// Its timeouts; nil takes the store's defaults.
    public var policy: TimeoutPolicy?
    /// At most one live session of the agent holds this key; nil asks for no such promise.
    public var conversationKey: String?
    /// What its messages do while a turn is open, unless they say; nil leaves it to the agent.
    public var ifBusy: IfBusy?
    /// Whether it lives on while somebody watches it; nil leaves it to the agent.
    public var aliveWhileWatched: Bool?
    /// Makes the same request within 24 hours answer the same session.
    public var idempotency: Idempotency?
    /// Where the policy's values come from, if somebody wants to know later.
    public var timeoutSources: TimeoutSources?
    /// Where it stands in a trace; its first event carries that on.
    public var trace: TraceParent?

    /// A request.
    public init(
        agentID: String, userID: String, metadata: JSONObject = JSONObject(), policy: TimeoutPolicy? = nil,
        conversationKey: String? = nil
    ) {
        self.agentID = agentID
        self.userID = userID
        self.metadata = metadata
        self.policy = policy
        self.conversationKey = conversationKey
    }
}

/// A session that was asked for.
public struct CreatedSession: Sendable {
    /// The session.
    public let session: Session
    /// False when a live session held the conversation key and is the answer.
    public let isNew: Bool
}

/// Who says something.
public enum MessageAuthor: String, Sendable {
    /// The session's user.
    case user
    /// The session's agent.
    case agent
    /// Neither: a notice for both.
    case system

    var eventType: String {
        switch self {
        case .user: EventType.userMessage
        case .agent: EventType.agentMessage
        case .system: EventType.systemMessage
        }
    }
}

/// A message to be appended.
public struct MessageDraft: Sendable {
    /// Its id; nil makes one. An agent's message takes the id under which its deltas were published.
    public var id: String?
    /// Who says it; a user message is always the session's user's.
    public var author: MessageAuthor
    /// What is said.
    public var content: String
    /// The caller's attachments, kept as they are.
    public var attachments: JSON?
    /// The message's own metadata.
    public var metadata: JSONObject?
    /// Its author's UUID.
    public var authorID: String
    /// Where it stands in a trace; its event carries that on.
    public var trace: TraceParent?

    /// A draft.
    public init(
        id: String? = nil, author: MessageAuthor = .user, authorID: String, content: String, attachments: JSON? = nil,
        metadata: JSONObject? = nil
    ) {
        self.id = id
        self.author = author
        self.authorID = authorID
        self.content = content
        self.attachments = attachments
        self.metadata = metadata
    }
}

/// A message that is in the log, and what became of the session's deadline.
public struct SentMessage: Sendable {
    /// The message's UUID.
    public let id: String
    /// Its place in the log.
    public let cursor: Cursor
    /// When it was appended.
    public let createdAt: Instant
    /// The session's deadline after it.
    public let expiresAt: Instant
    /// The session's renewals after it.
    public let renewalCount: Int
    /// Whether it renewed the session.
    public let wasRenewed: Bool
    /// Whether the warning is due or given.
    public let isNearExpiration: Bool
    /// The turn that answers it; nil where the agent does not work by turns.
    public var turnID: String?
    /// Whether it was handed to the turn that was running already.
    public var isSteered = false
    /// How many replicas have it; nil when the store waits for none.
    public var durability: Durability?
}

/// What a heartbeat did.
public struct HeartbeatOutcome: Sendable {
    /// Why there is no such live session, if there is none.
    public let error: StoreError?
    /// Whether the deadline moved.
    public let extended: Bool
    /// The deadline, of a live session.
    public let expiresAt: Instant?
    /// The newest event, of a live session.
    public let head: Int?
    /// Redis time.
    public let asOf: Instant
}

/// One side of a page of messages.
public enum PageBound: Sendable, Hashable {
    /// Exclusive, by place in the log.
    case seq(Int)
    /// Exclusive, by time.
    case time(Instant)

    /// Whether it is a time.
    package var isTime: Bool {
        switch self {
        case .seq: false
        case .time: true
        }
    }
}

/// Messages, newest first.
public struct MessagePage: Sendable {
    /// The messages.
    public let messages: [Message]
    /// Whether there are more in the direction of the page.
    public let hasMore: Bool
    /// The bound before which the older messages are; nil of an empty page. It is a time where the page was asked for with
    /// one, but a seq where another message may have the same time.
    public let before: PageBound?
    /// The bound after which the newer messages are, in the same way.
    public let after: PageBound?
    /// The session they belong to.
    public let session: Session
}

/// A stretch of a session's log, in order.
public struct EventPage: Sendable {
    /// The events.
    public let events: [Event]
    /// Whether the log has more in the direction of the page.
    public let hasMore: Bool
    /// The newest event of the log.
    public let head: Int
    /// The branch that is being written.
    public let epoch: String
}

/// A page of live sessions, newest first.
public struct SessionList: Sendable {
    /// The sessions.
    public let sessions: [Session]
    /// Where the next page begins; nil at the end.
    public let nextCursor: String?
    /// How many live sessions the index counts.
    public let total: Int
    /// The sessions of the whole store.
    public let counts: Counts

    /// How many sessions there are, whatever is listed.
    public struct Counts: Sendable {
        /// Live sessions.
        public let live: Int
        /// Ended sessions that are not archived yet.
        public let ended: Int
    }
}

/// How many sessions a store holds.
public struct StoreCounts: Sendable {
    /// Live sessions.
    public let live: Int
    /// Ended sessions that are not archived yet.
    public let ended: Int
    /// Sessions whose next timer is near.
    public let expiringSoon: Int
    /// How long the oldest event that no archive has yet has waited, in milliseconds; means nothing where nobody archives
    /// live sessions.
    public let archiveLag: Int
}
