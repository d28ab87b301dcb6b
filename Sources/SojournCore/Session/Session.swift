/// One bounded conversation of one user with one agent, as it stood at ``asOf``.
public struct Session: Sendable, Hashable {
    /// Who and where.
    public var id: SessionID
    /// The agent's UUID, lower case.
    public var agentID: String
    /// The user's UUID, lower case. The user is the author of every `user.message`.
    public var userID: String
    /// When it was created.
    public var createdAt: Instant
    /// Creation, then the last renewal (manual, or a touch under auto-renewal).
    public var base: Instant
    /// Its timeouts.
    public var policy: TimeoutPolicy
    /// When the lease of the running turn ends, if one runs.
    public var leaseEnd: Instant?
    /// Until when the running turn waits for a human, if it does.
    public var interactionDeadline: Instant?
    /// How often it was renewed.
    public var renewalCount: Int
    /// The last message, heartbeat or renewal.
    public var lastActivity: Instant
    /// How many messages its log has.
    public var messageCount: Int
    /// The seq of its newest durable event; 0 before the first.
    public var head: Int
    /// The branch of its log that is being written.
    public var epoch: String
    /// Why and when its life ended, if it did.
    public var ending: Ending?
    /// What the client stored with it: a JSON object.
    public var metadata: JSONObject
    /// The conversation key, if it has one.
    public var conversationKey: String?
    /// What its messages do while a turn is open, unless they say.
    public var ifBusy: IfBusy?
    /// Whether it lives on while somebody watches it; nil leaves it to the agent.
    public var aliveWhileWatched: Bool?
    /// Where the values of the policy come from, if it is known.
    public var timeoutSources: TimeoutSources?
    /// The Redis time of this reading.
    public var asOf: Instant

    /// A session as read.
    public init(
        id: SessionID, agentID: String, userID: String, createdAt: Instant, base: Instant, policy: TimeoutPolicy,
        leaseEnd: Instant? = nil, interactionDeadline: Instant? = nil, renewalCount: Int = 0, lastActivity: Instant,
        messageCount: Int = 0, head: Int, epoch: String, ending: Ending? = nil, metadata: JSONObject = JSONObject(),
        conversationKey: String? = nil, ifBusy: IfBusy? = nil, aliveWhileWatched: Bool? = nil,
        timeoutSources: TimeoutSources? = nil, asOf: Instant
    ) {
        self.id = id
        self.agentID = agentID
        self.userID = userID
        self.createdAt = createdAt
        self.base = base
        self.policy = policy
        self.leaseEnd = leaseEnd
        self.interactionDeadline = interactionDeadline
        self.renewalCount = renewalCount
        self.lastActivity = lastActivity
        self.messageCount = messageCount
        self.head = head
        self.epoch = epoch
        self.ending = ending
        self.metadata = metadata
        self.conversationKey = conversationKey
        self.ifBusy = ifBusy
        self.aliveWhileWatched = aliveWhileWatched
        self.timeoutSources = timeoutSources
        self.asOf = asOf
    }

    /// How a life ended.
    public struct Ending: Sendable, Hashable {
        /// Why.
        public var reason: EndReason
        /// When.
        public var at: Instant

        /// An ending.
        public init(reason: EndReason, at: Instant) {
            self.reason = reason
            self.at = at
        }
    }
}

/// Why a session's life is over.
public enum EndReason: String, Sendable, CaseIterable {
    /// Its deadline passed: 410.
    case expired
    /// It was deleted: 404.
    case ended
    /// It was closed early and kept read-only.
    case archived
}

/// What a session is doing.
public enum SessionStatus: String, Sendable, CaseIterable {
    /// Nothing; it waits for somebody to speak.
    case idle
    /// A turn holds a live lease.
    case running
    /// Its running turn waits for a human.
    case waiting
    /// Its deadline passed.
    case expired
    /// It was deleted.
    case ended
    /// It was closed early and kept read-only.
    case archived
}

/// Where a session stands in its life.
public enum SessionPhase: String, Sendable, CaseIterable {
    /// No message yet.
    case created
    /// In use.
    case active
    /// Half of the timeout has passed without a sign of life.
    case dormant
    /// The warning is due or given.
    case expiring
    /// Its life is over.
    case closed
}

extension Session {
    /// The deadline (law 1).
    public var expiresAt: Instant {
        self.policy.expiresAt(
            createdAt: self.createdAt, base: self.base, leaseEnd: self.leaseEnd,
            interactionDeadline: self.interactionDeadline)
    }

    /// Milliseconds to the deadline; never negative.
    public var timeRemaining: Int64 { self.ending == nil ? max(0, self.expiresAt - self.asOf) : 0 }

    /// Whether the warning is due or given.
    public var isNearExpiration: Bool { self.asOf >= self.expiresAt - self.policy.effectiveLead }

    /// What it is doing.
    public var status: SessionStatus {
        switch self.ending?.reason {
        case .expired: .expired
        case .ended: .ended
        case .archived: .archived
        case nil:
            if let deadline = self.interactionDeadline, deadline > self.asOf {
                .waiting
            } else if let end = self.leaseEnd, end > self.asOf {
                .running
            } else {
                .idle
            }
        }
    }

    /// Where it stands in its life: the first of closed, expiring, created, dormant, active that holds.
    public var phase: SessionPhase {
        if self.ending != nil { return .closed }
        if self.isNearExpiration { return .expiring }
        if self.messageCount == 0 { return .created }
        if self.asOf - self.lastActivity >= self.policy.timeout / 2 { return .dormant }
        return .active
    }
}
