import Foundation
import SojournTesting

/// A client: it begins a session, talks, keeps it alive, and ends it or leaves it to expire; then the next one.
struct Life {
    private var client: Client
    private let options: Options
    private let history: History
    private let readers: Readers
    private let name: String
    private var number = 0

    init(_ name: String, _ options: Options, _ crew: Crew, _ history: History, _ readers: Readers) {
        let seed = options.seed &* 1_000_003 &+ UInt64(bitPattern: Int64(name.hashValueOfBytes))
        self.client = Client(ports: crew.ports, history: history, random: SeededGenerator(seed: seed))
        self.options = options
        self.history = history
        self.readers = readers
        self.name = name
    }

    /// Lives one session, or a part of one if the session ends before.
    mutating func liveOnce(until isOver: () -> Bool) {
        guard let session = self.create() else { return }
        let count = Int.random(in: 3...10, using: &self.client.random)
        for _ in 0..<count {
            if isOver() { break }
            dawdle(milliseconds: Int.random(in: 200...1400, using: &self.client.random))
            guard self.act(session) else { return }
        }
        // The rest are left to expire.
        if Double.random(in: 0..<1, using: &self.client.random) < 0.4 { self.end(session) }
    }

    private mutating func create() -> History.Session? {
        self.number += 1
        let isPlain = Double.random(in: 0..<1, using: &self.client.random) < 0.7
        let timeout = Double.random(in: 4...12, using: &self.client.random)
        let hasCap = Double.random(in: 0..<1, using: &self.client.random) < 0.2
        let user = self.client.random.uuid()
        let body: [String: Any] = [
            "agentId": isPlain ? Crew.plainAgent : Crew.busyAgent, "userId": user,
            "timeoutConfig": [
                "timeoutMinutes": timeout / 60, "maxDurationMinutes": timeout * (hasCap ? 1.5 : 20) / 60,
                "autoRenew": Double.random(in: 0..<1, using: &self.client.random) < 0.8,
            ],
        ]
        let key = "create-\(self.name)-\(self.number)"
        guard case .acknowledged(let answer) = self.client.insist("POST", NodeProcess.sessions, body, key: key),
            let id = answer["sessionId"] as? String, let deadline = Client.time(answer["expiresAt"])
        else { return nil }
        var session = History.Session(id: id, user: user, isPlain: isPlain, timeout: timeout * 1000)
        session.deadline = deadline
        if !self.options.hasReplicas && !self.options.promisesNothing { session.promisedDeadline = deadline }
        self.history.began(session)
        for _ in 0..<Int.random(in: 1...2, using: &self.client.random) {
            self.readers.read(id, seed: self.client.random.next())
        }
        return session
    }

    /// One operation; false when the session is over.
    private mutating func act(_ session: History.Session) -> Bool {
        let path = "\(NodeProcess.sessions)/\(session.id)"
        switch Double.random(in: 0..<1, using: &self.client.random) {
        case ..<0.6: return self.say(session)
        case ..<0.9: return self.renew(session, self.client.insist("POST", path + "/heartbeat", seconds: 6))
        default: return self.renew(session, self.client.insist("POST", path + "/renew", [:], seconds: 6))
        }
    }

    private mutating func say(_ session: History.Session) -> Bool {
        self.number += 1
        let content = "\(self.name)-\(self.number)"
        let outcome = self.client.insist(
            "POST", "\(NodeProcess.sessions)/\(session.id)/messages", ["content": content], key: content)
        func note(_ seq: Int?, promised: Bool) {
            self.history.said(
                History.Message(
                    session: session.id, content: content, seq: seq, isPromised: promised, at: History.now))
        }
        switch outcome {
        case .acknowledged(let answer):
            guard let seq = answer["seq"] as? Int else {
                self.history.violation(.strange, session.id, nil, "a message was acknowledged without seq: \(answer)")
                return true
            }
            let isPromised = self.isPromised(answer)
            if !isPromised { self.history.count { $0.notPromised += 1 } }
            note(seq, promised: isPromised)
            let status = answer["sessionStatus"] as? [String: Any]
            self.extended(session, Client.time(status?["expiresAt"]), promised: isPromised)
            return true
        case .over(let status, let isSure):
            if !isSure { note(nil, promised: false) }
            self.over(session, status)
            return false
        case .unknown:
            note(nil, promised: false)
            return true
        case .refused: return true
        }
    }

    /// Whether what was acknowledged must survive everything that is done.
    private func isPromised(_ answer: [String: Any]) -> Bool {
        if self.options.promisesNothing { return false }
        guard self.options.hasReplicas else { return true }
        guard let durability = answer["durability"] as? [String: Any], let asked = durability["asked"] as? Int,
            let reached = durability["reached"] as? Int
        else { return false }
        return reached >= asked
    }

    /// - Returns: false when the session is over.
    private func renew(_ session: History.Session, _ outcome: Client.Outcome) -> Bool {
        switch outcome {
        case .acknowledged(let answer):
            self.extended(
                session, Client.time(answer["expiresAt"]),
                promised: !self.options.hasReplicas && !self.options.promisesNothing)
            return true
        case .over(let status, _):
            self.over(session, status)
            return false
        case .refused, .unknown: return true
        }
    }

    private func extended(_ session: History.Session, _ deadline: Double?, promised: Bool) {
        // A turn's lease may hold a deadline off and let it go again.
        guard let deadline, session.isPlain else { return }
        self.history.change(session.id) { session in
            session.deadline = max(session.deadline, deadline)
            if promised { session.promisedDeadline = max(session.promisedDeadline, deadline) }
        }
    }

    /// A node says that the session is over, now.
    private func over(_ session: History.Session, _ status: Int) {
        guard let known = self.history.sessions[session.id] else { return }
        if status == 404, !known.wasEnded, !self.options.hasReplicas, !self.options.promisesNothing {
            self.history.violation(.lost, session.id, nil, "nobody ended the session, and it is answered 404")
        }
        if status == 410, History.now < known.promisedDeadline {
            let early = Int(known.promisedDeadline - History.now)
            self.history.violation(.early, session.id, nil, "answered 410 \(early) ms before its deadline")
        }
    }

    private mutating func end(_ session: History.Session) {
        self.history.change(session.id) { $0.wasEnded = true }
        let outcome = self.client.insist("DELETE", "\(NodeProcess.sessions)/\(session.id)", seconds: 10)
        if case .acknowledged = outcome { self.history.change(session.id) { $0.endAcknowledged = true } }
    }
}

extension String {
    /// The same number for the same text in every run, which a hash value is not.
    fileprivate var hashValueOfBytes: Int { self.utf8.reduce(5381) { $0 &* 33 &+ Int($1) } }
}

extension SeededGenerator {
    /// A UUID, as random as all else.
    mutating func uuid() -> String {
        func hex(_ digits: Int) -> String {
            let text = String(self.next(), radix: 16)
            return String((String(repeating: "0", count: 16) + text).suffix(digits))
        }
        return "\(hex(8))-\(hex(4))-4\(hex(3))-8\(hex(3))-\(hex(12))"
    }
}
