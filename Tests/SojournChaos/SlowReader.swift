import Foundation
import SojournLoop
import SojournTesting

/// A reader that takes nothing for a while, although its session has more to say than a node keeps for anybody.
final class SlowReader: Sendable {
    private let crew: Crew
    private let history: History
    private let options: Options
    private let fault: Fault
    /// For how many milliseconds the session may be talked to.
    private static let flood = 40_000.0

    init(_ crew: Crew, _ history: History, _ options: Options, _ fault: Fault) {
        self.crew = crew
        self.history = history
        self.options = options
        self.fault = fault
    }

    func run() async throws {
        // On a thread of its own, because it blocks.
        try await BlockingWork { self.flood() }.finish(within: 120)
    }

    private func flood() {
        var client = Client(
            ports: self.crew.ports, history: self.history, random: SeededGenerator(seed: UInt64(self.fault.at * 1000)))
        let name = "slow-\(Int(self.fault.at * 1000))"
        let body: [String: Any] = [
            "agentId": Crew.plainAgent,
            "userId": client.random.uuid(),
            "timeoutConfig": ["timeoutMinutes": 0.4, "maxDurationMinutes": 5],
        ]
        guard case .acknowledged(let answer) = client.insist("POST", NodeProcess.sessions, body, key: "create-\(name)"),
            let id = answer["sessionId"] as? String, let user = answer["userId"] as? String
        else { return }
        self.history.began(History.Session(id: id, user: user, isPlain: true, timeout: 24_000))
        let reader = Reader(id, ports: self.crew.ports, history: self.history, seed: 1)
        // What it does not take piles up in its node.
        let stream = try? RawHTTP(port: client.port(), deadlineMilliseconds: 20_000, receiveBuffer: 4096)
        try? stream?.send(
            "GET \(NodeProcess.sessions)/\(id)/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 0\r\n\r\n")
        let isOpen = (try? stream?.readHead())??.status == 200
        let padding = String(repeating: "much to say ", count: 320)
        var said = 0
        // Without its replica a message takes as long as it may be waited for.
        let end = History.now + Self.flood
        for number in 1...350 where History.now < end {
            let content = "\(name)-\(number) "
            let outcome = client.insist(
                "POST", "\(NodeProcess.sessions)/\(id)/messages", ["content": content + padding], key: content,
                seconds: 5)
            guard case .acknowledged(let answer) = outcome, let seq = answer["seq"] as? Int else {
                if case .over = outcome { break }
                continue
            }
            said += 1
            self.history.said(
                History.Message(
                    session: id, content: (content + padding).trimmingCharacters(in: .whitespaces), seq: seq,
                    isPromised: !self.options.promisesNothing && !self.options.hasReplicas, at: History.now))
        }
        let count = said
        self.history.count { $0.slowEvents += count }
        dawdle(milliseconds: Int(self.fault.length * 1000))
        if isOpen, let stream {
            while let event = try? stream.readEvent() {
                guard let type = event.event, let text = event.data else { continue }
                reader.take(StormEvent(type: type, cursor: event.id, text: text))
                if reader.seen.last >= said + 1 || reader.isDone { break }
            }
        }
        stream?.close()
        self.history.change(id) { $0.wasEnded = true }
        if case .acknowledged = client.insist("DELETE", "\(NodeProcess.sessions)/\(id)", seconds: 10) {
            self.history.change(id) { $0.endAcknowledged = true }
        }
    }
}
