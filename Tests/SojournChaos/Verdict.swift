import Foundation
import SojournCore
import SojournTesting

/// Holds the archives and the readers against the history.
struct Verdict {
    /// A session may be this late where nothing was done to the system.
    static let patience = 5_000.0
    /// For how long the effects of a harm may last: a hold after an outage, and sessions of a dead node.
    static let recovery = 14_000.0

    private let archives: Archives
    private let history: History
    private let options: Options
    private let sessions: [String: History.Session]

    init(_ archives: Archives, _ history: History, _ options: Options) {
        self.archives = archives
        self.history = history
        self.options = options
        self.sessions = history.sessions
    }

    /// Whether Redis may lose what it acknowledged, if that is told.
    private var mayLose: Bool { self.options.promisesNothing || self.options.hasReplicas }

    private func broken(_ law: History.Violation.Law, _ session: String, _ seq: Int?, _ sentence: String) {
        self.history.violation(law, session, seq, sentence)
    }

    func judge(_ readers: [Reader]) {
        self.history.count { [replaced = self.archives.replaced] in $0.replaced = replaced }
        self.existence()
        self.identity()
        for transcripts in self.archives.served.values { for one in transcripts { self.laws(of: one) } }
        self.messages()
        for reader in readers { self.reading(reader) }
    }

    /// Law 8: each ended session is served once.
    private func existence() {
        let promised = Set(self.history.messages.filter { $0.seq != nil && $0.isPromised }.map(\.session))
        for id in self.sessions.keys where self.archives.served[id] == nil {
            let states = self.archives.unfinished[id]?.map { "\($0.state) in archive \($0.file)" } ?? []
            // Whole sessions are no more promised than their first event.
            if self.mayLose && !promised.contains(id) {
                self.history.count { $0.lostAndTold += 1 }
                continue
            }
            self.broken(.lost, id, nil, "no archive serves the session; \(states.joined(separator: ", "))")
        }
        for (id, transcripts) in self.archives.served where transcripts.count > 1 {
            let files = transcripts.map { "\($0.file)" }.joined(separator: ", ")
            self.broken(.duplicated, id, nil, "archives \(files) serve the session")
        }
        for (id, states) in self.archives.unfinished {
            for (state, file) in states where state != "live" || self.archives.served[id] == nil {
                if self.mayLose { continue }
                self.broken(.unsettled, id, nil, "archive \(file) has it as \(state)")
            }
        }
    }

    /// A create that is repeated with its key makes one session.
    private func identity() {
        let byUser = Dictionary(grouping: self.archives.served.values.compactMap(\.first), by: \.user)
        for (user, transcripts) in byUser
        where transcripts.count > 1 && self.sessions.values.contains(where: { $0.user == user }) {
            if self.mayLose { continue }
            let ids = transcripts.map(\.id)
            self.broken(.duplicated, ids[0], nil, "one create made \(ids.joined(separator: " and "))")
        }
    }

    private func laws(of transcript: Archives.Transcript) {
        let id = transcript.id
        // Law 3.
        for seq in 1...max(1, transcript.head) where transcript.events[seq] == nil {
            self.broken(.silentGap, id, seq, "the archived log lacks it")
        }
        if let most = transcript.events.keys.max(), most > transcript.head {
            self.broken(.silentGap, id, most, "the archived log goes beyond its head \(transcript.head)")
        }
        var contents: [String: Int] = [:]
        var warned: Set<String> = []
        var completed: Set<String> = []
        for (seq, event) in transcript.events.sorted(by: { $0.key < $1.key }) {
            let json = (try? JSONSerialization.jsonObject(with: Data(event.text.utf8))) as? [String: Any] ?? [:]
            let data = json["data"] as? [String: Any] ?? [:]
            switch event.type {
            case "user.message":
                let content = data["content"] as? String ?? ""
                if let first = contents.updateValue(seq, forKey: content) {
                    self.broken(.duplicated, id, seq, "the message is also \(first)")
                }
            case "turn.completed", "turn.failed":
                let turn = json["turnId"] as? String ?? ""
                if !completed.insert(turn).inserted { self.broken(.duplicated, id, seq, "turn \(turn) ended twice") }
                self.history.count { $0.completedTurns += 1 }
            case "session.expiring":
                let deadline = data["expiresAt"] as? String ?? ""
                if !warned.insert(deadline).inserted { self.broken(.warnedTwice, id, seq, "for \(deadline)") }
            case "session.expired": self.expired(transcript, seq, event, data, warned)
            default: break
            }
        }
        guard let session = self.sessions[id] else { return }
        if session.endAcknowledged, transcript.reason == "expired", !self.options.promisesNothing,
            !self.options.hasReplicas
        {
            self.broken(.lost, id, transcript.head, "its end was acknowledged, and it expired")
        }
        if !session.wasEnded, transcript.reason != "expired" {
            self.broken(.early, id, transcript.head, "nobody ended it: \(transcript.reason)")
        }
    }

