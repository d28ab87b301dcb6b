import Foundation
import Testing

@testable import SojournArchive

@Suite struct Opening {
    @Test func `what was committed is there after a reopen, under the same archivist id`() async throws {
        let folder = try TemporaryFolder()
        let first = try await openArchive(folder.file())
        try await first.commit([transcript("s")])
        await first.close()
        let second = try await openArchive(folder.file())
        #expect(try await second.all("s") == transcript("s").events)
        #expect(second.id == first.id)
        #expect(second.id.count == 16)
        await second.close()
    }

    @Test func `commits are synced to disk`() async throws {
        try await withArchive { (archive: Archive) async throws in
            #expect(try await archive.count("PRAGMA synchronous") == 2)
            let mode = try await archive.read { connection throws(ArchiveError) in
                try connection.statement("PRAGMA journal_mode").first { $0.text(0) }
            }
            #expect(mode == "wal")
        }
    }

    @Test func `a second archivist is refused at once and told by whom`() async throws {
        let folder = try TemporaryFolder()
        let first = try await openArchive(folder.file())
        let error = try #require(
            await failure { () throws(ArchiveError) in
                try await openArchive(folder.file())
            })
        #expect(error.code == .locked)
        #expect(error.message.contains("\(folder.file()) is in use by process \(getpid())"))
        await first.close()
        let second = try await openArchive(folder.file())
        await second.close()
    }

    @Test func `an archive that is let go without a close releases its file`() async throws {
        let folder = try TemporaryFolder()
        do {
            let first = try await openArchive(folder.file())
            try await first.commit([transcript("s")])
        }
        // Its thread ends soon after; each try is a whole open, so this is no busy loop.
        var second: Archive?
        for _ in 0..<10_000 where second == nil { second = try? await openArchive(folder.file()) }
        let archive = try #require(second)
        #expect(try await archive.all("s").count == 5)
        await archive.close()
    }

    @Test func `a closed archive says so, and closing again is fine`() async throws {
        let folder = try TemporaryFolder()
        let archive = try await openArchive(folder.file())
        await archive.close()
        await archive.close()
        let reading = await failure { () throws(ArchiveError) in try await archive.exists("s") }
        #expect(reading?.code == .closed)
        let writing = await failure { () throws(ArchiveError) in try await archive.prepare([transcript("s")]) }
        #expect(writing?.code == .closed)
    }

    @Test func `later migrations are applied once, in order, and keep what is there`() async throws {
        let folder = try TemporaryFolder()
        let first = try await openArchive(folder.file())
        try await first.commit([transcript("s")])
        await first.close()
        let more =
            Schema.migrations + [
                Migration(
                    major: 2, minor: 101, script: "CREATE TABLE trail (step INTEGER); INSERT INTO trail VALUES (1)"),
                Migration(major: 2, minor: 102, script: "INSERT INTO trail VALUES (2)"),
            ]
        for _ in 1...2 {
            let archive = try await openArchive(folder.file(), migrations: more)
            #expect(try await archive.count("SELECT group_concat(step, '') FROM trail") == 12)
            #expect(try await archive.count("PRAGMA user_version") == 2_102)
            #expect(try await archive.all("s").count == 5)
            await archive.close()
        }
        // A newer minor is no reason to refuse.
        let older = try await openArchive(folder.file())
        #expect(try await older.all("s").count == 5)
        await older.close()
    }

    @Test func `a migration that fails leaves the file as it was`() async throws {
        let folder = try TemporaryFolder()
        let first = try await openArchive(folder.file())
        try await first.commit([transcript("s")])
        await first.close()
        let bad =
            Schema.migrations + [
                Migration(major: 2, minor: 101, script: "DELETE FROM sessions; INSERT INTO nothing VALUES (1)")
            ]
        let error = await failure { () throws(ArchiveError) in
            try await openArchive(folder.file(), migrations: bad)
        }
        #expect(error?.name == "SQLITE_ERROR")
        let again = try await openArchive(folder.file())
        #expect(try await again.count("PRAGMA user_version") == Schema.migrations.last?.version)
        #expect(try await again.all("s").count == 5)
        await again.close()
    }

    @Test func `a file of a newer major is refused and left alone`() async throws {
        let folder = try TemporaryFolder()
        let newer = Schema.migrations + [Migration(major: 3, minor: 0, script: "DROP TABLE lost_events")]
        let archive = try await openArchive(folder.file(), migrations: newer)
        await archive.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
        let error = try #require(
            await failure { () throws(ArchiveError) in
                try await openArchive(folder.file())
            })
        #expect(error.code == .newerSchema)
        #expect(error.message.contains("has schema 3.0, but this program knows only schema 2"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == before)
    }

    @Test func `a name that means something to SQLite is a file like any other`() async throws {
        let folder = try TemporaryFolder()
        let archive = try await openArchive(folder.file(":memory:"))
        try await archive.commit([transcript("s")])
        await archive.close()
        #expect(FileManager.default.fileExists(atPath: folder.file(":memory:")))
    }
}
