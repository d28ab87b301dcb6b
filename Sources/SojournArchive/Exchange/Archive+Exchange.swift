/// Moving sessions between archives, and checking them.
extension Archive {
    /// The next part of an export, after a position; 0 is the beginning. Sessions that are archived meanwhile come at the
    /// end, so nothing is left out between two parts.
    public func export(after position: Int64, _ filter: ExportFilter = ExportFilter()) async throws(ArchiveError)
        -> ExportPage
    {
        try await self.search { connection throws(ArchiveError) in try connection.export(after: position, filter) }
    }

    /// Checks the next sessions after a position, 0 being the beginning: their events against their hash chains.
    public func verify(after position: Int64) async throws(ArchiveError) -> VerifyPage {
        try await self.search { connection throws(ArchiveError) in try connection.verify(after: position, limit: 500) }
    }

    /// How many sessions are served, and how many of them up to a position of an export or a check.
    public func progress(at position: Int64) async throws(ArchiveError) -> (done: Int, total: Int) {
        try await self.search { connection throws(ArchiveError) in
            let done = try connection.integer(
                """
                SELECT count(*) FROM sessions INDEXED BY sessions_by_coming WHERE state = 'committed' AND handover <= ?
                """, position)
            let total = try connection.integer(
                "SELECT count(*) FROM sessions INDEXED BY sessions_by_coming WHERE state = 'committed'")
            return (Int(done ?? 0), Int(total ?? 0))
        }
    }

    func take(_ batch: [ExportedSession]) async throws(ArchiveError) -> [ImportResult] {
        try await self.write { connection throws(ArchiveError) in try connection.take(batch, now: Self.now()) }
    }

    /// The hash chain over the events of a served session, 64 hexadecimal digits; nil when it is not served.
    public func chain(of id: String) async throws(ArchiveError) -> String? {
        try await self.search { connection throws(ArchiveError) in try connection.servedChain(of: id) }
    }
}
