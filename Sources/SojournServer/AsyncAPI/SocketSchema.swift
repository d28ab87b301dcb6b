import SojournCore

/// The frames of the WebSocket, for the description at `/asyncapi.json`: JSON objects with `op`.
struct SocketSchema {
    let name: String
    let summary: String
    private let properties: JSONObject
    private let required: [String]

    private init(_ op: String, _ summary: String, _ properties: JSONObject = [:], required: [String] = []) {
        self.name = "op." + op
        self.summary = summary
        var all: JSONObject = ["op": ["const": .string(op)]]
        for member in properties.members { all[member.name] = member.value }
        self.properties = all
        self.required = ["op"] + required
    }

    private static let text: JSON = ["type": "string"]
    private static let number: JSON = ["type": "integer", "description": "comes back with the answer"]

    static let fromClient = [
        SocketSchema(
            "auth", "Must come first, within 5 s, where keys are set; later it brings a newer token.",
            ["id": number, "token": text],
            required: ["token"]),
        SocketSchema(
            "subscribe", "Begins to pass on a session's events, after a cursor if one is given.",
            [
                "id": number, "sessionId": text, "after": text, "presence": ["type": "boolean"], "client": text,
                "token": text,
            ], required: ["sessionId"]),
        SocketSchema("unsubscribe", "Ends that.", ["id": number, "sessionId": text], required: ["sessionId"]),
        SocketSchema(
            "heartbeat", "Says that the client is there.",
            ["id": number, "sessionId": text, "sessions": ["type": "array", "items": text, "maxItems": 1000]]),
        SocketSchema(
            "message", "Logs a message of the session's user.",
            [
                "id": number, "sessionId": text, "content": text, "attachments": [:], "metadata": ["type": "object"],
                "traceparent": text,
            ], required: ["sessionId", "content"]),
        SocketSchema("ping", "Asks for a pong.", ["id": number]),
    ]

    static let fromServer = [
        SocketSchema("ok", "What was asked for was done.", ["id": number]),
        SocketSchema(
            "error", "What was asked for was not done.",
            [
                "id": number, "error": ["type": "object", "required": ["code", "message"]],
                "retryAfter": ["type": "integer", "description": "seconds"],
            ], required: ["error"]),
        SocketSchema(
            "event", "An event, the same bytes as everywhere.", ["event": ["$ref": "#/components/schemas/event"]],
            required: ["event"]),
        SocketSchema("pong", "The answer to a ping.", ["id": number]),
    ]

    var json: JSON {
        [
            "type": "object", "properties": .object(self.properties),
            "required": .array(self.required.map { .string($0) }),
        ]
    }
}
