import SojournCore

/// Every operation by method and path. A route that is missing here, or an entry without a route, fails a test.
extension OpenAPI {
    static let operations: [String: Operation] = Self.sessions.merging(Self.turns) { $1 }.merging(Self.others) { $1 }

    private static let base = "/api/messaging/sessions"
    private static let one = base + "/{id}"
    private static let agents = "/api/messaging/agents"
    private static let archive = "/api/messaging/archive"
    private static let turn = "/api/messaging/turns/{turn}"
    private static let once = "Idempotency-Key? string"
    private static let gone = [404, 409, 410]

    private static let sessions: [String: Operation] = [
        "POST \(base)": Operation(
            "Creates a session, or answers with the live one that holds the conversation key", headers: once,
            body: """
                agentId uuid, userId uuid, metadata? object?, timeoutConfig? any, conversationKey? string?, \
                ifBusy? any, aliveWhileWatched? boolean?
                """,
            example: [
                "agentId": "11111111-1111-4111-8111-111111111111", "userId": "22222222-2222-4222-8222-222222222222",
            ], answers: [(200, "Created"), (201, "Created")], errors: [404, 422]),
        "GET \(base)": Operation(
            "Lists live sessions, newest first",
            query: "agentId? string, userId? string, status? string, limit? any, cursor? string",
            answers: [(200, "SessionList")]),
        "GET \(one)": Operation(
            "Reads a session", query: "archived? string", answers: [(200, "Session")], errors: gone),
        "DELETE \(one)": Operation(
            "Ends a session; its transcript is archived, or with purge=1 erased", query: "purge? string",
            answers: [(200, "Deleted"), (202, "Deleted")], errors: gone),
        "POST \(one)/archive": Operation(
            "Closes a session early; it stays readable", answers: [(200, "Session")], errors: gone),
        "POST \(one)/messages": Operation(
            "Says something as the session's user", headers: once,
            body:
                """
                content string, attachments? [any]?, metadata? object?, transport? string?, mode? string?, \
                ifBusy? string?
                """,
            example: ["content": "Hello, whoever you are."],
            answers: [(201, "Sent"), (200, "text/event-stream")], errors: gone + [422]),
        "GET \(one)/messages": Operation(
            "Reads the messages, newest first",
            query: "limit? any, before? string, after? string, archived? string",
            answers: [(200, "MessagePage")], errors: gone),
        "GET \(one)/events": Operation(
            "Reads the log, by page, as it is stored",
            query: "after? string, before? string, limit? any, types? [string], archived? string",
            answers: [(200, "EventPage")], errors: gone),
        "GET \(one)/stream": Operation(
            "The log and then the live events, as Server-Sent Events",
            query: "after? string, dialect? sojourn|eliza, presence? string, client? string",
            headers: "Last-Event-ID? string",
            answers: [(200, "text/event-stream")], errors: gone),
        "GET \(one)/presence": Operation("Who is attached", answers: [(200, "Presence")], errors: gone),
        "POST \(one)/renew": Operation(
            "Moves the deadline", answers: [(200, "Session")], errors: gone + [422]),
        "PATCH \(one)/timeout": Operation(
            "Changes the timeouts",
            body: "timeoutMinutes? any, autoRenew? any, maxDurationMinutes? any, warningThresholdMinutes? any",
            example: ["timeoutMinutes": 45], answers: [(200, "Session")], errors: gone),
        "POST \(one)/heartbeat": Operation(
            "Says that a client is there", answers: [(200, "HeartbeatSession")], errors: gone),
        "POST \(base)/heartbeat": Operation(
            "Says it of up to 1,000 sessions", body: "sessions [string]",
            example: ["sessions": ["0193c0de-0000-8000-8000-000000000000"]], answers: [(200, "HeartbeatResults")]),
        "POST \(one)/deltas": Operation(
            "Publishes a piece of a message that is being written",
            body: "messageId string, turnId? string?, text? string, index? integer?, deltas? [any]",
            example: ["messageId": "m1", "index": 0, "text": "Hel"], answers: [(200, "DeltaCursor")],
            errors: gone + [422]),
        "GET \(base)/health": Operation(
            "The state of the node", answers: [(200, "Health"), (503, "Health")]),
        "POST \(one)/tokens": Operation(
            "Gives a session token",
            body: "capabilities? [read|write|heartbeat|presence]?, ttl? integer?, scope? session|user?",
            example: ["capabilities": ["read", "write"], "ttl": 3600], answers: [(201, "Token")], errors: gone),
        "POST \(one)/tokens/refresh": Operation(
            "Gives a new token for the one that asks; streams of the old one go on", body: "ttl? integer?",
            answers: [(201, "Token")], errors: gone),
    ]

    private static let lease = "leaseToken string"

