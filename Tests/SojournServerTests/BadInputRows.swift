private let v = "VALIDATION_ERROR"
private let notFound = "SESSION_NOT_FOUND"
private let gone = "SESSION_EXPIRED"
private let missing = "Missing required fields: agentId, userId"
private let shape = "Invalid content: Invalid message request format"
private let words = "Must be one of: http, sse, websocket, sync, stream"
private let format = "Invalid timeout configuration: Invalid timeout configuration format"
private let bounds = "Invalid timeout configuration: Timeout must be between 5 and 1440 minutes"
private let unknown = "Session with ID '{unknown}' not found"
private let ended = "Session with ID '{ended}' not found"
private let expired = "Session '{expired}' expired at {at}"
private let create = #""agentId":"{agent}","userId":"{user}""#
private let statuses = "Must be one of: idle, running, waiting, expired, ended, archived"

extension BadInput {
    static let all = creates + sessions + messages + timeouts + heartbeats + pages + streams + turns + clocks + routes

    static let creates: [BadInput] = [
        BadInput("POST", "", nil, 400, v, missing),
        BadInput("POST", "", "", 400, v, missing),
        BadInput("POST", "", "{}", 400, v, missing),
        BadInput("POST", "", "null", 400, v, missing),
        BadInput("POST", "", "[]", 400, v, missing),
        BadInput("POST", "", #""text""#, 400, v, missing),
        BadInput("POST", "", #"{"agentId":"{agent}"}"#, 400, v, missing),
        BadInput("POST", "", #"{"userId":"{user}"}"#, 400, v, missing),
        BadInput("POST", "", #"{"agentId":"","userId":"{user}"}"#, 400, v, missing),
        BadInput("POST", "", #"{"agentId":null,"userId":"{user}"}"#, 400, v, missing),
        BadInput("POST", "", #"{"agentId":"x","userId":"{user}"}"#, 400, v, "Invalid UUID format for field 'agentId'"),
        BadInput("POST", "", #"{"agentId":"{agent}","userId":"x"}"#, 400, v, "Invalid UUID format for field 'userId'"),
        BadInput("POST", "", #"{"agentId":"x","userId":"x"}"#, 400, v, "Invalid UUID format for field 'agentId'"),
        BadInput("POST", "", #"{"agentId":7,"userId":"{user}"}"#, 400, v, "Invalid UUID format for field 'agentId'"),
        BadInput(
            "POST", "", #"{"agentId":["{agent}"],"userId":"{user}"}"#, 400, v, "Invalid UUID format for field 'agentId'"
        ),
        BadInput("POST", "", #"{"agentId":"{agent}","userId":true}"#, 400, v, "Invalid UUID format for field 'userId'"),
        BadInput("POST", "", #"{\#(create),"metadata":[]}"#, 400, v, "Invalid metadata: Metadata must be an object"),
        BadInput("POST", "", #"{\#(create),"metadata":"x"}"#, 400, v, "Invalid metadata: Metadata must be an object"),
        BadInput(
            "POST", "", #"{\#(create),"metadata":{"a":"{10241}"}}"#, 400, v,
            "Invalid metadata: Metadata exceeds maximum size of 10240 bytes"),
        BadInput(
            "POST", "", #"{\#(create),"conversationKey":7}"#, 400, v,
            "Invalid conversationKey: Must be a string of 1 to 512 characters"),
        BadInput(
            "POST", "", #"{\#(create),"conversationKey":""}"#, 400, v,
            "Invalid conversationKey: Must be a string of 1 to 512 characters"),
        BadInput(
            "POST", "", #"{\#(create),"conversationKey":"{4000}"}"#, 400, v,
            "Invalid conversationKey: Must be a string of 1 to 512 characters"),
        BadInput("POST", "", "{", 400, v, "Invalid JSON in request body: a member name was expected at byte 1"),
        BadInput(
            "POST", "", #"{\#(create)} x"#, 400, v,
            "Invalid JSON in request body: unexpected text after the JSON value at byte 99"),
        BadInput("POST", "", "{deep}", 400, v, "Invalid JSON in request body: nested deeper than 128 at byte 128"),
    ]

    static let sessions: [BadInput] = [
        BadInput("GET", "/{unknown}", nil, 404, notFound, unknown),
        BadInput("GET", "/{UNKNOWN}", nil, 404, notFound, unknown),
        BadInput("GET", "/{ended}", nil, 404, notFound, ended),
        BadInput("GET", "/{expired}", nil, 410, gone, expired),
        BadInput("GET", "/{v4}", nil, 404, notFound, "Session with ID '{v4}' not found"),
        BadInput("GET", "/{partition}", nil, 404, notFound, "Session with ID '{partition}' not found"),
        BadInput("GET", "/nonsense", nil, 404, notFound, "Session with ID 'nonsense' not found"),
        BadInput("GET", "/{unknown}?archived=1", nil, 404, notFound, unknown),
        BadInput("DELETE", "/{unknown}", nil, 404, notFound, unknown),
        BadInput("DELETE", "/{ended}", nil, 404, notFound, ended),
        BadInput("DELETE", "/{expired}", nil, 410, gone, expired),
        BadInput(
            "DELETE", "/{live}", "{", 400, v, "Invalid JSON in request body: a member name was expected at byte 1"),
        BadInput("HEAD", "/{unknown}", nil, 404, notFound, unknown),
    ]

    static let messages: [BadInput] = {
        let path = "/{live}/messages"
        var rows = [
            BadInput("POST", path, nil, 400, v, shape),
            BadInput("POST", path, "", 400, v, shape),
            BadInput("POST", path, "{}", 400, v, shape),
            BadInput("POST", path, "[]", 400, v, shape),
            BadInput("POST", path, "null", 400, v, shape),
            BadInput("POST", path, #"{"content":7}"#, 400, v, shape),
            BadInput("POST", path, #"{"content":null}"#, 400, v, shape),
            BadInput("POST", path, #"{"content":["a"]}"#, 400, v, shape),
            BadInput("POST", path, #"{"content":"a","attachments":"x"}"#, 400, v, shape),
            BadInput("POST", path, #"{"content":"a","attachments":{}}"#, 400, v, shape),
            BadInput("POST", path, #"{"content":""}"#, 400, v, "Invalid content: Content cannot be empty"),
            BadInput("POST", path, #"{"content":" \n\t "}"#, 400, v, "Invalid content: Content cannot be empty"),
            BadInput(
                "POST", path, #"{"content":"{4001}"}"#, 400, v,
                "Invalid content: Content exceeds maximum length of 4000 characters"),
            BadInput(
                "POST", path, #"{"content":"{2001 emoji}"}"#, 400, v,
                "Invalid content: Content exceeds maximum length of 4000 characters"),
            BadInput(
                "POST", path, #"{"content":"a","metadata":7}"#, 400, v, "Invalid metadata: Metadata must be an object"),
            BadInput(
                "POST", path, #"{"content":"a","metadata":{"a":"{10241}"}}"#, 400, v,
                "Invalid metadata: Metadata exceeds maximum size of 10240 bytes"),
            BadInput(
                "POST", path, #"{"content":"a","transport":"pigeon"}"#, 400, v,
                #"Invalid content: Invalid transport "pigeon". \#(words)"#),
            BadInput(
                "POST", path, #"{"content":"a","transport":""}"#, 400, v,
                #"Invalid content: Invalid transport "". \#(words)"#),
            BadInput(
                "POST", path, #"{"content":"a","transport":"HTTP"}"#, 400, v,
                #"Invalid content: Invalid transport "HTTP". \#(words)"#),
            BadInput(
                "POST", path, #"{"content":"a","transport":{}}"#, 400, v,
                #"Invalid content: Invalid transport type "object". Transport must be a string."#),
            BadInput(
                "POST", path, #"{"content":"a","transport":7}"#, 400, v,
                #"Invalid content: Invalid transport type "number". Transport must be a string."#),
            BadInput(
                "POST", path, #"{"content":"a","transport":true}"#, 400, v,
                #"Invalid content: Invalid transport type "boolean". Transport must be a string."#),
            BadInput(
                "POST", path, #"{"content":"a","mode":"pigeon"}"#, 400, v,
                #"Invalid content: Invalid transport "pigeon". \#(words)"#),
            BadInput(
                "POST", path, #"{"content":"a","mode":[]}"#, 400, v,
                #"Invalid content: Invalid transport type "object". Transport must be a string."#),
            BadInput(
                "POST", path, #"{"content":"a","transport":null,"mode":7}"#, 400, v,
                #"Invalid content: Invalid transport type "number". Transport must be a string."#),
            BadInput(
                "POST", path, #"{"content":"a""#, 400, v,
                "Invalid JSON in request body: ',' or '}' was expected at byte 14"),
        ]
        // The order of the checks: transport, shape, 404, 410, length, metadata.
        let bad = #""content":"{4001}","metadata":7"#
        rows += [
            BadInput(
                "POST", "/{unknown}/messages", #"{"transport":"pigeon"}"#, 400, v,
                #"Invalid content: Invalid transport "pigeon". \#(words)"#),
            BadInput("POST", "/{unknown}/messages", "{}", 400, v, shape),
            BadInput("POST", "/{unknown}/messages", "{\(bad)}", 404, notFound, unknown),
            BadInput("POST", "/{ended}/messages", "{\(bad)}", 404, notFound, ended),
            BadInput(
                "POST", "/{expired}/messages", #"{"transport":"pigeon"}"#, 400, v,
                #"Invalid content: Invalid transport "pigeon". \#(words)"#),
            BadInput("POST", "/{expired}/messages", "{\(bad)}", 410, gone, expired),
            BadInput("POST", "/{v4}/messages", "{\(bad)}", 404, notFound, "Session with ID '{v4}' not found"),
            BadInput(
                "POST", "/{live}/messages", "{\(bad)}", 400, v,
                "Invalid content: Content exceeds maximum length of 4000 characters"),
            BadInput(
                "POST", "/{LIVE}/messages", #"{"content":""}"#, 400, v, "Invalid content: Content cannot be empty"),
        ]
        return rows
    }()

    static let timeouts: [BadInput] = {
        let path = "/{live}/timeout"
        let wrongTypes = ["null", "true", "[]", "{}"]
        var rows: [BadInput] = []
        for name in ["timeoutMinutes", "maxDurationMinutes", "warningThresholdMinutes"] {
            rows += wrongTypes.map { BadInput("PATCH", path, #"{"\#(name)":\#($0)}"#, 400, v, format) }
        }
        for value in ["null", "1", #""true""#, "[]"] {
            rows.append(BadInput("PATCH", path, #"{"autoRenew":\#(value)}"#, 400, v, format))
        }
        for value in ["0", "4.99", "-5", "1440.01", "1e300", #""4""#, #"" 1441 ""#] {
            rows.append(BadInput("PATCH", path, #"{"timeoutMinutes":\#(value)}"#, 400, v, bounds))
        }
        return rows + [
            BadInput("PATCH", path, nil, 400, v, format),
            BadInput("PATCH", path, "", 400, v, format),
            BadInput("PATCH", path, "null", 400, v, format),
            BadInput("PATCH", path, "[]", 400, v, format),
            BadInput("PATCH", path, "{", 400, v, "Invalid JSON in request body: a member name was expected at byte 1"),
            BadInput(
                "PATCH", "/{aged}/timeout", #"{"timeoutMinutes":5}"#, 400, v,
                "Invalid timeout configuration: The new deadline would lie in the past"),
            BadInput("PATCH", "/{unknown}/timeout", #"{"timeoutMinutes":0}"#, 404, notFound, unknown),
            BadInput("PATCH", "/{unknown}/timeout", "{}", 404, notFound, unknown),
            BadInput("PATCH", "/{ended}/timeout", "{}", 404, notFound, ended),
            BadInput("PATCH", "/{expired}/timeout", #"{"timeoutMinutes":0}"#, 410, gone, expired),
            BadInput("PATCH", "/{expired}/timeout", #"{"timeoutMinutes":60}"#, 410, gone, expired),
        ]
    }()

    static let heartbeats: [BadInput] = {
        let count = "Invalid sessions: Must be an array of 1 to 1000 ids"
        var rows = [
            nil, "", "{}", "[]", #"{"sessions":{}}"#, #"{"sessions":[]}"#, #"{"sessions":"{live}"}"#,
            #"{"sessions":[{1001 ids}]}"#,
        ]
        .map { BadInput("POST", "/heartbeat", $0, 400, v, count) }
        rows += [
            BadInput(
                "POST", "/heartbeat", #"{"sessions":["{live}",7]}"#, 400, v,
                "Invalid sessions: Must be an array of session ids"),
            BadInput(
                "POST", "/heartbeat", #"{"sessions":[null]}"#, 400, v,
                "Invalid sessions: Must be an array of session ids"),
            BadInput(
                "POST", "/heartbeat", "{", 400, v, "Invalid JSON in request body: a member name was expected at byte 1"),
        ]
        for action in ["renew", "heartbeat"] {
            rows += [
                BadInput("POST", "/{unknown}/\(action)", nil, 404, notFound, unknown),
                BadInput("POST", "/{ended}/\(action)", "", 404, notFound, ended),
                BadInput("POST", "/{expired}/\(action)", "{}", 410, gone, expired),
                BadInput("POST", "/{v4}/\(action)", nil, 404, notFound, "Session with ID '{v4}' not found"),
                BadInput(
                    "POST", "/{live}/\(action)", "{", 400, v,
                    "Invalid JSON in request body: a member name was expected at byte 1"),
            ]
        }
        rows.append(
            BadInput(
                "POST", "/{capped}/renew", nil, 422, "SESSION_RENEWAL_FAILED",
                "Cannot renew session '{capped}': Maximum duration reached"))
        return rows
    }()

    static let pages: [BadInput] = {
        var rows: [BadInput] = []
        for name in ["before", "after"] {
            for garbage in [
                "x", "seq:", "seq:x", "seq:-1", "1.5", "1e3", "2026-13-01T00:00:00Z", "99999999999999999999",
            ] {
                rows.append(
                    BadInput(
                        "GET", "/{live}/messages?\(name)=\(garbage)", nil, 400, v,
                        "Invalid pagination parameter '\(name)': Must be a valid timestamp"))
            }
            for garbage in ["x", "-1", "1.5"] {
                rows.append(
                    BadInput(
                        "GET", "/{live}/events?\(name)=\(garbage)", nil, 400, v,
                        "Invalid pagination parameter '\(name)': Must be a seq or a cursor"))
            }
        }
        for read in ["messages", "events"] {
            rows += [
                BadInput("GET", "/{unknown}/\(read)?before=x", nil, 404, notFound, unknown),
                BadInput("GET", "/{ended}/\(read)", nil, 404, notFound, ended),
                BadInput("GET", "/{expired}/\(read)?after=x", nil, 410, gone, expired),
                BadInput("GET", "/{unknown}/\(read)?archived=1", nil, 404, notFound, unknown),
            ]
        }
        for garbage in ["!", "abc", "MTIz", "eA", "//8"] {
            rows.append(
                BadInput(
                    "GET", "?cursor=\(garbage)", nil, 400, v,
                    "Invalid pagination parameter 'cursor': Must be a cursor of this list"))
        }
        return rows + [
            BadInput("GET", "?status=dead", nil, 400, v, "Invalid status 'dead': \(statuses)"),
            BadInput("GET", "?agentId=x", nil, 400, v, "Invalid UUID format for field 'agentId'"),
            BadInput("GET", "?userId=x", nil, 400, v, "Invalid UUID format for field 'userId'"),
        ]
    }()

    static let streams: [BadInput] = {
        let cursor = "Invalid pagination parameter 'after': Must be a cursor such as 1a2b3c4d.1:12, or 0"
        var rows = ["x", "-1", "1:2:3", "UPPER:3", "a:", ":3", "a:1.x"].flatMap {
            [
                BadInput("GET", "/{live}/stream?after=\($0)", nil, 400, v, cursor),
                BadInput("GET", "/{live}/stream", nil, 400, v, cursor, headers: ["Last-Event-ID": $0]),
            ]
        }
        rows += [
            BadInput(
                "GET", "/{live}/stream?dialect=klingon", nil, 400, v,
                "Invalid dialect 'klingon': Must be one of: sojourn, eliza"),
            BadInput("GET", "/{unknown}/stream", nil, 404, notFound, unknown),
            BadInput("GET", "/{ended}/stream", nil, 404, notFound, ended),
            BadInput("GET", "/{expired}/stream?after=x", nil, 410, gone, expired),
            BadInput("GET", "/{v4}/stream", nil, 404, notFound, "Session with ID '{v4}' not found"),
        ]
        return rows
    }()

    static let turns: [BadInput] = {
        let id = "Invalid messageId: Must be 1 to 64 letters, digits, '-', '.', '_' or ':'"
        let syntax = "Invalid JSON in request body: a member name was expected at byte 1"
        var rows = [
            BadInput("POST", "/{live}/deltas", nil, 400, v, id),
            BadInput("POST", "/{live}/deltas", "", 400, v, id),
            BadInput("POST", "/{live}/deltas", #"{"messageId":7,"text":"a"}"#, 400, v, id),
            BadInput("POST", "/{live}/deltas", #"{"messageId":"a b","text":"a"}"#, 400, v, id),
            BadInput("POST", "/{live}/deltas", "{", 400, v, syntax),
            BadInput(
                "POST", "/{live}/deltas", #"{"messageId":"m"}"#, 400, v,
                "Invalid text: Must be a string of at most 65536 characters"),
            BadInput(
                "POST", "/{live}/deltas", #"{"messageId":"m","text":"a","index":-1}"#, 400, v,
                "Invalid index: Must be a whole number from 0"),
            BadInput(
                "POST", "/{live}/deltas", #"{"messageId":"m","deltas":[]}"#, 400, v,
                "Invalid deltas: Must be an array of 1 to 1000 pieces"),
            BadInput("POST", "/{live}/interrupt", "{", 400, v, syntax),
            BadInput(
                "POST", "/{live}/interrupt", #"{"queue":"drop"}"#, 400, v, "Invalid queue: Must be one of: keep, clear"),
            BadInput("GET", "/{live}/turns/7", nil, 404, "NOT_FOUND", "Turn '7' not found"),
            BadInput("GET", "/{live}/turns/x", nil, 404, "NOT_FOUND", "Turn 'x' not found"),
            BadInput("DELETE", "/{live}/queue/7", nil, 404, "NOT_FOUND", "Turn '7' not found"),
            BadInput("DELETE", "/{live}/queue/x", nil, 404, "NOT_FOUND", "Turn 'x' not found"),
        ]
        let requests: [(String, String, String?)] = [
            ("GET", "turns", nil), ("GET", "turns/1", nil), ("GET", "queue", nil), ("DELETE", "queue/1", nil),
            ("POST", "interrupt", ""), ("POST", "deltas", #"{"messageId":"m","text":"a"}"#), ("POST", "archive", ""),
            ("POST", "tokens", "{}"),
        ]
        for (method, path, body) in requests {
            rows += [
                BadInput(method, "/{unknown}/\(path)", body, 404, notFound, unknown),
                BadInput(method, "/{ended}/\(path)", body, 404, notFound, ended),
                BadInput(method, "/{expired}/\(path)", body, 410, gone, expired),
                BadInput(
                    "PATCH", "/{live}/\(path)", "{}", 405, "METHOD_NOT_ALLOWED",
                    "Method PATCH is not allowed for \(TestNode.base)/{live}/\(path)"),
            ]
        }
        return rows
    }()

    /// Paths are counted from the base of the sessions, so these go up.
    static let clocks: [BadInput] = [nil, "", "{}", #"{"advanceMs":"1"}"#, #"{"advanceMs":1.5}"#].map {
        BadInput("POST", "^/test/clock", $0, 400, v, "Invalid advanceMs: Must be a whole number of milliseconds")
    }

    static let routes: [BadInput] = {
        let base = TestNode.base
        return [
            BadInput("GET", "/{live}/nothing", nil, 404, "NOT_FOUND", "No route for GET \(base)/{live}/nothing"),
            BadInput("GET", "/{live}/messages/1", nil, 404, "NOT_FOUND", "No route for GET \(base)/{live}/messages/1"),
            BadInput("GET", "//{live}", nil, 404, "NOT_FOUND", "No route for GET \(base)//{live}"),
            BadInput("PUT", "/{live}", "{}", 405, "METHOD_NOT_ALLOWED", "Method PUT is not allowed for \(base)/{live}"),
            BadInput(
                "POST", "/{live}", "{}", 405, "METHOD_NOT_ALLOWED", "Method POST is not allowed for \(base)/{live}"),
            BadInput("PATCH", "", "{}", 405, "METHOD_NOT_ALLOWED", "Method PATCH is not allowed for \(base)"),
            BadInput(
                "OPTIONS", "/{live}/messages", nil, 405, "METHOD_NOT_ALLOWED",
                "Method OPTIONS is not allowed for \(base)/{live}/messages"),
            BadInput(
                "GET", "/{live}/renew", nil, 405, "METHOD_NOT_ALLOWED",
                "Method GET is not allowed for \(base)/{live}/renew"),
            BadInput(
                "POST", "/{live}/timeout", "{}", 405, "METHOD_NOT_ALLOWED",
                "Method POST is not allowed for \(base)/{live}/timeout"),
            BadInput(
                "GET", "/{live}/heartbeat", nil, 405, "METHOD_NOT_ALLOWED",
                "Method GET is not allowed for \(base)/{live}/heartbeat"),
            BadInput(
                "DELETE", "/{live}/messages", nil, 405, "METHOD_NOT_ALLOWED",
                "Method DELETE is not allowed for \(base)/{live}/messages"),
            BadInput(
                "POST", "/{live}/events", "{}", 405, "METHOD_NOT_ALLOWED",
                "Method POST is not allowed for \(base)/{live}/events"),
            BadInput(
                "POST", "/{live}/stream", "{}", 405, "METHOD_NOT_ALLOWED",
                "Method POST is not allowed for \(base)/{live}/stream"),
            BadInput(
                "GET", "^/test/clock", nil, 405, "METHOD_NOT_ALLOWED", "Method GET is not allowed for /test/clock"),
            // These names are routes of their own, not sessions.
            BadInput(
                "DELETE", "/health", nil, 405, "METHOD_NOT_ALLOWED", "Method DELETE is not allowed for \(base)/health"),
            BadInput(
                "GET", "/heartbeat", nil, 405, "METHOD_NOT_ALLOWED", "Method GET is not allowed for \(base)/heartbeat"),
            BadInput("HEAD", "/heartbeat", nil, 405, "METHOD_NOT_ALLOWED", ""),
        ]
    }()
}
