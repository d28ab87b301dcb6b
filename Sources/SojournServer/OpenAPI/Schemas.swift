import SojournCore

/// The bodies of the interface. A test holds each against what nodes really answer.
enum Schemas {
    static let fields: [(name: String, fields: String)] = [
        ("Error", "error ErrorDetail"),
        ("ErrorDetail", "code string, message string, timestamp instant, details? object"),
        ("Unauthorized", "error string, message string"),
        (
            "TimeoutConfig",
            "timeoutMinutes number, autoRenew boolean, maxDurationMinutes number, warningThresholdMinutes number"
        ),
        ("TimeoutWish", "timeoutMinutes? any, autoRenew? any, maxDurationMinutes? any, warningThresholdMinutes? any"),
        (
            "Created",
            """
            sessionId uuid, channelId uuid, agentId uuid, userId uuid, createdAt instant, metadata object, \
            expiresAt instant, timeoutConfig TimeoutConfig
            """
        ),
        ("Session", Self.session), ("HeartbeatSession", Self.session + ", extended boolean"),
        (
            "TimeoutSources",
            "timeoutMinutes string, autoRenew string, maxDurationMinutes string, warningThresholdMinutes string"
        ),
        ("SessionStats", "totalSessions integer, activeSessions integer, expiredSessions integer"),
        ("SessionList", "sessions [Session], total integer, stats SessionStats, nextCursor? string"),
        ("Success", "success boolean"), ("Deleted", "success boolean, message string, data Success, erasure? Erasure"),
        ("HeartbeatError", "code string, message string"),
        (
            "HeartbeatResult",
            """
            sessionId string, ok boolean, extended? boolean, expiresAt? instant, timeRemaining? integer, \
            head? integer, error? HeartbeatError
            """
        ), ("HeartbeatResults", "results [HeartbeatResult]"),
        (
            "Health",
            """
            status healthy|degraded|unhealthy, activeSessions integer, timestamp instant, expiringSoon integer, \
            uptime integer, node string, problems? [string], streams? StreamCounts
            """
        ),
        (
            "StreamCounts",
            """
            open integer, demoted integer, promoted integer, outrun integer, stalled integer, silent integer, \
            gaps integer, drained integer
            """
        ),
        ("Presence", "connections [Attachment], count integer"),
        ("Attachment", "connectionId string, client? string, transport sse|websocket, node string, since integer"),
        (
            "Erasure",
            """
            erasure string, kind string, id string, status done|waiting|running, url string, redis ErasedLive, \
            archives [ErasureShare]
            """
        ), ("ErasedLive", "sessions integer"),
        (
            "ErasureShare",
            "archivist string, status done|away|running, sessions integer, events integer, bytes integer"
        ),
        ("Found", "query string, hits [Hit], nextCursor? string, truncated? true, incomplete? [string]"),
        (
            "Hit",
            """
            sessionId uuid, seq integer, createdAt instant, agentId uuid, userId uuid, isAgent boolean, \
            archived boolean, snippet string, rank number
            """
        ), ("Alive", "status string"),
        ("Ready", "status string, reasons? [string]"),
        (
            "Message",
            """
            id string, content string, authorId uuid, isAgent boolean, createdAt instant, metadata object, \
            seq integer, attachments? [any]
            """
        ), ("MessageCursors", "before any, after any"),
        ("MessagePage", "messages [Message], hasMore boolean, cursors? MessageCursors, archived? boolean"),
        (
            "UserMessage",
            """
            id string, channel_id uuid, message_server_id uuid, author_id uuid, content string, created_at integer, \
            source_type string, raw_message object, metadata object, channelId uuid, authorId uuid, createdAt instant
            """
        ), ("SessionStatus", "expiresAt instant, renewalCount integer, wasRenewed boolean, isNearExpiration boolean"),
        ("FlatMessage", "id string, content string, authorId uuid, createdAt instant, metadata object"),
        ("AgentResponse", "text string, messageId? string"), ("Durability", "asked integer, reached integer"),
        (
            "Sent",
            """
            success boolean, userMessage UserMessage, sessionStatus SessionStatus, id string, content string, \
            authorId uuid, createdAt instant, metadata object, seq integer, turnId? string, steered? boolean, \
            data FlatMessage, agentResponse? AgentResponse, turnStatus? string, pending? boolean, \
            durability? Durability
            """
        ),
        (
            "Event",
            """
            v integer, epoch string, seq integer, at integer, type string, sessionId uuid, turnId? string, trace? string, \
            data? any
            """
        ), ("EventCursors", "before integer, after integer"),
        ("EventPage", "events [Event], hasMore boolean, head integer, epoch string, cursors? EventCursors"),
        ("DeltaCursor", "messageId string, cursor string, nextIndex integer, turnId? string, stop? boolean"),
        ("Turn", Self.turn), ("Turns", "turns [Turn]"),
        (
            "QueueEntry",
            """
            entry string, steered boolean, input [integer], turnId? string, sessionId? uuid, number? integer, \
            status? string, attempt? integer, queuedAt? instant, startedAt? instant, endedAt? instant
            """
        ), ("Queue", "queue [QueueEntry], running? Turn"), ("Cancelled", "cancelled [string], queued integer"),
        ("Interrupted", "interrupted boolean, turns [string], queued integer"),
        (
            "TurnMessage",
            """
            id string, content string, authorId uuid, createdAt instant, seq integer, metadata object, \
            attachments? [any]
            """
        ),
        (
            "LeasedTurn",
            Self.turn + """
                , agentId uuid, userId uuid, metadata object, leaseToken string, leaseExpiresAt instant, \
                messages [TurnMessage], history [any], queued integer
                """
        ), ("Claim", "turns [LeasedTurn]"),
        (
            "Extension",
            "turnId string, stop boolean, leaseExpiresAt? instant, messages? [TurnMessage], status? any"
        ), ("Reported", "turnId string, seq integer, cursor string, leaseExpiresAt instant, durability? Durability"),
        (
            "Finished",
            "turnId string, status string, queued integer, messageId? string, seq? integer, durability? Durability"
        ),
        (
            "Agent",
            """
            id uuid, name? string, timeoutConfig? TimeoutWish, ifBusy? string, aliveWhileWatched boolean, \
            archiveRetention? string, metadata object
            """
        ), ("Agents", "agents [Agent]"), ("AgentGone", "id uuid, deleted boolean"),
        (
            "Token",
            """
            token string, userId uuid, scope session|user, capabilities [read|write|heartbeat|presence], \
            expiresAt instant, renewableUntil instant, sessionId? uuid
            """
        ), ("Advanced", "advancedMs integer"),
        (
            "AsyncAPI",
            """
            asyncapi string, info object, defaultContentType string, servers object, channels object, \
            operations object, components object
            """
        ),
        ("OpenAPI", "openapi string, info object, paths object, components object"),
    ]

    private static let session = """
        sessionId uuid, channelId uuid, agentId uuid, userId uuid, createdAt instant, metadata object, \
        expiresAt instant, timeoutConfig TimeoutConfig, lastActivity instant, renewalCount integer, \
        timeRemaining integer, isNearExpiration boolean, status string, phase string, version integer, \
        conversationKey? string, ifBusy? string, ifBusySource? string, aliveWhileWatched? boolean, \
        timeoutSources? TimeoutSources, endedAt? instant, archived? boolean
        """

    private static let turn = """
        turnId string, sessionId uuid, number integer, status string, input [integer], attempt integer, \
        queuedAt instant, startedAt? instant, endedAt? instant
        """

    static let json: JSONObject = {
        var schemas = JSONObject()
        for (name, fields) in Self.fields { schemas[name] = SchemaText.object(fields) }
        return schemas
    }()
}
