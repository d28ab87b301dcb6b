import Foundation
import SojournLoop
import SojournTesting
import Testing

/// A client that reads a session's stream, over several connections if need be, with its own cursor.
final class StreamReader: Sendable {
    struct Seen {
        /// The last id; where a new connection goes on.
        var cursor = "0"
        /// The numbers of the durable events, as they came.
        var seqs: [Int] = []
        /// The types of all events.
        var types: [String] = []
        /// The reason in `stream.end`, if the last connection ended with it.
        var endReason: String?
    }

    private let state = Locked(Seen())

    var seen: Seen { self.state.withLock { $0 } }

    /// Connects and reads until the connection ends or `isEnough` says so.
    func follow(
        _ session: String, on port: Int, until isEnough: @escaping @Sendable (Seen) -> Bool = { _ in false }
    ) -> BlockingWork {
        BlockingWork { self.read(session, on: port, until: isEnough) }
    }

    /// The same on this thread.
    func read(_ session: String, on port: Int, until isEnough: (Seen) -> Bool) {
        let cursor = self.state.withLock { seen -> String in
            seen.endReason = nil
            return seen.cursor
        }
        guard let stream = try? RawHTTP(port: port),
            (try? stream.send(
                "GET \(NodeProcess.sessions)/\(session)/stream HTTP/1.1\r\nHost: localhost\r\n"
                    + "Last-Event-ID: \(cursor)\r\n\r\n")) != nil, (try? stream.readHead())?.status == 200
        else { return }
        while !isEnough(self.seen), let event = try? stream.readEvent() { self.take(event) }
    }

    private func take(_ event: RawEvent) {
        guard let type = event.event, let data = event.data,
            let json = try? JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any]
        else { return }
        let seq = json["seq"] as? Int
        let reason = (json["data"] as? [String: Any])?["reason"] as? String
        self.state.withLock { seen in
            seen.types.append(type)
            if let id = event.id { seen.cursor = id }
            if let seq { seen.seqs.append(seq) }
            if type == "stream.end" { seen.endReason = reason }
        }
    }
}

/// Clients that write messages to a session, each after the answer to its last one.
final class Load: Sendable {
    private let texts = Locked<[String]>([])
    private let strange = Locked<[String]>([])
    private let isOver = Locked(false)

    /// The texts that were acknowledged.
    var acknowledged: [String] { self.texts.withLock { $0 } }
    /// Answers that were neither 201 nor 503.
    var strangeAnswers: [String] { self.strange.withLock { $0 } }

    /// Starts `writers` clients; each goes on until ``end()``, whatever the node answers.
    func start(_ writers: Int, on port: Int, in session: String) -> [BlockingWork] {
        (0..<writers).map { writer in
            BlockingWork {
                var number = 0
                while !self.isOver.withLock({ $0 }) {
                    number += 1
                    let text = "\(writer):\(number)"
                    let body = #"{"content":"\#(text)"}"#
                    let request =
                        "POST \(NodeProcess.sessions)/\(session)/messages HTTP/1.1\r\nHost: localhost\r\n"
                        + "Connection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                    guard let client = try? RawHTTP(port: port), (try? client.send(request)) != nil,
                        let answer = try? client.readResponse()
                    else { continue }
                    if answer.status == 201 {
                        self.texts.withLock { $0.append(text) }
                    } else if answer.status != 503 {
                        self.strange.withLock { $0.append(answer.text) }
                    }
                }
            }
        }
    }

    func end() { self.isOver.withLock { $0 = true } }
}
