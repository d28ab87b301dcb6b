package import SojournCore

/// A connection that is attached to a session: it reads its live events.
package struct Attachment: Sendable, Hashable {
    let session: SessionID
    /// The entry as it stands in Redis and as others see it: a JSON object.
    let entry: String
    let agentID: String
    /// Whether the session lives on while this connection watches it; nil leaves it to the agent.
    let aliveWhileWatched: Bool?
}

/// Who is attached to a session, over all nodes.
package struct Presence: Sendable {
    /// The connections, oldest first; at most 1,000 of them.
    package let connections: [JSON]
    /// How many there are.
    package let count: Int

    /// The body of an answer or of an event.
    package var json: JSONObject { ["connections": .array(self.connections), "count": JSON(self.count)] }
}
