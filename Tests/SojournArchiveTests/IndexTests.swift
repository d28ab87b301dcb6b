import Foundation
import SojournLoop
import SojournTesting
import Testing

@testable import SojournArchive

/// The index follows the rows, whatever happens to them.
@Suite struct IndexTests {
    private func stretch(_ id: String, _ events: [TranscriptEvent], head: Int? = nil) -> LiveStretch {
        LiveStretch(
            id: id, agent: "agent", user: "user", key: nil, createdAt: 1, info: Array("{}".utf8),
            head: head ?? events.last?.seq ?? 0, events: events)
    }

    /// What is wrong with the index, as FTS5 and the tables see it.
    private func flaws(_ archive: Archive) async throws -> Int64 {
        try await archive.index { _ in }
        return try await archive.read { connection throws(ArchiveError) in
            try connection.run("INSERT INTO search (search) VALUES ('integrity-check')")
            return try connection.integer(
                """
                SELECT (SELECT count(*) FROM messages m LEFT JOIN events e ON e.handover = m.handover AND e.seq = m.seq
                    WHERE e.seq IS NULL) + (SELECT count(*) FROM events e LEFT JOIN messages m
                    ON e.handover = m.handover AND e.seq = m.seq
                    WHERE m.seq IS NULL AND e.type IN (\(Schema.messageTypes)))
                """) ?? -1
        }
    }