    private static let turns: [String: Operation] = [
        "GET \(one)/turns": Operation("The session's turns", answers: [(200, "Turns")], errors: gone),
        "GET \(one)/turns/{turn}": Operation("One turn", answers: [(200, "Turn")], errors: gone),
        "GET \(one)/queue": Operation("What waits, and what runs", answers: [(200, "Queue")], errors: gone),
        "DELETE \(one)/queue/{entry}": Operation(
            "Cancels what waits", answers: [(200, "Cancelled")], errors: gone),
        "POST \(one)/interrupt": Operation(
            "Stops the running turn", body: "queue? string?", answers: [(200, "Interrupted")], errors: gone),
        "POST \(agents)/{id}/turns/claim": Operation(
            "Gives a worker turns to do", query: "wait? string, max? any, lease? string", body: "leaseMs? integer?",
            answers: [(200, "Claim")], errors: [404]),
        "POST \(turn)/extend": Operation(
            "Keeps the lease", query: "lease? string, wait? string", headers: "X-Lease-Token? string",
            body: "leaseToken? string, leaseMs? integer?, waitMs? integer?", answers: [(200, "Extension")], errors: gone
        ),
        "POST \(turn)/events": Operation(
            "Reports tool calls, their results and messages", headers: "X-Lease-Token? string, \(once)",
            body: "leaseToken? string, events [object]", answers: [(201, "Reported")], errors: gone + [422]),
        "POST \(turn)/deltas": Operation(
            "Publishes a piece of the message that the turn is writing", headers: "X-Lease-Token? string",
            body: "leaseToken? string, messageId string, text? string, index? integer?, deltas? [any]",
            answers: [(200, "DeltaCursor")], errors: gone + [422]),
        "POST \(turn)/complete": Operation(
            "Ends the turn well", headers: "X-Lease-Token? string, \(once)",
            body: "leaseToken? string, message? any, usage? any", answers: [(200, "Finished")], errors: gone + [422]),
        "POST \(turn)/fail": Operation(
            "Ends the turn badly", headers: "X-Lease-Token? string, \(once)",
            body: "leaseToken? string, error string, retryable? any", answers: [(200, "Finished")],
            errors: gone + [422]),
        "POST \(turn)/return": Operation(
            "Gives the turn back, for another worker", headers: "X-Lease-Token? string", body: "leaseToken? string",
            answers: [(200, "Finished")], errors: gone + [422]),
    ]

    private static let others: [String: Operation] = [
        "GET \(agents)": Operation("The registered agents", answers: [(200, "Agents")]),
        "GET \(agents)/{id}": Operation("One agent", answers: [(200, "Agent")], errors: [404]),
        "PUT \(agents)/{id}": Operation(
            "Registers an agent",
            body: """
                name? string?, timeoutConfig? object?, ifBusy? string?, aliveWhileWatched? boolean?, \
                archiveRetention? string?, metadata? object?
                """,
            example: ["name": "Ada"], answers: [(200, "Agent")]),
        "DELETE \(agents)/{id}": Operation("Forgets an agent", answers: [(200, "AgentGone")], errors: [404]),
        "GET /api/messaging/search": Operation(
            "Finds messages in all archives",
            query: """
                q string, agentId? string, userId? string, from? string, to? string, order? rank|time, limit? any, \
                cursor? string
                """, answers: [(200, "Found")]),
        "DELETE \(archive)/users/{user}": Operation(
            "Erases all sessions that a user has had until now", answers: [(200, "Erasure"), (202, "Erasure")]),
        "GET \(archive)/erasures/{number}": Operation(
            "How far an erasure is", answers: [(200, "Erasure")], errors: [404]),
        "GET /api/messaging/ws": Operation(
            "Many sessions over one WebSocket; see /asyncapi.json", query: "client? string", answers: [(101, "")],
            errors: [403, 426, 429]),
        "GET /asyncapi.json": Operation("The description of the live interfaces", answers: [(200, "AsyncAPI")]),
        "GET /test/echo": Operation(
            "A WebSocket that gives back what it gets, on a node with the test clock", answers: [(101, "")],
            errors: [403, 426]),
        "GET /metrics": Operation("Figures for Prometheus", answers: [(200, "text/plain")], errors: [401, 403]),
        "GET /readyz": Operation(
            "Whether requests should be sent here", answers: [(200, "Ready"), (503, "Ready")]),
        "GET /livez": Operation("Answers while the process runs", answers: [(200, "Alive")]),
        "GET /openapi.json": Operation("This description", answers: [(200, "OpenAPI")]),
        "POST /test/clock": Operation(
            "Moves time, on a node with the test clock", body: "advanceMs integer", example: ["advanceMs": 60_000],
            answers: [(200, "Advanced")]),
    ]
}
