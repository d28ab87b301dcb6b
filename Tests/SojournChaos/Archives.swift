import Foundation
import SojournTesting

/// What the archives of all nodes hold at the end of a run, read by plain SQL.
struct Archives {
    struct Event {
        let epoch: String
        let at: Double
        let type: String
        let text: String
    }

    struct Transcript {
        let id: String
        let file: Int
        let user: String
        let reason: String
        let head: Int
        var events: [Int: Event] = [:]

        /// The epoch that a seq was written in; nil when it is not there.
        var epochs: [String] { self.events.sorted { $0.key < $1.key }.map(\.value.epoch) }
    }

    /// What is served, by session; more than one of a session is a fault.
    private(set) var served: [String: [Transcript]] = [:]
    /// What was copied or prepared and never served, by session: its state and the file.
    private(set) var unfinished: [String: [(state: String, file: Int)]] = [:]
    /// Events that a later hand-over has replaced.
    private(set) var replaced = 0

    init(_ crew: Crew) throws {
        for place in 0..<Crew.nodes {
            let file = try TranscriptFile(crew.archive(place))
            self.replaced += try file.rows("SELECT count(*) FROM lost_events").first.flatMap { Int($0[0]) } ?? 0
            var byHandOver: [String: Transcript] = [:]
            let rows = try file.rows("SELECT handover, id, user, reason, head, state FROM sessions")
            for row in rows {
                guard row[5] == "committed" else {
                    self.unfinished[row[1], default: []].append((row[5], place))
                    continue
                }
                byHandOver[row[0]] = Transcript(
                    id: row[1], file: place, user: row[2], reason: row[3], head: Int(row[4]) ?? -1)
            }
            for row in try file.rows("SELECT handover, seq, epoch, at, type, CAST(body AS TEXT) FROM events") {
                byHandOver[row[0]]?.events[Int(row[1]) ?? -1] = Event(
                    epoch: row[2], at: Double(row[3]) ?? 0, type: row[4], text: row[5])
            }
            for transcript in byHandOver.values { self.served[transcript.id, default: []].append(transcript) }
        }
    }
}
