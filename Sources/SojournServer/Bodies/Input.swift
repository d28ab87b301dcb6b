import SojournCore

/// The rules that request bodies must keep.
enum Input {
    /// The longest content of a user's message, in UTF-16 units.
    static let contentUnits = 4000
    /// The largest metadata, in UTF-16 units of compact JSON.
    static let metadataUnits = 10_240
    /// The longest conversation key, in UTF-16 units.
    static let keyUnits = 512

    static func metadata(_ value: JSON?) throws(StoreError) -> JSONObject? {
        switch value {
        case nil, .null?: return nil
        case .object(let object)?:
            guard JSON.object(object).text.utf16.count <= Self.metadataUnits else {
                throw .validation("Invalid metadata: Metadata exceeds maximum size of 10240 bytes", field: "metadata")
            }
            return object
        default: throw .validation("Invalid metadata: Metadata must be an object", field: "metadata")
        }
    }

    static func content(_ text: String) throws(StoreError) {
        guard text.contains(where: { !$0.isWhitespace }) else { throw Self.invalidContent("Content cannot be empty") }
        guard text.utf16.count <= Self.contentUnits else {
            throw Self.invalidContent("Content exceeds maximum length of \(Self.contentUnits) characters")
        }
    }

    /// What clients of the published API are told of a wrong message, whichever field is wrong.
    static func invalidContent(_ rule: String, field: String = "content") -> StoreError {
        .validation("Invalid content: \(rule)", field: field)
    }

    static func conversationKey(_ value: JSON?) throws(StoreError) -> String? {
        switch value {
        case nil, .null?: return nil
        case .string(let key)? where !key.isEmpty && key.utf16.count <= Self.keyUnits: return key
        default:
            throw .validation(
                "Invalid conversationKey: Must be a string of 1 to \(Self.keyUnits) characters",
                field: "conversationKey")
        }
    }

    /// What a message does while a turn is open.
    static func ifBusy(_ value: JSON?) throws(StoreError) -> IfBusy? {
        switch value {
        case nil, .null?: return nil
        default:
            guard let mode = value?.string.flatMap(IfBusy.init(rawValue:)) else {
                throw .validation(
                    "Invalid ifBusy: Must be one of: " + IfBusy.allCases.map(\.rawValue).joined(separator: ", "),
                    field: "ifBusy")
            }
            return mode
        }
    }

    /// Whether a session lives on while somebody watches it.
    static func aliveWhileWatched(_ value: JSON?) throws(StoreError) -> Bool? {
        switch value {
        case nil, .null?: return nil
        default:
            guard let truth = value?.bool else {
                throw .validation("Invalid aliveWhileWatched: Must be true or false", field: "aliveWhileWatched")
            }
            return truth
        }
    }

    /// The name by which a client wants to be seen by the others.
    static func client(_ text: String?) throws(StoreError) -> String? {
        guard let text, !text.isEmpty else { return nil }
        guard text.utf8.count <= 64, text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
            throw .validation("Invalid client: Must be at most 64 bytes without control characters", field: "client")
        }
        return text
    }

    /// A whole number in a query, clamped; garbage and absence are the default.
    static func limit(_ text: String?, default standard: Int, maximum: Int) -> Int {
        guard let number = text.flatMap(Self.leadingInteger) else { return standard }
        return min(max(number, 1), maximum)
    }

    /// The integer that a text begins with, as clients of the published API are used to: `10abc` is 10.
    private static func leadingInteger(_ text: String) -> Int? {
        let trimmed = text.drop { $0.isWhitespace }
        let sign = trimmed.hasPrefix("-") || trimmed.hasPrefix("+") ? trimmed.prefix(1) : ""
        let digits = trimmed.dropFirst(sign.count).prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty else { return nil }
        return Int(sign + digits.prefix(12))
    }

    /// Where a reader goes on: at a cursor, or at the end of the log.
    static func cursor(_ text: String?, in session: Session) throws(StoreError) -> Cursor {
        guard let text, !text.isEmpty else { return Cursor(epoch: session.epoch, seq: session.head) }
        guard let cursor = Cursor(text) else { throw Self.invalidCursor }
        return cursor
    }

    static var invalidCursor: StoreError {
        .validation(
            "Invalid pagination parameter 'after': Must be a cursor such as 1a2b3c4d.1:12, or 0", field: "after")
    }

    /// A seq in a query.
    static func seq(_ context: RouteContext, _ name: String) throws(StoreError) -> Int? {
        guard let text = context.query(name), !text.isEmpty else { return nil }
        let digits = text.hasPrefix("seq:") ? text.dropFirst(4) : text[...]
        guard let cursor = Cursor(digits), cursor.delta == nil else {
            throw .validation(
                "Invalid pagination parameter '\(name)': Must be a seq or a cursor", field: name)
        }
        return cursor.seq
    }
}

/// How a message's answer is to come back.
enum Transport: String {
    /// At once; the answer comes over the live feed.
    case websocket
    /// With the agent's answer.
    case http
    /// As a stream.
    case sse

    /// Reads `transport ?? mode`; absent and null mean ``websocket``.
    init(_ body: JSON?) throws(StoreError) {
        var (value, field) = (body?["transport"] ?? .null, "transport")
        if value == .null { (value, field) = (body?["mode"] ?? .null, "mode") }
        switch value {
        case .null: self = .websocket
        case .string(let word):
            switch word {
            case "websocket": self = .websocket
            case "http", "sync": self = .http
            case "sse", "stream": self = .sse
            default:
                throw Input.invalidContent(
                    "Invalid transport \"\(word)\". Must be one of: http, sse, websocket, sync, stream", field: field)
            }
        default:
            throw Input.invalidContent(
                "Invalid transport type \"\(value.typeName)\". Transport must be a string.", field: field)
        }
    }
}