    /// Laws 1 and 2 at the end of a session that expired.
    private func expired(
        _ transcript: Archives.Transcript, _ seq: Int, _ event: Archives.Event, _ data: [String: Any],
        _ warned: Set<String>
    ) {
        guard let deadline = Client.time(data["expiredAt"]), let text = data["expiredAt"] as? String else {
            return self.broken(.strange, transcript.id, seq, "session.expired does not say when")
        }
        let late = event.at - deadline
        self.history.count { $0.latest = max($0.latest, late) }
        if late > Self.patience {
            let excused = self.history.trouble(from: deadline - 2000, to: event.at, recovery: Self.recovery)
            if late - excused > Self.patience {
                self.broken(
                    .late, transcript.id, seq, "\(Int(late)) ms after its deadline, \(Int(excused)) of them excused")
            } else {
                self.history.count { $0.lateExplained += 1 }
            }
        }
        guard let session = self.sessions[transcript.id] else { return }
        // An acknowledged renewal is lost only where a failover is told by another epoch.
        let before = session.deadline - min(event.at, deadline)
        if before > 0 {
            let isTold = Set(transcript.epochs).count > 1 && session.promisedDeadline <= min(event.at, deadline)
            if isTold, self.mayLose {
                self.history.count { $0.earlyAndTold += 1 }
            } else {
                self.broken(.early, transcript.id, seq, "\(Int(before)) ms before the deadline that was acknowledged")
            }
        }
        guard session.isPlain, data["reason"] as? String == "timeout", !warned.contains(text) else { return }
        self.history.count { $0.unwarned += 1 }
        if self.history.trouble(from: deadline - session.timeout / 2, to: event.at, recovery: Self.recovery) == 0 {
            self.broken(.late, transcript.id, seq, "it expired without a warning")
        }
    }

    /// Law 8: no acknowledged message is missing.
    private func messages() {
        var places: [String: [String: Int]] = [:]
        for (id, transcripts) in self.archives.served {
            for (seq, event) in transcripts.first?.events ?? [:] where event.type == "user.message" {
                guard let json = try? JSONSerialization.jsonObject(with: Data(event.text.utf8)) as? [String: Any],
                    let content = (json["data"] as? [String: Any])?["content"] as? String
                else { continue }
                places[id, default: [:]][content.trimmingCharacters(in: .whitespaces)] = seq
            }
        }
        for message in self.history.messages {
            guard let seq = message.seq, let transcript = self.archives.served[message.session]?.first else { continue }
            let place = places[message.session]?[message.content]
            if place == seq { continue }
            if let place {
                if message.isPromised {
                    self.broken(
                        .lost, message.session, seq, "the message was acknowledged there and stands at \(place)")
                }
                continue
            }
            // A new epoch that begins no later than the message says that it is gone.
            let told =
                transcript.events[seq].map { $0.epoch != transcript.events[1]?.epoch }
                ?? (Set(transcript.epochs).count > 1)
            if !message.isPromised, told {
                self.history.count { $0.lostAndTold += 1 }
            } else {
                self.broken(
                    .lost, message.session, seq,
                    "'\(message.content.prefix(40))' was acknowledged"
                        + (message.isPromised ? "" : ", without a promise, and nothing tells that it is gone"))
            }
        }
    }

    /// What a reader holds to be the log is the log, but for what it was told.
    private func reading(_ reader: Reader) {
        let seen = reader.seen
        guard let end = seen.end else {
            return self.broken(.unsettled, reader.session, seen.last, "a reader never came to the end")
        }
        guard let transcript = self.archives.served[reader.session]?.first else { return }
        for (seq, event) in seen.events {
            if let archived = transcript.events[seq], archived.text.hashValue == event.text { continue }
            if self.mayLose, transcript.events[seq].map({ $0.epoch != event.epoch }) ?? true {
                // Who comes too late is told that it is over, and reads the archive, where the epoch says what is gone.
                if case .status = end { continue }
                // Who had the end of the log and left before another branch of it was begun can be told nothing more.
                let begun = transcript.events.values.filter { $0.epoch != event.epoch && $0.at > seen.endedAt }
                if !begun.isEmpty {
                    self.history.count { $0.leftBefore += 1 }
                    continue
                }
            }
            self.broken(.silentGap, reader.session, seq, "a reader holds an event that is not in the log")
        }
        let lastAt = transcript.events[transcript.head]?.at ?? 0
        guard case .closed = end, !(self.mayLose && seen.endedAt < lastAt) else { return }
        for seq in 1...max(1, transcript.head)
        where seen.events[seq] == nil && !seen.told.contains(where: { $0.contains(seq) }) {
            self.broken(.silentGap, reader.session, seq, "a reader that came to the end never got it")
        }
    }
}
