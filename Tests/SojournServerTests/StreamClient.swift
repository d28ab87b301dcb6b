import SojournCore
import SojournTesting
import Testing

@testable import SojournServer

/// A client of one event stream.
final class StreamClient {
    let http: RawHTTP
    let head: RawResponse

    /// Opens the stream of a session; `query` begins with "?".
    init(
        _ node: TestNode, _ id: String, _ query: String = "", headers: [String: String] = [:],
        receiveBuffer: CInt? = nil
    ) throws {
        self.http = try node.connect(receiveBuffer: receiveBuffer)
        try self.http.send(
            TestNode.bytes("GET", target: "\(TestNode.base)/\(id)/stream\(query)", headers: headers))
        self.head = try self.http.readHead()
    }

    /// Reads the answer to a message that was sent with transport `sse`.
    init(reading http: RawHTTP) throws {
        self.http = http
        self.head = try http.readHead()
    }

    /// The next event; keep-alives are passed over. Nil at the end of the stream.
    func next() throws -> RawEvent? { try self.http.readEvent() }

    /// Reads up to and including the first event of this type.
    func read(through type: String) throws -> [RawEvent] {
        var events: [RawEvent] = []
        while let event = try self.next() {
            events.append(event)
            if event.event == type { return events }
        }
        throw NotInTime(description: "the stream ended before \(type): \(events.map { $0.event ?? "" })")
    }

    /// Reads to the end of the stream.
    func rest() throws -> [RawEvent] {
        var events: [RawEvent] = []
        while let event = try self.next() { events.append(event) }
        return events
    }
}

extension RawEvent {
    /// The data as JSON.
    var json: JSON { (try? JSON.parse(Array((self.data ?? "").utf8))) ?? .null }
    /// The seq of a durable event.
    var seq: Int? { self.json["seq"]?.int }
}
