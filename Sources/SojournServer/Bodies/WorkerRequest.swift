import SojournCore
import SojournHTTP
import SojournStore

/// What every request of a worker about its turn carries: the turn, and the token of its lease.
struct WorkerRequest {
    /// The longest content of what an agent writes, in bytes.
    static let contentBytes = 256 * 1024

    let turn: TurnID
    let token: String
    let body: JSONObject
    let idempotency: Idempotency?
    private let trace: TraceParent?

    init(_ context: RouteContext) throws(StoreError) {
        guard let turn = TurnID(context.captures[0]) else { throw NodeServer.turnNotFound(context.captures[0]) }
        self.body = try context.body()?.object ?? JSONObject()
        guard let token = context.exchange.header("X-Lease-Token") ?? self.body["leaseToken"]?.string,
            (1...64).contains(token.utf8.count), token.utf8.allSatisfy({ Self.isPlain($0) })
        else { throw .validation("Missing required field: leaseToken", field: "leaseToken") }
        self.turn = turn
        self.token = token
        self.trace = context.trace
        let named = self.body["metadata"] ?? self.body["message"]?["metadata"]
        self.idempotency = try Idempotency(context, clientKey: named?["clientMessageId"])
    }

    /// The length of the lease that a worker wants: 1 second to 10 minutes, in `lease` or `leaseMs`; 30 s else.
    static func lease(_ query: String?, _ body: JSONObject?) throws(StoreError) -> Int64 {
        let range = 1000...600_000
        if let milliseconds = try Self.duration(query, "lease", range) { return Int64(milliseconds) }
        guard let value = body?["leaseMs"], value != .null else { return 30_000 }
        guard let milliseconds = value.int, range.contains(milliseconds) else {
            throw .validation("Invalid leaseMs: Must be 1000 to 600000", field: "leaseMs")
        }
        return Int64(milliseconds)
    }

    static func lease(_ query: String?, _ body: JSON?) throws(StoreError) -> Int64 {
        try Self.lease(query, body?.object)
    }

    /// `20s`, `500ms`, `1m`, or a number of seconds; clamped to the range, in milliseconds. Nil when absent.
    static func duration(_ text: String?, _ name: String, _ range: ClosedRange<Int>) throws(StoreError) -> Int? {
        guard let text, !text.isEmpty else { return nil }
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let units = ["": 1000.0, "s": 1000, "ms": 1, "m": 60_000]
        guard let number = Double(digits), let unit = units[String(text.dropFirst(digits.count))] else {
            throw .validation("Invalid \(name): Must be a duration such as 20s", field: name)
        }
        return min(max(Int(min(number * unit, 1e9)), range.lowerBound), range.upperBound)
    }

    /// A message in the form of its text, or of an object with `content`.
    func draft(_ value: JSON, agentID: String) throws(StoreError) -> MessageDraft {
        guard let content = value.string ?? value["content"]?.string, content.utf8.count <= Self.contentBytes else {
            throw .validation(
                "Invalid message: Must be a text, or an object with content, of at most 256 KiB", field: "message")
        }
        var attachments = value["attachments"]
        if attachments == .null { attachments = nil }
        var id: String?
        if let own = value["messageId"] ?? value["id"], own != .null {
            guard let text = own.string, (1...64).contains(text.utf8.count),
                text.utf8.allSatisfy({ Self.isPlain($0) })
            else {
                throw .validation(
                    "Invalid messageId: Must be 1 to 64 letters, digits, '_', '-', '.' or ':'", field: "messageId")
            }
            id = text
        }
        var draft = MessageDraft(
            id: id, author: .agent, authorID: agentID, content: content, attachments: attachments,
            metadata: try Input.metadata(value["metadata"]))
        draft.trace = self.trace
        return draft
    }

    /// One of the events that a worker may report.
    func report(_ event: JSON, agentID: String) throws(StoreError) -> TurnReport {
        let type = event["type"]?.string
        if type == EventType.agentMessage { return .message(try self.draft(event, agentID: agentID)) }
        guard type == EventType.agentToolUse || type == EventType.agentToolResult else {
            throw .validation(
                "Invalid events: type must be one of: agent.tool_use, agent.tool_result, agent.message",
                field: "events")
        }
        guard let id = event["toolUseId"]?.string, (1...64).contains(id.utf8.count),
            id.utf8.allSatisfy({ Self.isPlain($0) })
        else {
            throw .validation(
                "Invalid events: toolUseId must be 1 to 64 letters, digits, '_', '-', '.' or ':'", field: "events")
        }
        var data = event.object ?? JSONObject()
        data["type"] = nil
        guard JSON.object(data).text.utf8.count <= Self.contentBytes else {
            throw .validation("Invalid events: An event is at most 256 KiB", field: "events")
        }
        return type == EventType.agentToolUse ? .toolUse(id: id, data: data) : .toolResult(id: id, data: data)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: ":"):
            true
        default: false
        }
    }
}

extension Idempotency {
    /// The idempotency key of a request: the header, else what the client calls its message; nil without one.
    init?(_ context: RouteContext, clientKey: JSON?) throws(StoreError) {
        try self.init(
            header: context.exchange.header("Idempotency-Key"), clientKey: clientKey,
            request: Array((context.exchange.path.lowercased() + "\n").utf8) + context.exchange.body)
    }

    /// The same of a request that came in another way; `request` is all that a retry would repeat.
    init?(header: String?, clientKey: JSON?, request: @autoclosure () -> [UInt8]) throws(StoreError) {
        let key: String
        switch (header, clientKey) {
        case (let header?, _): key = header
        // A client may number its messages; the number's text is the key.
        case (nil, .string(let own)?), (nil, .number(let own)?): key = own
        default: return nil
        }
        guard (1...255).contains(key.utf8.count) else {
            throw .validation("Invalid Idempotency-Key: Must be 1 to 255 bytes", field: "Idempotency-Key")
        }
        self.init(key: key, request: request())
    }
}
