import Foundation
import SojournLoop
import SojournTesting
import Testing

@testable import SojournArchive

@Suite struct MaintenanceTests {
    private typealias Folder = SojournTesting.TemporaryFolder

    @Test func `sessions older than the rule are deleted, agents with their own rule by that`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit(
                (1...9).map { transcript("s\($0)", endedAt: Int64($0) * 100, events: [message(1, "word")]) })
            try await archive.commit((1...9).map { transcript("t\($0)", agent: "short", endedAt: Int64($0) * 100) })
            try await archive.commit((1...9).map { transcript("u\($0)", agent: "ever", endedAt: Int64($0) * 100) })
            try await archive.index { _ in }
            #expect(try await archive.expire(Retention(standard: nil), now: 1_000) == 0)
            let rule = Retention(standard: 500, agents: ["short": 250, "ever": nil])
            var deleted = 0
            while true {
                let count = try await archive.expire(rule, now: 1_000, limit: 3)
                deleted += count
                if count < 3 { break }
            }
            // Those that ended before 500, and before 750.
            #expect(deleted == 4 + 7)
            let left = try await archive.list(limit: 100).sessions.map(\.header.id).sorted()
            #expect(left == (5...9).map { "s\($0)" } + ["t8", "t9"] + (1...9).map { "u\($0)" })
            #expect(try await archive.find("word").count == 5)
        }
    }

    @Test func `what an agent said last is kept in the file`() async throws {
        let folder = Folder()
        let first = try await openArchive(folder.file("a.sqlite"))
        let said = [
            AgentRetention(agent: "a", life: 5, saidAt: 1), AgentRetention(agent: "b", life: nil, saidAt: 2),
            AgentRetention(agent: "c", life: nil, saidAt: 3),
        ]
        try await first.note(said, silent: [])
        let later = AgentRetention(agent: "a", life: nil, saidAt: 4)
        try await first.note([later], silent: ["c", "unknown"])
        await first.close()
        let second = try await openArchive(folder.file("a.sqlite"))
        #expect(try await Set(second.agentRetentions()) == [later, said[1]])
        await second.close()
    }

    @Test func `the file shrinks when what was in it is deleted`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let body = String(repeating: "x", count: 4_000)
            try await archive.commit(
                (1...300).map { transcript("s\($0)", endedAt: 100, events: [event(1, text: body)]) })
            let before = try await archive.count("PRAGMA page_count") ?? 0
            while try await archive.expire(Retention(standard: 1), now: 1_000) == 100 {}
            try await archive.index { _ in }
            let after = try await archive.count("PRAGMA page_count") ?? 0
            #expect(after < before / 4, "\(before) pages, then \(after)")
        }
    }

    @Test func `a backup is a whole archive, made while the archivist works`() async throws {
        let folder = Folder()
        let archive = try await openArchive(folder.file("a.sqlite"))
        let first = (0..<400).map { transcript("s\($0)") }
        for start in stride(from: 0, to: 400, by: 50) { try await archive.commit(Array(first[start..<start + 50])) }
        let reader = try await Archive.open(reading: folder.file("a.sqlite"))
        let steps = Locked(0)
        async let later: Void = {
            for number in 0..<40 { try await archive.commit([transcript("late\(number)")]) }
        }()
        try await reader.backup(to: folder.file("b.sqlite")) { done, total in
            steps.withLock { $0 += 1 }
            #expect(done <= total)
        }
        try await later
        #expect(steps.withLock { $0 } > 0)
        let error = await failure { () throws(ArchiveError) in
            try await reader.backup(to: folder.file("b.sqlite")) { _, _ in }
        }
        #expect(error?.code == .cannotOpen)
        let backup = try await openArchive(folder.file("b.sqlite"))
        #expect(backup.id == archive.id)
        #expect(try await backup.stats().committed >= 400)
        #expect(try await backup.verify(after: 0).damaged.isEmpty)
        #expect(try await backup.chain(of: "s7") == archive.chain(of: "s7"))
        for one in [backup, reader, archive] { await one.close() }
    }

    @Test func `a restore needs the archive for itself and keeps what was there`() async throws {
        let folder = Folder()
        let (path, copy) = (folder.file("a.sqlite"), folder.file("b.sqlite"))
        let archive = try await openArchive(path)
        try await archive.commit([transcript("s", events: [message(1, "word")])])
        try await archive.backup(to: copy) { _, _ in }
        try await archive.commit([transcript("t")])
        let locked = await failure { () throws(ArchiveError) in try await Archive.restore(copy, to: path) { _, _ in } }
        #expect(locked?.code == .locked)
        await archive.close()
        try Data("no archive".utf8).write(to: URL(fileURLWithPath: folder.file("c.sqlite")))
        let foreign = await failure { () throws(ArchiveError) in
            try await Archive.restore(folder.file("c.sqlite"), to: path) { _, _ in }
        }
        #expect(foreign?.code == .notADatabase)
        try await Archive.restore(copy, to: path) { _, _ in }
        let restored = try await openArchive(path)
        #expect(try await restored.list(limit: 9).sessions.map(\.header.id) == ["s"])
        #expect(try await restored.find("word") == ["s/1"])
        await restored.close()
        let before = try await Archive.open(reading: path + ".before-restore")
        #expect(try await before.list(limit: 9).sessions.count == 2)
        await before.close()
    }

    @Test func `what was purged after a backup is not in what is restored from it, nor in its file`() async throws {
        let folder = Folder()
        let (path, copy) = (folder.file("a.sqlite"), folder.file("b.sqlite"))
        let archive = try await openArchive(path)
        try await archive.commit(
            (1...250).map { number in
                transcript(
                    "s\(number)", user: number % 2 == 0 ? "gone" : "kept", events: [message(1, "secret-\(number).")])
            })
        try await archive.index { _ in }
        _ = try await archive.carryOut(Purge(number: 1, kind: .session, id: "s1", at: 1_000))
        try await archive.backup(to: copy) { _, _ in }
        _ = try await archive.carryOut(Purge(number: 2, kind: .session, id: "s3", at: 1_000))
        _ = try await archive.carryOut(Purge(number: 3, kind: .user, id: "gone", at: 1_000))
        await archive.close()
        #expect(try await Archive.restore(copy, to: path) { _, _ in } == 2)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(bytes.range(of: Data("secret-5.".utf8)) != nil)
        for number in [1, 2, 3, 250] { #expect(bytes.range(of: Data("secret-\(number).".utf8)) == nil, "\(number)") }
        let beside = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(beside.filter { $0.contains(".restored") } == [])
        let restored = try await openArchive(path)
        #expect(try await restored.stats().committed == 123)
        for id in ["s1", "s2", "s3"] { #expect(try await restored.session(id) == nil) }
        #expect(try await restored.find("secret", limit: 1_000).count == 123)
        #expect(try await restored.purges().map(\.isDone) == [true, true, true])
        #expect(try await restored.purgePosition() == 3)
        await restored.close()
        // What cannot be read tells nothing, and does not keep a restore from being made.
        try Data("no archive".utf8).write(to: URL(fileURLWithPath: path))
        #expect(try await Archive.restore(copy, to: path) { _, _ in } == nil)
    }

    @Test func `compacting keeps everything and finds it again`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit(
                (1...200).map { transcript("s\($0)", endedAt: Int64($0), events: [message(1, "word \($0)")]) })
            try await archive.index { _ in }
            _ = try await archive.expire(Retention(standard: 1), now: 102, limit: 1_000)
            try await archive.compact()
            #expect(try await archive.count("PRAGMA freelist_count") == 0)
            #expect(try await archive.count("PRAGMA auto_vacuum") == 2)
            #expect(try await archive.find("word", limit: 100).count == 100)
            try await archive.commit([transcript("new", events: [message(1, "word")])])
            #expect(try await archive.find("word", limit: 100).count == 101)
            #expect(try await archive.verify(after: 0).damaged.isEmpty)
        }
    }
}
