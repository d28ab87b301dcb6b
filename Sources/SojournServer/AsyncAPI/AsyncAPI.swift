import SojournCore
import SojournHTTP
import SojournStore

/// The description of the live interfaces at `/asyncapi.json` (AsyncAPI 3.0), made from ``EventSchema``.
enum AsyncAPI {
    static let bytes = Self.document.bytes

    static var document: JSON {
        [
            "asyncapi": "3.0.0",
            "info": [
                "title": "Sojourn live events", "version": "1.0.0",
                "description":
                    "The events of a session, the same sequence over Server-Sent Events, WebSocket and Redis. Durable events carry `seq`, which counts from 1 without a gap; a client resumes with its last cursor `<epoch>:<seq>` on any node.",
            ],
            "defaultContentType": "application/json", "servers": Self.servers, "channels": Self.channels,
            "operations": Self.operations,
            "components": ["messages": Self.messages, "schemas": Self.schemas],
        ]
    }

    private static let servers: JSON = [
        "http": ["host": "127.0.0.1:3000", "protocol": "http"],
        "websocket": ["host": "127.0.0.1:3000", "protocol": "ws"],
        "redis": ["host": "127.0.0.1:6379", "protocol": "redis", "description": "Redis 7.0 or newer: SSUBSCRIBE"],
    ]

    private static var channels: JSON {
        let session: JSON = ["sessionId": ["description": "The session's id"]]
        return [
            "stream": [
                "address": .string(NodeServer.base + "/{sessionId}/stream"),
                "servers": [Self.reference("servers/http")],
                "parameters": session, "messages": Self.references(EventSchema.all.map(\.type)),
                "description":
                    "Server-Sent Events: `event` is the type, `data` the event, `id` the cursor. `Last-Event-ID` or `?after=` resumes; `?presence=1` adds presence events, `?client=` names the client.",
                "bindings": ["http": ["method": "GET"]],
            ],
            "socket": [
                "address": "/api/messaging/ws", "servers": [Self.reference("servers/websocket")],
                "messages": Self.references((SocketSchema.fromClient + SocketSchema.fromServer).map(\.name)),
                "description":
                    "Many sessions on one WebSocket. Close codes: 1001 drain, 1008 not allowed, 1009 frame too big, 4401 not authenticated in time, 4403 token expired, 4408 no pong, 4413 too slow.",
            ],
            "redis": [
                "address": "{namespace}:{partition}:ch:{sessionId}", "servers": [Self.reference("servers/redis")],
                "parameters": [
                    "namespace": ["default": "sj"],
                    "partition": ["description": "The hash tag of the session's partition, in braces"],
                    "sessionId": ["description": "The session's id"],
                ], "messages": Self.references(Self.published + ["doorbell"]),
                "description":
                    "A sharded channel for each session. Pub/sub promises nothing: see a jump in seq, read the log.",
            ],
        ]
    }

    /// The events that stand on the channels of Redis; the others are made for one client.
    private static var published: [String] {
        EventType.durable + [EventType.agentMessageDelta, EventType.presence]
    }

    private static var operations: JSON {
        [
            "readStream": Self.operation(
                "send", "stream", EventSchema.all.map(\.type), "A client reads a session's events."),
            "takeOperations": Self.operation(
                "receive", "socket", SocketSchema.fromClient.map(\.name), "A client asks for something on its socket."),
            "sendFrames": Self.operation(
                "send", "socket", SocketSchema.fromServer.map(\.name), "The node answers, and passes events on."),
            "publish": Self.operation(
                "send", "redis", Self.published + ["doorbell"], "A gateway subscribes to Redis by itself."),
        ]
    }

    private static func operation(_ action: String, _ channel: String, _ messages: [String], _ summary: String) -> JSON
    {
        [
            "action": .string(action), "channel": Self.reference("channels/\(channel)"), "summary": .string(summary),
            "messages": .array(messages.map { Self.reference("channels/\(channel)/messages/\($0)") }),
        ]
    }

    private static var messages: JSON {
        var messages = JSONObject()
        for event in EventSchema.all {
            messages[event.type] = [
                "name": .string(event.type), "summary": .string(event.summary),
                "payload": Self.reference("schemas/\(event.type)", in: "components"),
            ]
        }
        for frame in SocketSchema.fromClient + SocketSchema.fromServer {
            messages[frame.name] = [
                "name": .string(frame.name), "summary": .string(frame.summary), "payload": frame.json,
            ]
        }
        messages["doorbell"] = [
            "name": "doorbell", "summary": "An event of more than 8 KiB: read it from the log.",
            "payload": [
                "type": "object",
                "properties": [
                    "v": ["const": 1], "epoch": ["type": "string"], "seq": ["type": "integer"],
                    "delta": ["type": "integer"], "doorbell": ["const": true],
                ], "required": ["v", "epoch", "doorbell"],
            ],
        ]
        return .object(messages)
    }

    private static var schemas: JSON {
        var schemas = JSONObject()
        for event in EventSchema.all { schemas[event.type] = event.json }
        schemas["event"] = [
            "oneOf": .array(EventSchema.all.map { Self.reference("schemas/\($0.type)", in: "components") })
        ]
        schemas["connection"] = [
            "type": "object",
            "properties": [
                "connectionId": ["type": "string"], "client": ["type": "string"],
                "transport": ["type": "string", "enum": ["sse", "websocket"]], "node": ["type": "string"],
                "since": ["type": "integer"],
            ], "required": ["connectionId", "transport", "node", "since"],
        ]
        return .object(schemas)
    }

    private static func reference(_ path: String, in part: String? = nil) -> JSON {
        ["$ref": .string("#/" + (part.map { $0 + "/" } ?? "") + path)]
    }

    private static func references(_ names: [String]) -> JSON {
        var object = JSONObject()
        for name in names { object[name] = Self.reference("messages/\(name)", in: "components") }
        return .object(object)
    }
}

extension NodeServer {
    var descriptionRoutes: [Route] {
        [Route(.get, "/asyncapi.json") { _ throws(StoreError) in .bytes(200, AsyncAPI.bytes) }]
    }
}
