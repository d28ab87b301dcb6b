import Foundation
import SojournTesting
import Testing

@testable import SojournArchive

/// A small disk of its own for the time of `body`; false when this system allows none.
private func withDisk(_ options: String, _ body: (TemporaryFolder) async throws -> Void) async throws -> Bool {
    let folder = try TemporaryFolder()
    guard geteuid() == 0,
        TestProcess.succeeds("/bin/mount", "-t", "tmpfs", "-o", options, "sojourn-test", folder.path)
    else { return false }
    defer { #expect(TestProcess.succeeds("/bin/umount", "-l", folder.path)) }
    try await body(folder)
    return true
}

@Suite struct Faults {
    /// Fills the archive until it refuses, makes room, tries again: all there, nothing twice.
    private func fill(_ archive: Archive, makeRoom: () async throws -> Void) async throws {
        var committed = 0
        var refusal: ArchiveError?
        var refused: [Transcript] = []
        while refusal == nil, committed < 100 {
            refused = (0..<10).map { transcript("s\(committed * 10 + $0)", count: 20) }
            refusal = await failure { () throws(ArchiveError) in try await archive.prepare(refused) }
            if refusal == nil {
                let settlements = refused.map { Settlement(id: $0.header.id, token: $0.token, outcome: .committed) }
                refusal = await failure { () throws(ArchiveError) in try await archive.settle(settlements) }
            }
            if refusal == nil { committed += 1 }
        }
        let error = try #require(refusal)
        #expect(error.code == .full)
        #expect(error.name == "SQLITE_FULL")
        #expect(committed > 0)
        // What was there is served, and of the refused batch either nothing or everything is prepared.
        #expect(try await archive.stats().committed == committed * 10)
        #expect(try await archive.all("s0").count == 20)
        #expect([0, 10].contains(try await archive.prepared().count))

        try await makeRoom()
        try await archive.commit(refused)
        #expect(try await archive.stats().committed == committed * 10 + 10)
        #expect(try await archive.stats().prepared == 0)
        #expect(try await archive.count("SELECT count(*) FROM events") == Int64(committed * 200 + 200))
        #expect(
            try await archive.count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") == 0)
        #expect(try await archive.count("SELECT count(*) FROM pragma_foreign_key_check") == 0)
    }

    @Test func `a full database loses nothing, doubles nothing and works again`() async throws {
        try await withArchive { (archive: Archive) async throws in
            _ = try await archive.count("PRAGMA max_page_count = 60")
            try await self.fill(archive) { _ = try await archive.count("PRAGMA max_page_count = 100000") }
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root may mount a small disk"))
    func `a full disk loses nothing, doubles nothing and works again`() async throws {
        let mounted = try await withDisk("size=2m") { folder in
            let ballast = folder.file("ballast")
            try Data(count: 1_000_000).write(to: URL(fileURLWithPath: ballast))
            let archive = try await openArchive(folder.file())
            try await self.fill(archive) { try FileManager.default.removeItem(atPath: ballast) }
            await archive.close()
        }
        if !mounted { try Test.cancel("this system allows no mount") }
    }

    @Test func `prepared and committed rows survive a crash`() async throws {
        let folder = try TemporaryFolder()
        let archive = try await openArchive(folder.file())
        try await archive.commit([transcript("committed")])
        #expect(try await archive.prepare([transcript("prepared", token: token(9))]) == [.prepared])
        // What a kill would leave: the files as they are, nothing closed. The shared memory is rebuilt.
        for end in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: folder.file() + end, toPath: folder.file("copy.sqlite") + end)
        }
        let copy = try await openArchive(folder.file("copy.sqlite"))
        #expect(try await copy.all("committed").count == 5)
        #expect(try await copy.prepared().map(\.token) == [token(9)])
        #expect(copy.id == archive.id)
        let commit = Settlement(id: "prepared", token: token(9), outcome: .committed)
        #expect(try await copy.settle([commit]) == [.committed])
        #expect(try await copy.all("prepared") == transcript("prepared").events)
        await copy.close()
        await archive.close()
    }

    @Test(arguments: ["hello", String(repeating: "no database ", count: 1_000)])
    func `a file that is no database is refused and left alone`(text: String) async throws {
        let folder = try TemporaryFolder()
        try text.write(toFile: folder.file(), atomically: false, encoding: .utf8)
        let error = await failure { () throws(ArchiveError) in try await openArchive(folder.file())
        }
        #expect(error?.code == .notADatabase)
        #expect(error?.message.contains(folder.file()) == true)
        #expect(try String(contentsOfFile: folder.file(), encoding: .utf8) == text)
    }

    @Test func `a database of another program is refused and left alone`() async throws {
        let folder = try TemporaryFolder()
        let other = Thread.detachedConnection(folder.file(), "CREATE TABLE t (x); PRAGMA application_id = 7")
        try #require(await other.value)
        let before = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
        let error = await failure { () throws(ArchiveError) in try await openArchive(folder.file())
        }
        #expect(error?.code == .foreign)
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == before)
    }

    @Test func `a damaged page is reported as such`() async throws {
        let folder = try TemporaryFolder()
        let first = try await openArchive(folder.file())
        try await first.commit((0..<50).map { transcript("s\($0)", count: 20) })
        await first.close()
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: folder.file()))
        let size = try file.seekToEnd()
        try file.seek(toOffset: 8_192)
        try file.write(contentsOf: Data(repeating: 0xa5, count: Int(size) - 8_192))
        try file.close()
        let error = await failure { () throws(ArchiveError) in
            let archive = try await openArchive(folder.file())
            let found = await failure { () throws(ArchiveError) in try await archive.events("s7", limit: 100) }
            await archive.close()
            if let found { throw found }
        }
        #expect(error?.code == .corrupt)
        #expect(error?.name == "SQLITE_CORRUPT")
    }

    @Test func `a folder that cannot be written is named`() async throws {
        let check = { (folder: TemporaryFolder) in
            let error = await failure { () throws(ArchiveError) in
                try await openArchive(folder.file())
            }
            #expect(error?.code == .readOnly)
            #expect(error?.message.contains(folder.file()) == true)
        }
        if geteuid() == 0 {
            let mounted = try await withDisk("size=1m,ro") { await check($0) }
            if !mounted { try Test.cancel("this system allows no mount") }
        } else {
            let folder = try TemporaryFolder()
            chmod(folder.path, 0o500)
            await check(folder)
            chmod(folder.path, 0o700)
        }
    }

    @Test func `a folder that does not exist is named`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("missing/archive.sqlite")
        let error = await failure { () throws(ArchiveError) in try await openArchive(path) }
        #expect(error?.code == .cannotOpen)
        #expect(error?.message == "The archive \(path) cannot be created because its folder does not exist")
    }

    @Test func `an error names the statement and SQLite's own code`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let error = try #require(
                await failure { () throws(ArchiveError) in
                    try await archive.write { connection throws(ArchiveError) in try connection.run("SELECT nonsense") }
                })
            #expect(error.name == "SQLITE_ERROR")
            #expect(error.sql == "SELECT nonsense")
            #expect(error.description.contains("no such column: nonsense"))
            #expect(error.file.hasSuffix("Statement.swift"))
        }
    }
}

extension Thread {
    /// Runs a script on a connection that lives and dies on one thread; whether it succeeded.
    fileprivate static func detachedConnection(_ path: String, _ script: String) -> Task<Bool, Never> {
        Task {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    guard let connection = try? Connection(path: path) else {
                        return continuation.resume(returning: false)
                    }
                    let done: Void? = try? connection.execute(script)
                    connection.close()
                    continuation.resume(returning: done != nil)
                }
            }
        }
    }
}
