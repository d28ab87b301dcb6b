public import SojournCore

/// One message of a session's history.
public struct Message: Sendable {
    /// The message's UUID.
    public let id: String
    /// What was said.
    public let content: String
    /// Who said it.
    public let authorID: String
    /// Whether the agent said it.
    public let isAgent: Bool
    /// When it was appended.
    public let createdAt: Instant
    /// Its own metadata.
    public let metadata: JSONObject
    /// The attachments as they came.
    public let attachments: JSON?
    /// Its place in the log.
    public let seq: Int

    /// The message in an event; nil when the event is none.
    public init?(_ event: Event) {
        guard EventType.messages.contains(event.type), let seq = event.seq,
            let data = (try? event.json())?["data"], let id = data["id"]?.string, let content = data["content"]?.string
        else { return nil }
        self.id = id
        self.content = content
        self.authorID = data["authorId"]?.string ?? ""
        self.isAgent = event.type == EventType.agentMessage
        self.createdAt = event.at
        self.metadata = data["metadata"]?.object ?? JSONObject()
        self.attachments = data["attachments"]
        self.seq = seq
    }
}
