import Foundation
import SojournLoop
import SojournTesting

/// One who reads a session to its end, now on this node and now on that, and notes what it was given and told.
final class Reader: Sendable {
    /// How its reading came to its end.
    enum End: Sendable {
        /// The stream said so, after the last event.
        case closed
        /// It came back too late: 410, or 404.
        case status(Int)
    }

    struct Seen: Sendable {
        var cursor = "0"
        /// The last seq that it is to have all up to.
        var last = 0
        /// What it holds to be the log: each event by its seq.
        var events: [Int: (epoch: String, text: Int)] = [:]
        /// What it was told that it cannot have, or that is no more.
        var told: [ClosedRange<Int>] = []
        var end: End?
        /// When that was; whoever has left can be told nothing more.
        var endedAt = 0.0
    }

    let session: String
    private let ports: [Int]
    private let history: History
    private let random: Locked<SeededGenerator>
    private let state = Locked(Seen())

    init(_ session: String, ports: [Int], history: History, seed: UInt64) {
        self.session = session
        self.ports = ports
        self.history = history
        self.random = Locked(SeededGenerator(seed: seed))
    }

    var seen: Seen { self.state.withLock { $0 } }
    var isDone: Bool { self.state.withLock { $0.end != nil } }

    private func number(_ range: ClosedRange<Int>) -> Int {
        self.random.withLock { random in Int.random(in: range, using: &random) }
    }

    func run(until isOver: () -> Bool) {
        let transport = self.number(0...9) < 7 ? StormTransport.sse : .webSocket
        while !self.isDone, !isOver() {
            let port = self.ports[self.number(0...self.ports.count - 1)]
            do {
                let cursor = self.state.withLock { $0.cursor }
                let connection = try transport.open(self.session, on: port, after: cursor, deadline: 5_000)
                self.history.count { $0.connections += 1 }
                self.visit(connection, limit: self.number(2...40))
                connection.reset()
            } catch let error as Unanswered {
                if let status = Self.over(error) { self.finish(.status(status)) }
            } catch {}
            dawdle(milliseconds: self.number(10...200))
        }
    }

    private func finish(_ end: End) {
        self.state.withLock { ($0.end, $0.endedAt) = (end, History.now) }
    }

    /// The status of an answer that says that there is no session to read any more.
    private static func over(_ error: Unanswered) -> Int? {
        if let status = error.status { return [404, 410].contains(status) ? status : nil }
        if error.description.contains("SESSION_EXPIRED") { return 410 }
        return error.description.contains("SESSION_NOT_FOUND") ? 404 : nil
    }

    private func visit(_ connection: any StormConnection, limit: Int) {
        for _ in 0..<limit {
            // Silence for the whole deadline is a reason to look elsewhere, too.
            guard let event = try? connection.next() else { return }
            self.take(event)
            if self.isDone { return }
        }
    }

    func take(_ event: StormEvent) {
        let (id, text) = (self.session, event.text)
        let fault = self.state.withLock { seen -> (seq: Int, sentence: String)? in
            let place = event.cursor.flatMap(Self.place)
            switch event.type {
            case "stream.ready", "presence", "agent.message.delta":
                if let cursor = event.cursor { seen.cursor = cursor }
                return nil
            case "stream.end":
                if text.contains(#""reason":"closed""#) { (seen.end, seen.endedAt) = (.closed, History.now) }
                return nil
            case "stream.gap":
                guard let (from, to) = Self.gap(text), let cursor = event.cursor, let place else {
                    return (seen.last, "a gap that says nothing: \(text)")
                }
                seen.told.append(from...max(from, to))
                for seq in seen.events.keys where seq > place.seq { seen.events[seq] = nil }
                (seen.cursor, seen.last) = (cursor, place.seq)
                return nil
            default: break
            }
            guard let cursor = event.cursor, let place else {
                return (seen.last, "an event without a cursor: \(text.prefix(120))")
            }
            defer {
                (seen.cursor, seen.last) = (cursor, place.seq)
                seen.events[place.seq] = (place.epoch, text.hashValue)
            }
            return place.seq == seen.last + 1 ? nil : (place.seq, "a reader at \(seen.last) was given \(place.seq)")
        }
        if event.type == "stream.gap" { self.history.count { $0.gapsTold += 1 } }
        self.history.count { $0.deliveries += 1 }
        if let fault { self.history.violation(.silentGap, id, fault.seq, fault.sentence) }
    }

    /// The epoch and the seq of a cursor.
    private static func place(_ cursor: String) -> (epoch: String, seq: Int)? {
        let halves = cursor.split(separator: ":")
        guard halves.count == 2, let seq = halves[1].split(separator: ".").first.flatMap({ Int($0) }) else {
            return nil
        }
        return (String(halves[0]), seq)
    }

    private static func gap(_ text: String) -> (Int, Int)? {
        guard let event = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
            let data = event["data"] as? [String: Any], let from = data["from"] as? Int, let to = data["to"] as? Int
        else { return nil }
        return (from, to)
    }
}
