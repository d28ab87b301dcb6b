import Glibc
import SojournCore

/// Reading what is served: committed hand-overs only.
extension Archive {
    /// The most events or sessions in one page.
    public static let maximumPage = 1_000

    /// The session with this id, if the archive serves it.
    public func session(_ id: String) async throws(ArchiveError) -> ArchivedSession? {
        try await self.read { connection throws(ArchiveError) in try connection.session(id) }
    }

    /// Whether the archive serves this session.
    public func exists(_ id: String) async throws(ArchiveError) -> Bool {
        try await self.read { connection throws(ArchiveError) in
            try connection.integer("SELECT 1 FROM sessions WHERE id = ? AND state = 'committed'", id) != nil
        }
    }

    /// A page of a session's events; empty when the archive does not serve it.
    ///
    /// - Parameters:
    ///   - after: only events with a greater seq.
    ///   - before: only events with a smaller seq.
    ///   - limit: 1 to ``maximumPage``; other values are clamped.
    ///   - newestFirst: begin at the end.
    ///   - types: only events of these types; nil for all.
    public func events(
        _ id: String, after: Int? = nil, before: Int? = nil, limit: Int, newestFirst: Bool = false,
        types: [String]? = nil
    ) async throws(ArchiveError) -> EventPage {
        try await self.read { connection throws(ArchiveError) in
            try connection.events(
                id, after: after, before: before, limit: Self.clamp(limit), newestFirst: newestFirst, types: types)
        }
    }

    /// A page of the served sessions, the ones that ended last first.
    ///
    /// - Parameters:
    ///   - agent: only sessions of this agent.
    ///   - user: only sessions of this user.
    ///   - limit: 1 to ``maximumPage``; other values are clamped.
    ///   - before: where the page before this one ended.
    public func list(
        agent: String? = nil, user: String? = nil, limit: Int, before: ListPosition? = nil
    ) async throws(ArchiveError) -> SessionPage {
        try await self.read { connection throws(ArchiveError) in
            try connection.list(agent: agent, user: user, limit: Self.clamp(limit), before: before)
        }
    }

    /// What the archive holds. The cost grows with the number of sessions (an index is scanned), so ask
    /// rarely.
    public func stats() async throws(ArchiveError) -> ArchiveStats {
        var stats = try await self.read { connection throws(ArchiveError) in try connection.stats() }
        stats.fileBytes = Self.size(of: self.path) + Self.size(of: self.path + "-wal")
        return stats
    }

    /// Says on the log that a read failed.
    public func tell(_ error: ArchiveError) {
        self.log(
            .error, "the archive could not be read; the request fails",
            ["archive.path": self.path, "error": "\(error)"])
    }

    private static func clamp(_ limit: Int) -> Int { min(max(limit, 1), Self.maximumPage) }

    private static func size(of path: String) -> Int {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? status.st_size : 0
    }
}
