package import SojournCore

extension StoreShard {
    /// Ends a session's life early; it stays readable, and writes are refused. Again, it does nothing.
    ///
    /// - Returns: the session as it is then.
    /// - Throws: `SESSION_EXPIRED`, `SESSION_NOT_FOUND`; `ARCHIVE_UNAVAILABLE` where nobody archives.
    package func archive(_ id: SessionID) async throws(StoreError) -> Session {
        guard self.archiving else {
            throw StoreError(.archiveUnavailable, "This store keeps no archive: a session can only be deleted")
        }
        if try await self.end(id, reason: .archived) == nil {
            let error = try await self.gone(id)
            guard error.code == .sessionArchived else { throw error }
        }
        self.knownSessions.forget(id)
        return try await self.anySession(id)
    }

    /// The ids of all archives of this keyspace, whether their archivists live or not.
    package func knownArchives() async throws(StoreError) -> [String] {
        try await self.pairs(self.keyspace.archives).keys.sorted()
    }
}
