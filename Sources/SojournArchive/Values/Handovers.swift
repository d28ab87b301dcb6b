/// What became of one transcript of a prepared batch.
public enum PrepareResult: Sendable, Equatable {
    /// It is on disk, not served yet, and waits for ``Archive/settle(_:)``.
    case prepared
    /// The same hand-over was committed before; nothing was written. Acknowledge it again.
    case alreadyCommitted
    /// A later hand-over, with this token, is in the archive; nothing was written. Drop the claim.
    case stale(stored: HandoverToken)
    /// It was erased for good, or its user was; nothing was written. Erase what Redis still has.
    case purged
    /// It is no complete transcript, and why; nothing was written. Do not acknowledge it.
    case incomplete(String)
}

/// How one prepared hand-over ended in Redis.
public struct Settlement: Sendable, Equatable {
    /// The two ends of a hand-over.
    public enum Outcome: Sendable, Equatable {
        /// The acknowledgement was accepted: the archive has the only copy and serves it.
        case committed
        /// The acknowledgement was refused: another archive serves the session, from its first event on.
        case discarded
        /// The acknowledgement was refused: Redis has the session, still or again. What is here waits for its new end,
        /// as if its session had been followed so far.
        case reopened
        /// The acknowledgement was refused, and nobody is known to have all of it: this may be the only copy.
        case quarantined
    }

    /// The session id.
    public let id: String
    /// The token the hand-over was prepared with.
    public let token: HandoverToken
    /// How it ended.
    public let outcome: Outcome
    /// When the acknowledgement was accepted, in milliseconds of Redis' time; nil when Redis did not say.
    public let at: Int64?

    /// A settlement from its parts.
    public init(id: String, token: HandoverToken, outcome: Outcome, at: Int64? = nil) {
        self.id = id
        self.token = token
        self.outcome = outcome
        self.at = at
    }
}

/// What a settlement did.
public enum SettleResult: Sendable, Equatable {
    /// The session is served, now or already before.
    case committed
    /// The prepared rows are gone.
    case discarded
    /// The hand-over is open again.
    case reopened
    /// The hand-over is kept aside for people: another one of the session is open or served, or it was to be so.
    case quarantined
    /// There is no hand-over with this token that could be settled so; nothing was changed.
    case unknown
    /// A later hand-over of the session is committed already; nothing was changed.
    case stale
}

/// A hand-over that is on disk but not served: prepared, or quarantined.
public struct PreparedSession: Sendable, Equatable {
    /// Who, when and why.
    public let header: SessionHeader
    /// The token it was prepared with.
    public let token: HandoverToken
    /// How many events it holds.
    public let eventCount: Int
    /// When it was written, in milliseconds of this node's clock; for people only.
    public let archivedAt: Int64
}

/// An event that a later hand-over of the same session replaced; kept for people, never served.
public struct LostEvent: Sendable, Equatable {
    /// The event as it was.
    public let event: TranscriptEvent
    /// The hand-over that had brought it.
    public let token: HandoverToken
    /// The hand-over that replaced it.
    public let replacedBy: HandoverToken
    /// When that happened, in milliseconds of this node's clock.
    public let replacedAt: Int64
}
