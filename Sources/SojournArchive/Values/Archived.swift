/// A session the archive serves.
public struct ArchivedSession: Sendable, Equatable {
    /// Who, when and why.
    public let header: SessionHeader
    /// The token of the hand-over that brought it.
    public let token: HandoverToken
    /// The JSON bytes given when it was handed over.
    public let info: [UInt8]
    /// How many events the archive holds.
    public let eventCount: Int
    /// The size of their bodies in bytes.
    public let bytes: Int
    /// When it was written, in milliseconds of this node's clock; for people only.
    public let archivedAt: Int64
}

/// A page of the events of one session.
public struct EventPage: Sendable, Equatable {
    /// The events, in the order that was asked for.
    public let events: [TranscriptEvent]
    /// Whether more events follow in that order.
    public let hasMore: Bool
}

/// A place in the list of ended sessions, which is newest first by end and then by id.
public struct ListPosition: Sendable, Hashable {
    /// When the session at this place ended, in milliseconds of Redis time.
    public let endedAt: Int64
    /// Its id.
    public let id: String

    /// The place of the session with this end and id.
    public init(endedAt: Int64, id: String) {
        self.endedAt = endedAt
        self.id = id
    }
}

/// A page of the list of ended sessions.
public struct SessionPage: Sendable, Equatable {
    /// The sessions, newest first.
    public let sessions: [ArchivedSession]
    /// Whether older ones follow.
    public let hasMore: Bool

    /// Where the next page begins; nil for an empty page.
    public var end: ListPosition? {
        self.sessions.last.map { ListPosition(endedAt: $0.header.endedAt, id: $0.header.id) }
    }
}

/// What the archive holds and has done.
public struct ArchiveStats: Sendable, Equatable {
    /// Sessions that are served.
    public var committed = 0
    /// Sessions that live and are followed.
    public var live = 0
    /// Hand-overs that wait for their settlement.
    public var prepared = 0
    /// Hand-overs that no tombstone explains.
    public var quarantined = 0
    /// Events that are served.
    public var events = 0
    /// The size of their bodies in bytes.
    public var bytes = 0
    /// Events that later hand-overs replaced.
    public var lostEvents = 0
    /// The size of the file with its write-ahead log, in bytes.
    public var fileBytes = 0
    /// Transactions that were committed since the archive was opened.
    public var transactions = 0
}
