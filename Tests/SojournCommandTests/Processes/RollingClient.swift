import Foundation
import SojournLoop
import SojournTesting

/// A client that knows all nodes and does what a standard HTTP client does when one of them does not answer: it asks the
/// next one, the same request with the same idempotency key.
final class RollingClient: Sendable {
    struct Seen {
        /// The texts that were acknowledged.
        var acknowledged: [String] = []
        /// Connections that were refused.
        var refused = 0
        /// Connections that ended between a request and its answer.
        var cut = 0
        /// Answers that no retry is meant for.
        var failed: [String] = []
    }

    private let state = Locked(Seen())
    private let isOver = Locked(false)
    private let ports: [Int]

    init(ports: [Int]) { self.ports = ports }

    var seen: Seen { self.state.withLock { $0 } }
    func end() { self.isOver.withLock { $0 = true } }

    /// Writes messages to a session, one after the other, and reads it in between. It keeps its connection, as long as
    /// that is kept, or takes a new one for each request.
    func start(_ name: String, in session: String, keepsConnections: Bool) -> BlockingWork {
        BlockingWork {
            var place = Int.random(in: 0..<self.ports.count)
            var client: RawHTTP?
            var number = 0
            while !self.isOver.withLock({ $0 }) {
                number += 1
                let text = "\(name) \(number)"
                let path = "\(NodeProcess.sessions)/\(session)"
                let body = #"{"content":"\#(text)"}"#
                let write = self.ask(
                    "POST \(path)/messages", body, key: text, keeps: keepsConnections, &client, &place)
                if write == 201 { self.state.withLock { $0.acknowledged.append(text) } }
                if number % 4 == 0 {
                    _ = self.ask("GET \(path)", "", key: nil, keeps: keepsConnections, &client, &place)
                }
            }
        }
    }

    /// One request, asked until there is an answer. Returns its status.
    private func ask(
        _ line: String, _ body: String, key: String?, keeps: Bool, _ client: inout RawHTTP?, _ place: inout Int
    ) -> Int {
        let request =
            "\(line) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n"
            + (key.map { "Idempotency-Key: \($0)\r\n" } ?? "") + (keeps ? "" : "Connection: close\r\n") + "\r\n" + body
        for _ in 1...60 {
            if client == nil { client = try? RawHTTP(port: self.ports[place], deadlineMilliseconds: 30_000) }
            guard let open = client else {
                self.state.withLock { $0.refused += 1 }
                self.next(&place)
                continue
            }
            guard (try? open.send(Array(request.utf8))) != nil, let answer = try? open.readResponse() else {
                client = nil
                self.state.withLock { $0.cut += 1 }
                self.next(&place)
                continue
            }
            if !keeps || answer.header("Connection")?.lowercased() == "close" { client = nil }
            if !(200..<300).contains(answer.status) {
                self.state.withLock { $0.failed.append("\(line): \(answer.status) \(answer.text.prefix(200))") }
            }
            return answer.status
        }
        self.state.withLock { $0.failed.append("\(line): no node answered") }
        return 0
    }

    private func next(_ place: inout Int) {
        place = (place + 1) % self.ports.count
        dawdle(milliseconds: 20)
    }
}

/// A client that streams a session, from one node after the other, by its cursor.
final class RollingReader: Sendable {
    private let reader = StreamReader()
    private let goal = Locked<Int?>(nil)
    private let connections = Locked(0)

    var seen: StreamReader.Seen { self.reader.seen }
    /// How often it has connected.
    var visits: Int { self.connections.withLock { $0 } }
    /// Reads until it has this seq.
    func finish(at seq: Int) { self.goal.withLock { $0 = seq } }

    private var isDone: Bool {
        guard let goal = self.goal.withLock({ $0 }) else { return false }
        return (self.seen.seqs.last ?? 0) >= goal
    }

    func start(_ session: String, ports: [Int], at first: Int) -> BlockingWork {
        BlockingWork {
            var place = first
            while !self.isDone {
                self.connections.withLock { $0 += 1 }
                self.reader.read(session, on: ports[place % ports.count]) { _ in self.isDone }
                place += 1
                dawdle(milliseconds: 20)
            }
        }
    }
}
