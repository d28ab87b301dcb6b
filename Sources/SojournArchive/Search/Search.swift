/// A search of one archive.
public struct SearchRequest: Sendable, Hashable {
    /// In which order hits come.
    public enum Order: String, Sendable, CaseIterable {
        /// The best first, of the newest ``SearchRequest/candidates`` messages that match.
        case rank
        /// The newest first, of all.
        case time
    }

    /// How many matches are ranked against each other.
    public static let candidates = 1_000

    /// What is searched for.
    public var query: SearchQuery
    /// Only sessions of this agent.
    public var agent: String?
    /// Only sessions of this user.
    public var user: String?
    /// Only messages of this time or later, in ms.
    public var from: Int64?
    /// Only messages before this time, in ms.
    public var to: Int64?
    /// The order of the hits.
    public var order = Order.rank
    /// How many hits at most: 1 to 100; other values are clamped.
    public var limit = 20
    /// The last hit of the page before this one.
    public var after: SearchPosition?
    /// The newest document of the first page, so that messages that came later do not shift the pages.
    public var top: Int64?

    /// A search for the best messages anywhere.
    public init(_ query: SearchQuery) { self.query = query }
}

/// The place of a hit among those of all archives.
public struct SearchPosition: Sendable, Hashable, Comparable {
    /// Its rank, in thousandths; 0 in the order of time.
    public var rank: Int
    /// The number of its document.
    public var document: Int64
    /// The archivist that has it.
    public var archivist: String

    /// A place from its parts.
    public init(rank: Int, document: Int64, archivist: String) {
        (self.rank, self.document, self.archivist) = (rank, document, archivist)
    }

    /// Whether the left one comes later.
    public static func < (left: Self, right: Self) -> Bool {
        (left.rank, left.document, left.archivist) < (right.rank, right.document, right.archivist)
    }
}

/// A message that was found.
public struct SearchHit: Sendable, Hashable {
    /// Begins what matches in a snippet.
    public static let markStart: Character = "\u{2}"
    /// Ends it.
    public static let markEnd: Character = "\u{3}"

    /// The session it was said in.
    public let session: String
    /// Its place in the session's log.
    public let seq: Int
    /// When it was said, in ms of Redis time.
    public let at: Int64
    /// The type of its event, such as `user.message`.
    public let type: String
    /// The agent of the session.
    public let agent: String
    /// The user of the session.
    public let user: String
    /// Whether the session lives.
    public let isLive: Bool
    /// The part of its text that matches best, with marks around what matches.
    public let snippet: String
    /// How well it matches, in thousandths: more is better. It grows with the number of matches, more with those of
    /// words that few of the matches have, and shrinks with the length of the message.
    public let rank: Int
    /// The number of its document.
    public let document: Int64

    /// A hit from its parts.
    public init(
        session: String, seq: Int, at: Int64, type: String, agent: String, user: String, isLive: Bool, snippet: String,
        rank: Int, document: Int64
    ) {
        (self.session, self.seq, self.at, self.type) = (session, seq, at, type)
        (self.agent, self.user, self.isLive) = (agent, user, isLive)
        (self.snippet, self.rank, self.document) = (snippet, rank, document)
    }
}

/// A page of hits.
public struct SearchPage: Sendable, Hashable {
    /// The hits, in the order that was asked for.
    public var hits: [SearchHit]
    /// Whether more follow.
    public var hasMore: Bool
    /// Whether there are older matches, which were not ranked.
    public var isCut: Bool
    /// The newest document that matches; 0 when none does.
    public var top: Int64

    /// A page from its parts.
    public init(hits: [SearchHit], hasMore: Bool, isCut: Bool, top: Int64) {
        (self.hits, self.hasMore, self.isCut, self.top) = (hits, hasMore, isCut, top)
    }
}

extension Archive {
    /// The messages that match, of served sessions and of those that are followed while they live.
    ///
    /// A message is found a moment after it was written: within a second, unless more are written than can be indexed.
    public func search(_ request: SearchRequest) async throws(ArchiveError) -> SearchPage {
        let archivist = self.id
        return try await self.search { connection throws(ArchiveError) in
            try connection.search(request, archivist: archivist)
        }
    }

    /// How many events wait to be indexed, at most.
    public func unindexed() async throws(ArchiveError) -> Int {
        Int(try await self.search { connection throws(ArchiveError) in try connection.unindexed() })
    }

    /// Indexes what waits for it, telling `progress` how many events still wait; for a program that has no time to wait
    /// until the archive does it by itself.
    public func index(progress: @escaping @Sendable (Int) -> Void) async throws(ArchiveError) {
        while true {
            let left = try await self.unindexed()
            progress(left)
            let more = try await self.read { connection throws(ArchiveError) in try connection.doChore(5_000) }
            if !more { return }
        }
    }
}
