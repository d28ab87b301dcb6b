import SojournCore
import SojournStore

/// Messages as the Sessions API writes them.
enum MessageBody {
    private static let nilUUID = "00000000-0000-0000-0000-000000000000"

    /// The answer to a sent message: one body that three generations of the published client can read.
    static func sent(_ message: SentMessage, _ draft: MessageDraft, in session: Session) -> JSONObject {
        let metadata = Self.metadata(of: session, own: draft.metadata)
        var raw: JSONObject = ["content": .string(draft.content)]
        if let attachments = draft.attachments { raw["attachments"] = attachments }
        let user: JSONObject = [
            "id": .string(message.id), "channel_id": .string(session.id.channelID),
            "message_server_id": .string(Self.nilUUID), "author_id": .string(draft.authorID),
            "content": .string(draft.content), "created_at": JSON(message.createdAt.milliseconds),
            "source_type": "user", "raw_message": .object(raw), "metadata": .object(metadata),
            "channelId": .string(session.id.channelID), "authorId": .string(draft.authorID),
            "createdAt": .string(message.createdAt.iso8601),
        ]
        let flat: JSONObject = [
            "id": .string(message.id), "content": .string(draft.content), "authorId": .string(draft.authorID),
            "createdAt": .string(message.createdAt.iso8601), "metadata": .object(metadata),
        ]
        var body: JSONObject = ["success": true, "userMessage": .object(user)]
        body["sessionStatus"] = [
            "expiresAt": .string(message.expiresAt.iso8601), "renewalCount": JSON(message.renewalCount),
            "wasRenewed": .bool(message.wasRenewed), "isNearExpiration": .bool(message.isNearExpiration),
        ]
        body = body.merging(flat)
        body["seq"] = JSON(message.cursor.seq)
        if let turn = message.turnID { body["turnId"] = .string(turn) }
        if message.isSteered { body["steered"] = true }
        if let durability = message.durability { body["durability"] = Self.durability(durability) }
        body["data"] = .object(flat)
        return body
    }

    /// How many replicas were to have a message, and how many have it.
    static func durability(_ durability: Durability) -> JSON {
        ["asked": JSON(durability.asked), "reached": JSON(durability.reached)]
    }

    /// One message of a history.
    static func history(_ message: Message, in session: Session) -> JSON {
        var body: JSONObject = [
            "id": .string(message.id), "content": .string(message.content), "authorId": .string(message.authorID),
            "isAgent": .bool(message.isAgent), "createdAt": .string(message.createdAt.iso8601),
            "metadata": .object(Self.metadata(of: session, own: message.metadata)), "seq": JSON(message.seq),
        ]
        if let attachments = message.attachments { body["attachments"] = attachments }
        return .object(body)
    }

    /// Session metadata, then the message's own, then the server's values.
    private static func metadata(of session: Session, own: JSONObject?) -> JSONObject {
        var merged = session.metadata.merging(own ?? JSONObject())
        merged["sessionId"] = .string(session.id.text)
        return merged
    }
}
