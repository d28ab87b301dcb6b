public import SojournCore

/// How a worker ends its turn.
public enum TurnEnd: Sendable {
    /// It is done; with its message, if it has one, and what it says about its usage.
    case complete(MessageDraft?, usage: JSON?)
    /// It failed with this error; `retryable` lets another worker try, until the attempts are used up.
    case fail(error: String, retryable: Bool)
    /// It is put back as if nobody had had it.
    case `return`
}

/// What has become of a turn that a worker ended.
public struct FinishedTurn: Sendable {
    /// Its status now; queued when it is tried again.
    public let status: TurnStatus
    /// Its message's place in the log.
    public let cursor: Cursor?
    /// The message's id.
    public let messageID: String?
    /// How many turns wait in the session.
    public let queued: Int
    /// How many replicas have its message; nil without one, and when the store waits for none.
    public var durability: Durability?
}
