import SojournCore

/// What the data of each event holds, for the description at `/asyncapi.json`.
struct EventSchema {
    let type: String
    let summary: String
    /// The members of its data: name, type, and whether it is always there.
    let members: [Member]

    struct Member {
        let name: String
        let schema: JSON
        let isRequired: Bool
    }

    private init(_ type: String, _ summary: String, _ members: [Member] = []) {
        self.type = type
        self.summary = summary
        self.members = members
    }

    private static func text(_ name: String) -> Member {
        Member(name: name, schema: ["type": "string"], isRequired: true)
    }
    private static func instant(_ name: String) -> Member {
        Member(name: name, schema: ["type": "string", "format": "date-time"], isRequired: true)
    }
    private static func integer(_ name: String) -> Member {
        Member(name: name, schema: ["type": "integer"], isRequired: true)
    }
    private static func truth(_ name: String) -> Member {
        Member(name: name, schema: ["type": "boolean"], isRequired: true)
    }
    private static func word(_ name: String, _ words: [String]) -> Member {
        Member(
            name: name, schema: ["type": "string", "enum": .array(words.map { .string($0) })], isRequired: true)
    }
    private static func list(_ name: String, of element: JSON) -> Member {
        Member(name: name, schema: ["type": "array", "items": element], isRequired: true)
    }
    private static func any(_ name: String) -> Member { Member(name: name, schema: [:], isRequired: false) }
    private static func object(_ name: String) -> Member {
        Member(name: name, schema: ["type": "object"], isRequired: false)
    }
    private static func maybe(_ member: Member) -> Member {
        Member(name: member.name, schema: member.schema, isRequired: false)
    }

    private static let message = [
        text("id"), text("content"), text("authorId"), any("attachments"), object("metadata"),
    ]
    private static let connections: JSON = ["$ref": "#/components/schemas/connection"]
    private static let input = list("input", of: ["type": "integer"])

    /// All events, in the order of the description.
    static let all: [EventSchema] = session + messages + turns + ephemeral

    private static let session = [
        EventSchema(
            EventType.sessionCreated, "The first event of every log.",
            [text("agentId"), text("userId"), object("metadata"), instant("createdAt"), instant("expiresAt")]),
        EventSchema(
            EventType.sessionUpdated, "The timeouts were changed.",
            [
                instant("expiresAt"), integer("timeoutMs"), truth("autoRenew"), integer("maxDurationMs"),
                integer("warningMs"),
            ]),
        EventSchema(
            EventType.sessionRenewed, "The deadline was moved by request, or a warning was taken back.",
            [instant("expiresAt"), integer("renewalCount"), text("cause")]),
        EventSchema(
            EventType.sessionExpiring, "The one warning before the deadline.",
            [instant("expiresAt"), integer("timeRemaining"), truth("canRenew")]),
        EventSchema(
            EventType.sessionExpired, "The deadline has passed; the log is frozen.",
            [instant("expiredAt"), word("reason", ["timeout", "maxDuration"])]),
        EventSchema(EventType.sessionArchived, "It was closed early; the log is frozen.", [instant("endedAt")]),
        EventSchema(EventType.sessionEnded, "It was deleted; the log is frozen.", [instant("endedAt")]),
    ]

    private static let messages = [
        EventSchema(EventType.userMessage, "The session's user said something.", message),
        EventSchema(EventType.agentMessage, "The agent said something; the whole text.", message),
        EventSchema(EventType.systemMessage, "Neither of them said something.", message),
        EventSchema(EventType.agentToolUse, "The agent calls a tool.", [text("toolUseId"), any("input")]),
        EventSchema(
            EventType.agentToolResult, "What the tool gave back.",
            [text("toolUseId"), any("content"), maybe(truth("isError")), maybe(truth("synthetic"))]),
    ]

    private static let turns = [
        EventSchema(
            EventType.turnQueued, "A turn waits for a worker.",
            [input, maybe(integer("attempt")), maybe(text("reason"))]),
        EventSchema(EventType.turnStarted, "A worker has it.", [integer("attempt"), input]),
        EventSchema(EventType.turnWaiting, "Its worker waits for a human.", [integer("waitMs")]),
        EventSchema(EventType.turnCompleted, "It is done.", [maybe(text("messageId")), object("usage")]),
        EventSchema(
            EventType.turnFailed, "It has failed, and is not tried again.", [text("error"), integer("attempts")]),
        EventSchema(EventType.turnCancelled, "It was interrupted, or ended with its session.", [text("reason")]),
    ]

    private static let ephemeral = [
        EventSchema(
            EventType.agentMessageDelta, "A piece of a message that is being written; its `agent.message` has all.",
            [text("messageId"), integer("index"), text("text")]),
        EventSchema(
            EventType.presence, "On request: who is there at first (`present`), then who came and who left.",
            [
                maybe(list("present", of: connections)), maybe(list("joined", of: connections)),
                maybe(list("left", of: connections)), integer("count"),
            ]),
        EventSchema(
            EventType.streamReady, "Everything that was missed has been sent; what follows comes as it happens.",
            [text("cursor")]),
        EventSchema(
            EventType.streamGap, "The events from…to are not there, or not those that the client has seen.",
            [integer("from"), integer("to"), text("epoch")]),
        EventSchema(
            EventType.streamEnd,
            "The last event: reconnect elsewhere after `retry` ms, or the session or the token is over.",
            [word("reason", ["drain", "closed", ExpiryWatch.reason]), maybe(integer("retry"))]),
    ]

    /// The event as a JSON schema.
    var json: JSON {
        let isDurable = EventType.durable.contains(self.type)
        let isDelta = self.type == EventType.agentMessageDelta
        var properties: JSONObject = ["v": ["const": 1], "epoch": ["type": "string"]]
        var required: [JSON] = ["v", "epoch"]
        if isDurable || isDelta {
            properties[isDurable ? "seq" : "delta"] = ["type": "integer", "minimum": 1]
            required.append(isDurable ? "seq" : "delta")
        }
        properties["at"] = ["type": "integer", "description": "Redis time in ms"]
        properties["type"] = ["const": .string(self.type)]
        properties["sessionId"] = ["type": "string", "format": "uuid"]
        if self.type.hasPrefix("turn.") || self.type.hasPrefix("agent.") { properties["turnId"] = ["type": "string"] }
        let carriers = EventType.messages.union([EventType.sessionCreated])
        if carriers.contains(self.type) {
            properties["trace"] = ["type": "string", "description": "the traceparent of the request that wrote it"]
        }
        var data = JSONObject()
        for member in self.members { data[member.name] = member.schema }
        let always = self.members.filter(\.isRequired).map { JSON.string($0.name) }
        properties["data"] = ["type": "object", "properties": .object(data), "required": .array(always)]
        required += ["at", "type", "sessionId", "data"]
        return ["type": "object", "properties": .object(properties), "required": .array(required)]
    }
}
