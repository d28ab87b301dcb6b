import Foundation
import SojournLoop

/// What clients were told, by which the laws are judged. Times are milliseconds of this machine's clock, which is that
/// of Redis, too.
final class History: Sendable {
    /// What was acknowledged of one session.
    struct Session: Sendable {
        let id: String
        let user: String
        /// Whether nobody works on its turns, so that its deadline is what the answers say.
        let isPlain: Bool
        let timeout: Double
        /// The latest deadline that was acknowledged, and the latest one that must survive a failover.
        var deadline = 0.0
        var promisedDeadline = 0.0
        /// Whether somebody asked for its end, and whether that was acknowledged.
        var wasEnded = false
        var endAcknowledged = false
    }

    /// A message and what became of it.
    struct Message: Sendable {
        let session: String
        let content: String
        /// nil when nobody ever said that it was logged.
        let seq: Int?
        /// Whether it must not be lost.
        let isPromised: Bool
        let at: Double
    }

    /// A law that was broken.
    struct Violation: Sendable {
        enum Law: String, CaseIterable, Sendable {
            case lost, duplicated, early, late
            case warnedTwice = "warned twice"
            case silentGap = "silent gap"
            case leaked
            case strange = "strange answer"
            case crash, unsettled
        }
        let law: Law
        let session: String?
        let seq: Int?
        let sentence: String
    }

    struct Counts: Sendable {
        var operations = 0
        var acknowledged = 0
        /// Acknowledged, but said to be on fewer replicas than asked for.
        var notPromised = 0
        /// Never acknowledged and never refused.
        var unknown = 0
        var retries = 0
        /// By what is found at the end.
        var lostAndTold = 0
        var earlyAndTold = 0
        var lateExplained = 0
        var latest = 0.0
        var gapsTold = 0
        var unwarned = 0
        var failovers = 0
        var leftBefore = 0
        var bytesCut = 0
        var deliveries = 0
        var connections = 0
        var slowEvents = 0
        var replaced = 0
        var readBack = 0
        var completedTurns = 0
    }

    private struct State {
        var sessions: [String: Session] = [:]
        var messages: [Message] = []
        var violations: [Violation] = []
        var counts = Counts()
        var faults: [Fault.Kind: Int] = [:]
        /// When harm was done and the system had to recover; open ones have no end yet.
        var troubles: [(from: Double, to: Double)] = []
    }

    private let state = Locked(State())

    static var now: Double { Date().timeIntervalSince1970 * 1000 }

    var sessions: [String: Session] { self.state.withLock { $0.sessions } }
    var messages: [Message] { self.state.withLock { $0.messages } }
    var violations: [Violation] { self.state.withLock { $0.violations } }
    var counts: Counts { self.state.withLock { $0.counts } }
    var faults: [Fault.Kind: Int] { self.state.withLock { $0.faults } }

    func count(_ change: @Sendable (inout Counts) -> Void) { self.state.withLock { change(&$0.counts) } }

    func began(_ session: Session) { self.state.withLock { $0.sessions[session.id] = session } }

    func change(_ session: String, _ change: @Sendable (inout Session) -> Void) {
        self.state.withLock { if $0.sessions[session] != nil { change(&$0.sessions[session, default: Self.nobody]) } }
    }

    private static let nobody = Session(id: "", user: "", isPlain: false, timeout: 0)

    func said(_ message: Message) {
        self.state.withLock { state in
            state.messages.append(message)
            if message.seq == nil { state.counts.unknown += 1 }
        }
    }

    func violation(_ law: Violation.Law, _ session: String?, _ seq: Int?, _ sentence: String) {
        self.state.withLock { state in
            state.violations.append(Violation(law: law, session: session, seq: seq, sentence: sentence))
        }
    }

    // MARK: Trouble

    /// Notes that harm begins; returns what ends it.
    func harm(_ kind: Fault.Kind) -> @Sendable () -> Void {
        let place = self.state.withLock { state -> Int in
            state.faults[kind, default: 0] += 1
            state.troubles.append((Self.now, .infinity))
            return state.troubles.count - 1
        }
        return { self.state.withLock { $0.troubles[place].to = Self.now } }
    }

    /// For how much of a time harm was done, or the system had no more than `recovery` milliseconds since.
    func trouble(from: Double, to: Double, recovery: Double) -> Double {
        let windows = self.state.withLock { $0.troubles }.map { ($0.from, $0.to + recovery) }.sorted { $0.0 < $1.0 }
        var covered = 0.0
        var at = from
        for (begin, end) in windows where end > at && begin < to {
            covered += max(0, min(end, to) - max(begin, at))
            at = max(at, min(end, to))
        }
        return covered
    }
}
