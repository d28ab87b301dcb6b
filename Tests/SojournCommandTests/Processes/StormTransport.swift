import Foundation
import SojournTesting

/// An event as a client of any transport gets it.
struct StormEvent: Sendable {
    let type: String
    /// From where to go on after it; nil when it is no place to resume from.
    let cursor: String?
    /// Its bytes, which are the same over every transport.
    let text: String
}

/// One connection that carries the events of one session.
protocol StormConnection {
    /// The next event; nil at the end of the connection.
    func next() throws -> StormEvent?
    /// Leaves in good order.
    func close()
    /// Leaves with a reset.
    func reset()
}

/// A way to read events.
enum StormTransport: String, CaseIterable, Sendable {
    case sse

    /// Connects to a node and reads a session's events after a cursor.
    func open(_ session: String, on port: Int, after cursor: String) throws -> any StormConnection {
        switch self {
        case .sse: try EventSourceConnection(session, on: port, after: cursor)
        }
    }
}

/// Server-Sent Events.
private final class EventSourceConnection: StormConnection {
    private let http: RawHTTP

    init(_ session: String, on port: Int, after cursor: String) throws {
        self.http = try RawHTTP(port: port, deadlineMilliseconds: 30_000)
        try self.http.send(
            "GET \(NodeProcess.sessions)/\(session)/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: \(cursor)\r\n\r\n"
        )
        let head = try self.http.readHead()
        guard head.status == 200 else { throw Unanswered(description: "a stream was answered \(head.status)") }
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