    @Test func `what is only prepared is not found, and what was discarded never`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let session = transcript("s", events: [message(1, "word")])
            _ = try await archive.prepare([session])
            #expect(try await archive.find("word").isEmpty)
            try await archive.settle([Settlement(id: "s", token: token(1), outcome: .discarded)])
            #expect(try await archive.find("word").isEmpty)
            #expect(try await self.flaws(archive) == 0)
            // Its row numbers are used again, by events that are still to be indexed.
            try await archive.commit([transcript("t", events: [message(1, "other"), message(2, "word")])])
            #expect(try await archive.find("word") == ["t/2"])
            #expect(try await self.flaws(archive) == 0)
        }
    }

    @Test func `live sessions are found as they go, and once after their end`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.follow([self.stretch("s", [message(1, "word one")])])
            #expect(try await archive.find("word") == ["s/1"])
            _ = try await archive.follow([self.stretch("s", [message(2, "word two"), message(3, "word lost")])])
            #expect(try await archive.find("word") { $0.order = .time } == ["s/3", "s/2", "s/1"])
            // A failover lost the third event, and another one took its place.
            _ = try await archive.follow([self.stretch("s", [message(3, "other", at: 9_000)])])
            #expect(try await archive.find("word").sorted() == ["s/1", "s/2"])
            try await archive.commit([transcript("s", events: [message(4, "word four", at: 9_500)])])
            #expect(try await archive.find("word").sorted() == ["s/1", "s/2", "s/4"])
            #expect(try await archive.find("other") == ["s/3"])
            #expect(try await self.flaws(archive) == 0)
        }
    }

    @Test func `what was found in a live session is found while it is handed over, and once`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.follow([self.stretch("s", [message(1, "word one"), message(2, "word two")])])
            #expect(try await archive.find("word").count == 2)
            let rest = transcript("s", events: [message(3, "word three")])
            _ = try await archive.prepare([rest])
            #expect(try await archive.find("word").sorted() == ["s/1", "s/2", "s/3"])
            try await archive.settle([Settlement(id: "s", token: token(1), outcome: .committed)])
            #expect(try await archive.find("word").sorted() == ["s/1", "s/2", "s/3"])
            // A second hand-over, of its end only, is not served beside the first.
            _ = try await archive.prepare([transcript("s", token: token(2), events: [message(3, "word again")])])
            #expect(try await archive.find("word").sorted() == ["s/1", "s/2", "s/3"])
        }
    }

    @Test func `a replaced hand-over takes its messages out and moves those it keeps`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([
                transcript("s", events: [message(1, "same"), message(2, "old"), message(3, "old")])
            ])
            #expect(try await archive.find("old").count == 2)
            try await archive.commit([transcript("s", token: token(2), events: [message(2, "new"), message(3, "new")])])
            #expect(try await archive.find("old").isEmpty)
            #expect(try await archive.find("new").sorted() == ["s/2", "s/3"])
            #expect(try await archive.find("same") == ["s/1"])
            #expect(try await self.flaws(archive) == 0)
        }
    }

    @Test func `what a purge erases is not found, and its words are not in the file`() async throws {
        let folder = SojournTesting.TemporaryFolder()
        let archive = try await openArchive(folder.file("a.sqlite"))
        try await archive.commit([
            transcript("s", events: [message(1, "unspeakable secrets")]),
            transcript("t", events: [message(1, "harmless")]),
        ])
        #expect(try await archive.find("unspeakable") == ["s/1"])
        _ = try await archive.carryOut(Purge(number: 1, kind: .session, id: "s", at: 1))
        #expect(try await archive.find("unspeakable").isEmpty)
        #expect(try await archive.find("harmless") == ["t/1"])
        #expect(try await self.flaws(archive) == 0)
        await archive.close()
        let bytes = String(decoding: try Data(contentsOf: URL(fileURLWithPath: folder.file("a.sqlite"))), as: UTF8.self)
        #expect(!bytes.contains("unspeakable") && !bytes.contains("secrets") && bytes.contains("harmless"))
    }

    @Test func `messages are indexed without being asked, and after a restart`() async throws {
        let folder = SojournTesting.TemporaryFolder()
        let first = try await openArchive(folder.file("a.sqlite"))
        try await first.commit([transcript("s", events: [message(1, "word")])])
        let query = SearchRequest(try SearchQuery("word"))
        try await eventually("it is indexed") { try await first.search(query).hits.count == 1 }
        try await eventually("nothing waits") { try await first.unindexed() == 0 }
        try await first.commit([transcript("t", events: [message(1, "word")])])
        await first.close()
        let second = try await openArchive(folder.file("a.sqlite"))
        try await eventually("both are indexed") { try await second.search(query).hits.count == 2 }
        await second.close()
    }

    @Test func `an archive of the first version is indexed and sealed`() async throws {
        let folder = SojournTesting.TemporaryFolder()
        let old = try await openArchive(folder.file("a.sqlite"))
        try await old.commit([transcript("s", events: [message(1, "word")])])
        await old.close()
        // What later versions added is taken away again.
        let connection = try Connection(path: folder.file("a.sqlite"))
        try connection.execute(
            """
            DROP TRIGGER session_deleted; DROP TRIGGER message_deleted; DROP TRIGGER event_deleted;
            DROP TRIGGER message_moved; DROP TABLE search; DROP TABLE outdated; DROP TABLE messages; DROP TABLE indexing;
            DROP INDEX sessions_unsealed; DROP INDEX sessions_by_coming; DROP INDEX sessions_unserved;
            ALTER TABLE sessions DROP COLUMN chain;
            DROP TABLE retentions; DROP INDEX lost_events_by_user;
            ALTER TABLE lost_events DROP COLUMN user; ALTER TABLE lost_events DROP COLUMN created_at;
            CREATE INDEX sessions_by_id ON sessions (id);
            CREATE INDEX sessions_by_state ON sessions (state, event_count, bytes);
            CREATE UNIQUE INDEX sessions_live ON sessions (id) WHERE state = 'live';
            CREATE UNIQUE INDEX sessions_prepared ON sessions (id) WHERE state = 'prepared';
            PRAGMA user_version = 1002
            """)
        connection.close()
        let archive = try await openArchive(folder.file("a.sqlite"))
        try await eventually("it is indexed") {
            try await archive.search(SearchRequest(try SearchQuery("word"))).hits.count == 1
        }
        try await eventually("it is sealed") { try await archive.verify(after: 0).unsealed == 0 }
        await archive.close()
    }

    @Test func `an archive is read beside its archivist, and only read`() async throws {
        let folder = SojournTesting.TemporaryFolder()
        let archive = try await openArchive(folder.file("a.sqlite"))
        try await archive.commit([transcript("s", events: [message(1, "word")])])
        try await archive.index { _ in }
        let reader = try await Archive.open(reading: folder.file("a.sqlite"))
        #expect(reader.id == archive.id)
        #expect(try await reader.search(SearchRequest(try SearchQuery("word"))).hits.map(\.session) == ["s"])
        try await archive.commit([transcript("t", events: [message(1, "word")])])
        #expect(try await reader.list(limit: 10).sessions.count == 2)
        let error = await failure { () throws(ArchiveError) in try await reader.prepare([transcript("u")]) }
        #expect(error?.code == .readOnly)
        let missing = await failure { () throws(ArchiveError) in
            try await Archive.open(reading: folder.file("none.sqlite"))
        }
        #expect(missing?.code == .cannotOpen)
        await reader.close()
        await archive.close()
    }
}
