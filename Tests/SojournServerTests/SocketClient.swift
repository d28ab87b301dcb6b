import SojournCore
import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

@testable import SojournServer

/// A client of the gateway.
final class SocketClient {
    let raw: RawWebSocket
    private var lastID = 0

    init(
        _ node: TestNode, _ query: String = "", headers: [String: String] = [:], receiveBuffer: CInt? = nil
    ) throws {
        self.raw = try RawWebSocket(
            try node.connect(deadlineMilliseconds: 30_000, receiveBuffer: receiveBuffer),
            target: NodeServer.webSocketPath + query, headers: headers)
    }

    /// Sends an operation and returns its id.
    @discardableResult
    func ask(_ op: String, _ fields: JSONObject = [:]) throws -> Int {
        self.lastID += 1
        var body: JSONObject = ["op": .string(op), "id": JSON(self.lastID)]
        body = body.merging(fields)
        try self.raw.send(JSON.object(body).text)
        return self.lastID
    }

    /// Sends an operation and reads its answer; events that come before it are an error.
    func call(_ op: String, _ fields: JSONObject = [:]) throws -> JSON {
        let id = try self.ask(op, fields)
        let answer = try self.next()
        #expect(answer["id"]?.int == id, "\(answer.text)")
        return answer
    }

    /// Subscribes and reads up to the confirmation.
    func subscribe(_ session: String, after: String? = nil) throws {
        var fields: JSONObject = ["sessionId": .string(session)]
        if let after { fields["after"] = .string(after) }
        let answer = try self.call("subscribe", fields)
        #expect(answer["op"]?.string == "ok", "\(answer.text)")
    }

    /// The next message as JSON.
    func next() throws -> JSON {
        let frame = try self.raw.next()
        guard frame.opcode == 1 else {
            throw NotInTime(description: "closed with \(frame.closeCode ?? 0): \(frame.text.dropFirst(2))")
        }
        return try JSON.parse(frame.payload)
    }

    /// Reads events up to and including the first of this type.
    func read(through type: String) throws -> [SocketEvent] {
        var events: [SocketEvent] = []
        while true {
            events.append(try self.event())
            if events.last?.type == type { return events }
        }
    }

    /// The next message, which is an event.
    func event() throws -> SocketEvent {
        let frame = try self.raw.next()
        guard frame.opcode == 1, let event = SocketEvent(frame.text) else {
            throw NotInTime(description: "no event but \(frame.opcode): \(frame.text)")
        }
        return event
    }

    /// The close frame, which comes after whatever else.
    func close() throws -> RawFrame {
        var frame = try self.raw.next()
        while frame.opcode != 8 { frame = try self.raw.next() }
        return frame
    }
}

/// An event as it came.
struct SocketEvent {
    /// The event's own bytes.
    let data: String
    let json: JSON
    let cursor: String?

    init?(_ message: String) {
        guard message.hasPrefix(#"{"op":"event","event":"#), let json = try? JSON.parse(message),
            let event = json["event"]
        else { return nil }
        self.json = event
        self.cursor = json["cursor"]?.string
        let tail = self.cursor.map { #","cursor":"\#($0)"}"# } ?? "}"
        guard message.hasSuffix(tail) else { return nil }
        self.data = String(message.dropFirst(22).dropLast(tail.count))
    }

    var type: String? { self.json["type"]?.string }
    var seq: Int? { self.json["seq"]?.int }
    var session: String? { self.json["sessionId"]?.string }
}

extension TestNode {
    /// How many WebSockets are open.
    func openSockets() async throws -> Int {
        var count = 0
        for (loop, node) in self.server.parts { count += try await loop.run { node.value.gateways.count } }
        return count
    }

    /// How many sessions are read, over whatever.
    func openReaders() async throws -> Int {
        var count = 0
        for (loop, node) in self.server.parts { count += try await loop.run { node.value.readers.count } }
        return count
    }

    /// The counters of the first loop.
    func counters() async throws -> StreamCounters {
        let (loop, node) = self.server.parts[0]
        return try await loop.run { node.value.counters }
    }

    /// The most bytes that wait for one WebSocket.
    func pendingSocketBytes() async throws -> Int {
        let (loop, node) = self.server.parts[0]
        return try await loop.run { node.value.gateways.values.map(\.socket.pendingBytes).max() ?? 0 }
    }
}
