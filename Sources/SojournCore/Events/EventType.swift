/// The names of events on the wire.
public enum EventType {
    /// The first event of a log.
    public static let sessionCreated = "session.created"
    /// Its settings changed.
    public static let sessionUpdated = "session.updated"
    /// The renewal was asked for, or took back a warning.
    public static let sessionRenewed = "session.renewed"
    /// The one warning before the deadline.
    public static let sessionExpiring = "session.expiring"
    /// The deadline passed; the log is frozen.
    public static let sessionExpired = "session.expired"
    /// It was deleted; the log is frozen.
    public static let sessionEnded = "session.ended"
    /// It was closed early; the log is frozen.
    public static let sessionArchived = "session.archived"
    /// A message of the session's user.
    public static let userMessage = "user.message"
    /// A message of the agent.
    public static let agentMessage = "agent.message"
    /// A message of neither.
    public static let systemMessage = "system.message"
    /// The agent calls a tool.
    public static let agentToolUse = "agent.tool_use"
    /// What a tool gave back.
    public static let agentToolResult = "agent.tool_result"
    /// A turn waits for a worker.
    public static let turnQueued = "turn.queued"
    /// A worker has it.
    public static let turnStarted = "turn.started"
    /// Its worker waits for a human.
    public static let turnWaiting = "turn.waiting"
    /// It is done.
    public static let turnCompleted = "turn.completed"
    /// It failed, and is not tried again.
    public static let turnFailed = "turn.failed"
    /// It was interrupted, or ended with its session.
    public static let turnCancelled = "turn.cancelled"
    /// Ephemeral: what was added to a message of the agent that is being written.
    public static let agentMessageDelta = "agent.message.delta"
    /// Ephemeral, on request: who came and who left.
    public static let presence = "presence"
    /// Ephemeral, made by the node for one stream.
    public static let streamReady = "stream.ready"
    /// Ephemeral: what lies between two cursors cannot be given.
    public static let streamGap = "stream.gap"
    /// Ephemeral: the last event of a stream.
    public static let streamEnd = "stream.end"

    /// The events that are messages; a message in the history is one of these.
    public static let messages: Set<String> = [userMessage, agentMessage, systemMessage]
    /// The events of a log: they have a seq.
    public static let durable: [String] = [
        sessionCreated, sessionUpdated, sessionRenewed, sessionExpiring, sessionExpired, sessionArchived, sessionEnded,
        userMessage, agentMessage, systemMessage, agentToolUse, agentToolResult, turnQueued, turnStarted, turnWaiting,
        turnCompleted, turnFailed, turnCancelled,
    ]
    /// The events that are only passed on.
    public static let ephemeral: [String] = [agentMessageDelta, presence, streamReady, streamGap, streamEnd]
    /// The events after which a log is frozen.
    public static let closing: Set<String> = [sessionExpired, sessionEnded, sessionArchived]
}
