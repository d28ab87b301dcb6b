import SojournCore
import SojournStore

/// Messages as the Sessions API writes them.
enum MessageBody {
    private static let nilUUID = "00000000-0000-0000-0000-000000000000"

    /// The answer to a sent message: one body that three generations of the published client can read.
    /// `more` is what one transport adds to it.
    static func write(
        _ message: SentMessage, _ draft: MessageDraft, in session: Session, to body: inout JSONWriter,
        adding more: (inout JSONWriter) -> Void = { _ in }
    ) {
        let metadata = JSON.object(Self.metadata(of: session, own: draft.metadata))
        let channel = session.id.channelID
        var content: [UInt8] = []
        JSON.write(draft.content, to: &content)
        func flat(_ body: inout JSONWriter) {
            body.member("id", message.id)
            body.member("content", json: content)
            body.member("authorId", draft.authorID)
            body.member("createdAt", message.createdAt)
            body.member("metadata", metadata)
        }
        body.open()
        body.member("success", true)
        body.name("userMessage")
        body.open()
        body.member("id", message.id)
        body.member("channel_id", channel)
        body.member("message_server_id", Self.nilUUID)
        body.member("author_id", draft.authorID)
        body.member("content", json: content)
        body.member("created_at", message.createdAt.milliseconds)
        body.member("source_type", "user")
        body.name("raw_message")
        body.open()
        body.member("content", json: content)
        if let attachments = draft.attachments { body.member("attachments", attachments) }
        body.close()
        body.member("metadata", metadata)
        body.member("channelId", channel)
        body.member("authorId", draft.authorID)
        body.member("createdAt", message.createdAt)
        body.close()
        body.name("sessionStatus")
        body.open()
        body.member("expiresAt", message.expiresAt)
        body.member("renewalCount", Int64(message.renewalCount))
        body.member("wasRenewed", message.wasRenewed)
        body.member("isNearExpiration", message.isNearExpiration)
        body.close()
        flat(&body)
        body.member("seq", Int64(message.cursor.seq))
        if let turn = message.turnID { body.member("turnId", turn) }
        if message.isSteered { body.member("steered", true) }
        if let durability = message.durability { body.member("durability", Self.durability(durability)) }
        body.name("data")
        body.open()
        flat(&body)
        body.close()
        more(&body)
        body.close()
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
