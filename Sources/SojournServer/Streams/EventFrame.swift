import SojournCore
import SojournHTTP
import SojournStore

/// Events as Server-Sent Events (WHATWG HTML, section 9.2), and as messages of a WebSocket.
enum EventFrame {
    /// How an event is written.
    enum Dialect: String {
        /// As it is stored.
        case sojourn
        /// The three lifecycle events as older clients know them, the others as they are stored.
        case eliza
    }

    /// The frame of a live event; made once for all readers of the usual dialect.
    static func bytes(of live: LiveEvent, dialect: Dialect) -> [UInt8] {
        if dialect == .eliza, let frame = Self.eliza(live) { return frame }
        if let frame = live.serverSentEvent { return frame }
        let frame = Self.bytes(of: live.event, id: live.cursor)
        live.serverSentEvent = frame
        return frame
    }

    /// `{"op":"event","event":{…},"cursor":"…"}`, made once for all readers; the event is as it is stored, the cursor is
    /// what a client resumes from.
    static func webSocket(of live: LiveEvent) -> WebSocketFrame {
        if let bytes = live.webSocketFrame { return WebSocketFrame(encoded: bytes) }
        var text = Array(#"{"op":"event","event":"#.utf8)
        text.reserveCapacity(live.event.bytes.count + 96)
        text.append(contentsOf: live.event.bytes)
        if let cursor = live.cursor { text.append(contentsOf: #","cursor":"\#(cursor)""#.utf8) }
        text.append(UInt8(ascii: "}"))
        let frame = WebSocketFrame.text(text)
        live.webSocketFrame = frame.bytes
        return frame
    }

    /// A frame with an id of its own; the id is what a client resumes from.
    static func bytes(of event: Event, id: Cursor?) -> [UInt8] {
        Self.bytes(name: event.type, id: id, data: event.bytes)
    }

    static func bytes(name: String, id: Cursor?, data: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(data.count + 96)
        frame.append(contentsOf: "event: ".utf8)
        frame.append(contentsOf: name.utf8)
        if let id {
            frame.append(contentsOf: "\nid: ".utf8)
            frame.append(contentsOf: id.description.utf8)
        }
        frame.append(contentsOf: "\ndata: ".utf8)
        frame.append(contentsOf: data)
        frame.append(contentsOf: "\n\n".utf8)
        return frame
    }

    /// One newline only: a blank line would make some clients see an empty event.
    static let heartbeat = Array(": hb\n".utf8)

    private static func eliza(_ live: LiveEvent) -> [UInt8]? {
        let event = live.event
        guard let json = try? event.json(), let data = json["data"] else { return nil }
        let session = json["sessionId"] ?? .null
        switch event.type {
        case EventType.sessionExpiring:
            let minutes = ((data["timeRemaining"]?.int ?? 0) + 59_999) / 60_000
            return Self.bytes(
                name: "sessionExpirationWarning", id: live.cursor,
                data: JSON.object(["sessionId": session, "minutesRemaining": JSON(minutes)]).bytes)
        case EventType.sessionExpired:
            return Self.bytes(
                name: "sessionExpired", id: live.cursor,
                data: JSON.object(["sessionId": session, "expiredAt": data["expiredAt"] ?? .null]).bytes)
        case EventType.sessionRenewed:
            return Self.bytes(
                name: "sessionRenewed", id: live.cursor,
                data: JSON.object([
                    "sessionId": session, "expiresAt": data["expiresAt"] ?? .null,
                    "renewalCount": data["renewalCount"] ?? .null,
                ]).bytes)
        default: return nil
        }
    }
}
