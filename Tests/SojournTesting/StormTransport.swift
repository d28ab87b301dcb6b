import Foundation

/// An event as a client of any transport gets it.
public struct StormEvent: Sendable {
    /// What kind of event it is.
    public let type: String
    /// From where to go on after it; nil when it is no place to resume from.
    public let cursor: String?
    /// Its bytes, which are the same over every transport.
    public let text: String

    /// An event of these.
    public init(type: String, cursor: String?, text: String) {
        self.type = type
        self.cursor = cursor
        self.text = text
    }
}

/// One connection that carries the events of one session.
public protocol StormConnection {
    /// The next event; nil at the end of the connection.
    func next() throws -> StormEvent?
    /// Leaves in good order.
    func close()
    /// Leaves with a reset.
    func reset()
}

/// A way to read events.
public enum StormTransport: String, CaseIterable, Sendable {
    /// Server-Sent Events.
    case sse
    /// A WebSocket with one subscription.
    case webSocket

    /// Connects to a node and reads a session's events after a cursor.
    ///
    /// - Parameter deadline: milliseconds to wait for anything to come.
    public func open(
        _ session: String, on port: Int, after cursor: String, deadline: Int = 30_000
    ) throws -> any StormConnection {
        switch self {
        case .sse: try EventSourceConnection(session, on: port, after: cursor, deadline)
        case .webSocket: try SocketConnection(session, on: port, after: cursor, deadline)
        }
    }
}

/// Server-Sent Events.
private final class EventSourceConnection: StormConnection {
    private let http: RawHTTP

    init(_ session: String, on port: Int, after cursor: String, _ deadline: Int) throws {
        self.http = try RawHTTP(port: port, deadlineMilliseconds: deadline)
        try self.http.send(
            "GET \(NodeProcess.sessions)/\(session)/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: \(cursor)\r\n\r\n"
        )
        let head = try self.http.readHead()
        guard head.status == 200 else {
            throw Unanswered(description: "a stream was answered \(head.status)", status: head.status)
        }
    }

    func next() throws -> StormEvent? {
        while let event = try self.http.readEvent() {
            if let type = event.event, let text = event.data {
                return StormEvent(type: type, cursor: event.id, text: text)
            }
        }
        return nil
    }

    func close() { self.http.close() }
    func reset() { self.http.reset() }
}

/// A WebSocket with one subscription.
private final class SocketConnection: StormConnection {
    private let socket: RawWebSocket

    init(_ session: String, on port: Int, after cursor: String, _ deadline: Int) throws {
        self.socket = try RawWebSocket(
            try RawHTTP(port: port, deadlineMilliseconds: deadline), target: "/api/messaging/ws")
        guard self.socket.head.status == 101 else {
            throw Unanswered(description: "an upgrade was answered \(self.socket.head.status)")
        }
        try self.socket.send(#"{"op":"subscribe","id":1,"sessionId":"\#(session)","after":"\#(cursor)"}"#)
        let answer = try self.socket.next()
        guard answer.opcode == 1, answer.text.hasPrefix(#"{"op":"ok","id":1,"#) else {
            throw Unanswered(description: "a subscription was answered \(answer.text)")
        }
    }

    func next() throws -> StormEvent? {
        let frame = try self.socket.next()
        guard frame.opcode == 1 else { return nil }
        let text = frame.text
        let (start, cursor, type) = (#"{"op":"event","event":"#, #"},"cursor":""#, #""type":""#)
        guard text.hasPrefix(start), let name = text.range(of: type)?.upperBound else {
            throw Unanswered(description: "this is no event: \(text)")
        }
        let tail = text.range(of: cursor, options: .backwards)
        let end = text.index(after: tail?.lowerBound ?? text.index(text.endIndex, offsetBy: -2))
        return StormEvent(
            type: String(text[name...].prefix { $0 != "\"" }),
            cursor: tail.map { String(text[$0.upperBound...].dropLast(2)) },
            text: String(text[..<end].dropFirst(start.count)))
    }

    func close() {
        try? self.socket.send(.close(1000))
        while let frame = try? self.socket.next(), frame.opcode != 8 {}
        self.socket.http.close()
    }

    func reset() { self.socket.http.reset() }
}
