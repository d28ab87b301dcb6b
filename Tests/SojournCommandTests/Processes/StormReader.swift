import Foundation
import SojournLoop
import SojournTesting

/// A client that connects to any node, reads for a while, leaves this way or that, and goes on elsewhere.
final class StormReader: Sendable {
    struct Seen {
        var cursor = "0"
        /// The last seq, and a hash of each event by its seq.
        var last = 0
        var hashes: [Int: Int] = [:]
        var deliveries = 0
        /// What must never be.
        var faults: [String] = []
        var closed = 0
        var reset = 0
        /// Connections that ended by themselves: their node was killed.
        var lost = 0
    }

    private let state = Locked(Seen())
    private let goal = Locked<Int?>(nil)

    var seen: Seen { self.state.withLock { $0 } }
    /// Reads until it has this seq.
    func finish(at seq: Int) { self.goal.withLock { $0 = seq } }

    private var isDone: Bool {
        guard let goal = self.goal.withLock({ $0 }) else { return false }
        return self.state.withLock { $0.last >= goal || !$0.faults.isEmpty }
    }

    /// Reads on a thread of its own; `visit` is how many events a connection brings at the most.
    func start(_ transport: StormTransport, _ session: String, on ports: Fleet.Ports, visit: Int) -> BlockingWork {
        BlockingWork {
            while !self.isDone {
                guard let port = ports.any,
                    let connection = try? transport.open(
                        session, on: port, after: self.state.withLock { $0.cursor })
                else {
                    dawdle(milliseconds: 5)
                    continue
                }
                self.visit(connection, limit: Int.random(in: 0...visit))
                dawdle(milliseconds: Int.random(in: 0...20))
            }
        }
    }

    private func visit(_ connection: any StormConnection, limit: Int) {
        var left = limit
        while left > 0, !self.isDone {
            guard let event = try? connection.next() else {
                self.state.withLock { $0.lost += 1 }
                return
            }
            self.take(event)
            left -= 1
        }
        // What comes meanwhile is on its way when the connection ends.
        dawdle(milliseconds: Int.random(in: 0...20))
        let isHard = Bool.random()
        if isHard { connection.reset() } else { connection.close() }
        self.state.withLock { if isHard { $0.reset += 1 } else { $0.closed += 1 } }
    }

    private func take(_ event: StormEvent) {
        self.state.withLock { seen in
            if let cursor = event.cursor { seen.cursor = cursor }
            switch event.type {
            case "stream.ready": return
            case "stream.gap", "stream.end": return seen.faults.append("\(event.type) after \(seen.last)")
            default: break
            }
            guard let seq = event.cursor?.split(separator: ":").last.flatMap({ Int($0) }) else {
                return seen.faults.append("an event without a cursor: \(event.text.prefix(80))")
            }
            if seq != seen.last + 1 { seen.faults.append("\(seq) after \(seen.last)") }
            seen.last = seq
            seen.deliveries += 1
            seen.hashes[seq] = event.text.hashValue
        }
    }
}

/// A client that writes messages to any node, one after the answer to the other.
final class StormWriter: Sendable {
    private let count = Locked(0)
    var acknowledged: Int { self.count.withLock { $0 } }

    /// Writes until so many messages were acknowledged.
    func start(_ name: String, _ messages: Int, in session: String, on ports: Fleet.Ports) -> BlockingWork {
        BlockingWork {
            var client: RawHTTP?
            var number = 0
            while self.acknowledged < messages {
                number += 1
                let body = #"{"content":"\#(name) \#(number)"}"#
                let request =
                    "POST \(NodeProcess.sessions)/\(session)/messages HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
                if client == nil { client = ports.any.flatMap { try? RawHTTP(port: $0, deadlineMilliseconds: 30_000) } }
                guard let open = client, (try? open.send(request)) != nil, let answer = try? open.readResponse() else {
                    client = nil
                    dawdle(milliseconds: 5)
                    continue
                }
                if answer.status == 201 { self.count.withLock { $0 += 1 } }
            }
        }
    }
}
