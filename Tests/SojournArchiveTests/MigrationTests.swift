import Testing

@testable import SojournArchive

/// Files of earlier versions.
@Suite struct Migrating {
    /// A file of version 1.4 with a session in each state, and one twice in quarantine.
    private func oldFile(_ path: String) async throws {
        let old = try await openArchive(path, migrations: Schema.migrations.filter { $0.version <= 1_004 })
        try await old.commit([transcript("served"), transcript("other", token: token(2), count: 2)])
        await old.close()
        let connection = try Connection(path: path)
        defer { connection.close() }
        for (handover, id, state) in [
            (10, "lives", "live"), (11, "waits", "prepared"), (12, "odd", "quarantined"), (13, "odd", "quarantined"),
            (14, "served", "prepared"), (15, "served", "quarantined"),
        ] {
            try connection.run(
                """
                INSERT INTO sessions (handover, id, agent, user, created_at, ended_at, reason, head, state, token_major,
                    token_random, info, event_count, bytes, archived_at)
                VALUES (?, ?, 'agent', 'user', 1, 2, 'ended', 1, ?, 1, 'old', '{}', 1, 2, 3)
                """, handover, id, state)
            try connection.run("INSERT INTO events VALUES (?, 1, 'e', 1, 'user.message', '{}')", handover)
        }
    }

    private static let content = [
        "SELECT group_concat(\(columns), ';') FROM (SELECT * FROM sessions ORDER BY handover)",
        "SELECT group_concat(quote(handover) || quote(seq) || quote(body), ';') FROM (SELECT * FROM events ORDER BY 1, 2)",
    ]
    private static let columns = [
        "handover", "id", "agent", "user", "created_at", "ended_at", "reason", "head", "state", "token_major",
        "token_random", "info", "event_count", "bytes", "archived_at", "chain",
    ].map { "quote(\($0))" }.joined(separator: " || ")

    @Test func `a file of version 1.4 keeps what it has, state by state`() async throws {
        let folder = try TemporaryFolder()
        try await self.oldFile(folder.file())
        let connection = try Connection(path: folder.file())
        var before: [String?] = []
        for query in Self.content { before.append(try connection.statement(query).first { $0.text(0) }) }
        connection.close()

        let archive = try await openArchive(folder.file())
        #expect(try await archive.count("PRAGMA user_version") == 2_000)
        let after = try await archive.read { connection throws(ArchiveError) in
            var after: [String?] = []
            for query in Self.content { after.append(try connection.statement(query).first { $0.text(0) }) }
            return after
        }
        #expect(after == before)
        #expect(
            try await archive.count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") == 0)
        let stats = try await archive.stats()
        #expect((stats.committed, stats.events) == (2, 7))
        #expect((stats.live, stats.prepared, stats.quarantined) == (1, 2, 3))
        #expect(try await archive.open("lives")?.handover == 10)
        #expect(try await archive.prepared().map(\.header.id) == ["waits", "served"])
        #expect(try await archive.quarantined().map(\.header.id) == ["odd", "odd", "served"])
        #expect(try await archive.all("served") == transcript("served").events)
        #expect(
            try await archive.settle([Settlement(id: "waits", token: token(1, "old"), outcome: .committed)])
                == [.committed])
        #expect(try await archive.all("waits").count == 1)
        await archive.close()
    }

    @Test func `lost events of a file of version 1.4 get the user of their session, where it is still there`()
        async throws
    {
        let folder = try TemporaryFolder()
        try await self.oldFile(folder.file())
        let connection = try Connection(path: folder.file())
        for id in ["served", "odd", "forgotten"] {
            try connection.run(
                "INSERT INTO lost_events VALUES (?, 1, 'e', 1, 'user.message', '{}', 1, 'old', 2, 3, 'new')", id)
        }
        connection.close()
        let archive = try await openArchive(folder.file())
        #expect(try await archive.stats().lostEvents == 3)
        #expect(try await archive.lostEvents("served").first?.replacedBy == token(3, "new"))
        _ = try await archive.write { connection throws(ArchiveError) in
            // Only what is lost: the sessions go otherwise.
            try connection.run("DELETE FROM sessions")
        }
        _ = try await archive.carryOut(Purge(number: 1, kind: .user, id: "user", at: 50))
        #expect(try await archive.lostEvents("served").isEmpty)
        #expect(try await archive.lostEvents("odd").isEmpty)
        #expect(try await archive.lostEvents("forgotten").count == 1)
        await archive.close()
    }

    @Test(arguments: [("lives", "live"), ("waits", "prepared"), ("served", "committed"), ("served", "prepared")])
    func `a file of version 1.4 refuses a second hand-over of a session in one state`(
        id: String, state: String
    ) async throws {
        let folder = try TemporaryFolder()
        try await self.oldFile(folder.file())
        let archive = try await openArchive(folder.file())
        let error = await failure { () throws(ArchiveError) in try await archive.double(id, as: state) }
        #expect(error?.name == "SQLITE_CONSTRAINT")
        await archive.close()
    }

    @Test func `a session may be in quarantine any number of times`() async throws {
        let folder = try TemporaryFolder()
        try await self.oldFile(folder.file())
        let archive = try await openArchive(folder.file())
        try await archive.double("odd", as: "quarantined")
        #expect(try await archive.quarantine(["lives", "odd"]) == 1)
        let aside = Settlement(id: "served", token: token(1, "old"), outcome: .quarantined)
        #expect(try await archive.settle([aside]) == [.quarantined])
        #expect(try await archive.stats().quarantined == 6)
        await archive.close()
    }
}

extension Archive {
    /// Inserts one more hand-over of a session.
    fileprivate func double(_ id: String, as state: String) async throws(ArchiveError) {
        try await self.write { connection throws(ArchiveError) in
            try connection.run(
                """
                INSERT INTO sessions (id, agent, user, created_at, ended_at, reason, head, state, token_major,
                    token_random, info, event_count, bytes, archived_at)
                VALUES (?, 'agent', 'user', 1, 2, 'ended', 1, ?, 9, 'more', '{}', 0, 0, 3)
                """, id, state)
        }
    }
}
