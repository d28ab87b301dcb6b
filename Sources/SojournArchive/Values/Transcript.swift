/// One durable event of a session, as the live log held it.
public struct TranscriptEvent: Sendable, Hashable {
    /// Its place in the session's log, from 1, without gaps.
    public let seq: Int
    /// The branch of the log it was written on.
    public let epoch: String
    /// When it was appended, in milliseconds of Redis time.
    public let at: Int64
    /// Its type, such as `user.message`.
    public let type: String
    /// The bytes that were published; the archive returns exactly these.
    public let body: [UInt8]

    /// An event from its parts.
    public init(seq: Int, epoch: String, at: Int64, type: String, body: [UInt8]) {
        self.seq = seq
        self.epoch = epoch
        self.at = at
        self.type = type
        self.body = body
    }
}

/// What identifies an ended session and says how it ended.
public struct SessionHeader: Sendable, Hashable {
    /// Why the life of the session was over.
    public enum Reason: String, Sendable, CaseIterable {
        /// Its deadline passed.
        case expired
        /// Somebody ended it.
        case ended
        /// It was archived early.
        case archived
    }

    /// The session id.
    public let id: String
    /// The agent that answered.
    public let agent: String
    /// The user whose session it was.
    public let user: String
    /// The conversation key, if it had one.
    public let key: String?
    /// When it was created, in milliseconds of Redis time.
    public let createdAt: Int64
    /// When its life was over, in milliseconds of Redis time.
    public let endedAt: Int64
    /// Why its life was over.
    public let reason: Reason
    /// The seq of its last event; 0 when it has none.
    public let head: Int

    /// A header from its parts.
    public init(
        id: String, agent: String, user: String, key: String?, createdAt: Int64, endedAt: Int64, reason: Reason,
        head: Int
    ) {
        self.id = id
        self.agent = agent
        self.user = user
        self.key = key
        self.createdAt = createdAt
        self.endedAt = endedAt
        self.reason = reason
        self.head = head
    }
}

/// Everything one hand-over brings: the session, the token of the claim, and its events.
///
/// The events are gapless and end at the header's head. They begin at 1, or later when what came before
/// them was handed over earlier.
public struct Transcript: Sendable, Hashable {
    /// Who, when and why.
    public let header: SessionHeader
    /// The token of the claim under which the events were read.
    public let token: HandoverToken
    /// JSON bytes the archive keeps and returns unread: metadata, timeouts, renewal count and the like.
    public let info: [UInt8]
    /// The events, oldest first.
    public let events: [TranscriptEvent]
    /// Whether it is known and accepted that what came before the events is nowhere any more.
    public let isPartial: Bool

    /// A transcript from its parts.
    public init(
        header: SessionHeader, token: HandoverToken, info: [UInt8], events: [TranscriptEvent], isPartial: Bool = false
    ) {
        self.isPartial = isPartial
        self.header = header
        self.token = token
        self.info = info
        self.events = events
    }

    /// What makes this no transcript, as a sentence for the log; nil when it is one.
    var flaw: String? {
        let first = self.header.head - self.events.count + 1
        guard first >= 1 else { return "it has \(self.events.count) events, but its head is \(self.header.head)" }
        for (offset, event) in self.events.enumerated() where event.seq != first + offset {
            return "it has \(self.events.count) events up to head \(self.header.head), so seq \(first + offset) was "
                + "expected where \(event.seq) stands"
        }
        return nil
    }
}
