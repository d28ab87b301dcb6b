public import SojournCore

/// Where a turn stands.
public enum TurnStatus: String, Sendable, CaseIterable {
    case queued
    case running
    case waiting
    case completed
    case failed
    case cancelled

    /// The letter in a turn's record; see `lua/include/turn.lua`.
    init?(letter: some StringProtocol) {
        switch letter {
        case "q": self = .queued
        case "r": self = .running
        case "c": self = .completed
        case "f": self = .failed
        case "x": self = .cancelled
        default: return nil
        }
    }
}

/// One unit of an agent's work in a session.
public struct Turn: Sendable, Hashable {
    /// Its id.
    public let id: TurnID
    /// Where it stands.
    public let status: TurnStatus
    /// The seqs of the messages that it answers.
    public let input: [Int]
    /// How often it was given to a worker.
    public let attempt: Int
    /// When it was opened.
    public let queuedAt: Instant
    /// When it was given to a worker last.
    public let startedAt: Instant?
    /// When it ended.
    public let endedAt: Instant?

    /// Reads a record of `lua/include/turn.lua`.
    init?(_ id: TurnID, record: String, isWaiting: Bool = false) {
        let parts = record.split(separator: "|", omittingEmptySubsequences: false)
        guard parts.count == 6, let status = TurnStatus(letter: parts[0]), let attempt = Int(parts[2]),
            let queued = Int64(parts[3])
        else { return nil }
        self.id = id
        self.status = status == .running && isWaiting ? .waiting : status
        self.input = Self.seqs(parts[1])
        self.attempt = attempt
        self.queuedAt = Instant(milliseconds: queued)
        self.startedAt = Int64(parts[4]).map(Instant.init(milliseconds:))
        self.endedAt = Int64(parts[5]).map(Instant.init(milliseconds:))
    }

    static func seqs(_ text: some StringProtocol) -> [Int] { text.split(separator: ",").compactMap { Int($0) } }
}

/// An entry of a session's queue.
public enum QueueEntry: Sendable, Hashable {
    /// A turn that waits for a worker.
    case turn(Turn)
    /// A message that waits for the running turn to take it.
    case steered(seq: Int)

    /// What names it, to cancel it.
    public var name: String {
        switch self {
        case .turn(let turn): String(turn.id.number)
        case .steered(let seq): "s\(seq)"
        }
    }
}

/// The turns of a session: those that are open, and the last of those that are over.
public struct TurnBook: Sendable {
    /// In the order of their numbers.
    public let turns: [Turn]
    /// What waits, in order.
    public let queue: [QueueEntry]
    /// The running turn.
    public let running: Turn?
    /// When its lease ends.
    public let leaseEnd: Instant?
}

/// A turn in the hands of a worker.
public struct LeasedTurn: Sendable {
    /// The turn.
    public let turn: Turn
    /// What the worker must show with everything it does; compared by equality.
    public let token: String
    /// When it must have been extended or ended.
    public let leaseEnd: Instant
    /// The session.
    public let session: Session
    /// What it has to answer.
    public let messages: [Message]
    /// What was said and done before, oldest first: messages, tool calls and results as they are stored.
    public let history: [Event]
    /// How many turns wait behind it.
    public let queued: Int
}

/// What a worker learns when it extends its lease.
public enum Extension: Sendable {
    /// It goes on until then, with these messages that were handed to it meanwhile; the log had `head` events.
    case until(Instant, steered: [Message], head: Int)
    /// It must stop: the turn is over.
    case stop(TurnStatus?)
}

/// A write that a worker or a client may repeat: the same key and request within 24 hours get the same answer.
public struct Idempotency: Sendable, Hashable {
    let hash: String
    let fingerprint: String

    /// - Parameters:
    ///   - key: what the client chose.
    ///   - request: all that the request asks for, as bytes.
    public init(key: String, request: [UInt8]) {
        self.hash = Hex.encode(Digest.sha256Prefix(key))
        self.fingerprint = "f" + Hex.encode(Digest.sha256Prefix(request))
    }
}
