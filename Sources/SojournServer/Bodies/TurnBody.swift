import SojournCore
import SojournStore

/// Turns as the interface writes them.
enum TurnBody {
    static func turn(_ turn: Turn) -> JSONObject {
        var body: JSONObject = [
            "turnId": .string(turn.id.text), "sessionId": .string(turn.id.session.text),
            "number": JSON(turn.id.number), "status": .string(turn.status.rawValue),
            "input": .array(turn.input.map { JSON($0) }), "attempt": JSON(turn.attempt),
            "queuedAt": .string(turn.queuedAt.iso8601),
        ]
        if let at = turn.startedAt { body["startedAt"] = .string(at.iso8601) }
        if let at = turn.endedAt { body["endedAt"] = .string(at.iso8601) }
        return body
    }

    static func entry(_ entry: QueueEntry) -> JSON {
        switch entry {
        case .turn(let turn):
            var body = Self.turn(turn)
            body["entry"] = .string(entry.name)
            body["steered"] = false
            return .object(body)
        case .steered(let seq): return ["entry": .string(entry.name), "steered": true, "input": [JSON(seq)]]
        }
    }

    /// A turn as a worker gets it.
    static func leased(_ leased: LeasedTurn) -> JSON {
        var body = Self.turn(leased.turn)
        body["agentId"] = .string(leased.session.agentID)
        body["userId"] = .string(leased.session.userID)
        body["metadata"] = .object(leased.session.metadata)
        body["leaseToken"] = .string(leased.token)
        body["leaseExpiresAt"] = .string(leased.leaseEnd.iso8601)
        body["messages"] = .array(leased.messages.map(Self.message))
        body["history"] = .array(leased.history.compactMap { try? $0.json() })
        body["queued"] = JSON(leased.queued)
        return .object(body)
    }

    static func message(_ message: Message) -> JSON {
        var body: JSONObject = [
            "id": .string(message.id), "content": .string(message.content), "authorId": .string(message.authorID),
            "createdAt": .string(message.createdAt.iso8601), "seq": JSON(message.seq),
            "metadata": .object(message.metadata),
        ]
        if let attachments = message.attachments { body["attachments"] = attachments }
        return .object(body)
    }
}
