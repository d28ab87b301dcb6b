import CSQLite
import Foundation
import SojournTesting
import Testing

@testable import SojournArchive

/// What is purged is gone from the files, and stays away.
@Suite struct Purging {
    private func purge(_ kind: Purge.Kind, _ id: String, number: Int64 = 1, at: Int64 = 1_000) -> Purge {
        Purge(number: number, kind: kind, id: id, at: at)
    }

    private func holds(_ folder: TemporaryFolder, _ text: String) throws -> Bool {
        try [folder.file(), folder.file() + "-wal"].contains { path in
            guard FileManager.default.fileExists(atPath: path) else { return false }
            return try Data(contentsOf: URL(fileURLWithPath: path)).range(of: Data(text.utf8)) != nil
        }
    }

    /// A session whose events hold a text of their own, from a few bytes to several pages.
    private func secret(_ number: Int, user: String = "user", major: Int64 = 1) -> Transcript {
        let events = (1...(number % 5 + 1)).map { seq in
            event(seq, text: "secret-\(number). " + String(repeating: "x", count: number * 37 * seq % 9_000))
        }
        return transcript("s\(number)", token: token(major), user: user, events: events)
    }

    @Test func `nothing of a purged session is left in the files, whatever its size and neighbours`() async throws {
        let folder = try TemporaryFolder()
        let archive = try await openArchive(folder.file())
        for start in stride(from: 0, to: 300, by: 20) {
            try await archive.commit((start..<start + 20).map { self.secret($0) })
        }
        // Some are also prepared, and some had events that a later hand-over replaced.
        for number in [3, 9] {
            var later = self.secret(number, major: 2)
            later = Transcript(
                header: later.header, token: later.token, info: later.info,
                events: later.events.map { event($0.seq, text: "secret-\(number). replaced") })
            _ = try await archive.prepare([later])
            if number == 3 { try await archive.settle([Settlement(id: "s3", token: token(2), outcome: .committed)]) }
        }
        #expect(try await archive.lostEvents("s3").count == 4)
        let purged = Array(stride(from: 0, to: 300, by: 3))
        for (place, number) in purged.enumerated() {
            #expect(try self.holds(folder, "secret-\(number)."))
            let record = try await archive.carryOut(self.purge(.session, "s\(number)", number: Int64(place + 1)))
            #expect(record.sessions == 1 && record.events == number % 5 + 1 && record.isDone)
            #expect(try !self.holds(folder, "secret-\(number)."), "\(number)")
        }
        #expect(try await archive.purgePosition() == Int64(purged.count))
        #expect(try await archive.count("SELECT count(*) FROM lost_events") == 0)
        #expect(try await archive.stats().committed == 200)
        for number in 0..<300 where !purged.contains(number) {
            #expect(try await archive.all("s\(number)") == self.secret(number).events)
        }
        #expect(
            try await archive.count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") == 0)
        await archive.close()
        for number in purged { #expect(try !self.holds(folder, "secret-\(number).")) }
    }

    @Test func `what is purged does not come back, and a purge that is repeated says the same`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit((0..<250).map { self.secret($0, user: $0 % 2 == 0 ? "gone" : "kept") })
            var steps: [Int] = []
            let byUser = self.purge(.user, "gone", number: 7, at: 50)
            let record = try await archive.carryOut(byUser) { steps.append($0.sessions) }
            // In small transactions, and told after each.
            #expect(record.sessions == 125 && steps == [100, 125])
            #expect(try await archive.carryOut(byUser) == record)
            let one = try await archive.carryOut(self.purge(.session, "s1", number: 8))
            #expect(one.sessions == 1)
            #expect(try await archive.purges() == [record, one])
            #expect(try await archive.purgePosition() == 8)
            // An earlier one that is repeated takes nothing back.
            _ = try await archive.carryOut(byUser)
            #expect(try await archive.purgePosition() == 8)
            let again = try await archive.prepare([
                self.secret(1, user: "kept", major: 9), self.secret(2, user: "gone", major: 9),
                self.secret(500, user: "gone", major: 9), self.secret(501, user: "kept", major: 9),
            ])
            #expect(again == [.purged, .purged, .purged, .prepared])
            // Of the same user, but made after the purge.
            let later = SessionHeader(
                id: "new", agent: "agent", user: "gone", key: nil, createdAt: 51, endedAt: 60, reason: .ended, head: 1)
            let transcript = Transcript(header: later, token: token(9), info: [], events: [event(1)])
            #expect(try await archive.prepare([transcript]) == [.prepared])
        }
    }

    @Test func `a purge that was cut off goes on where it stopped`() async throws {
        let folder = try TemporaryFolder()
        let first = try await openArchive(folder.file())
        try await first.commit((0..<250).map { self.secret($0) })
        let purge = self.purge(.user, "user")
        // As a crash would, between two of its transactions.
        let (record, isErased) = try await first.write { connection throws(ArchiveError) in
            try connection.erase(purge, limit: 100)
        }
        #expect(record.sessions == 100 && !isErased)
        await first.close()
        let again = try await openArchive(folder.file())
        #expect(try await again.purgePosition() == 0)
        let whole = try await again.carryOut(purge)
        #expect(whole.sessions == 250 && whole.isDone)
        #expect(try await again.stats().committed == 0)
        #expect(try !self.holds(folder, "secret-"))
        await again.close()
    }

    @Test func `a reader from outside keeps a purge from being done, and the next try does it`() async throws {
        let folder = try TemporaryFolder()
        let archive = try await openArchive(folder.file())
        try await archive.commit([self.secret(1)])
        _ = try await archive.count("PRAGMA busy_timeout = 50")
        var database: OpaquePointer?
        try #require(sqlite3_open_v2(folder.file(), &database, SQLITE_OPEN_READONLY, nil) == SQLITE_OK)
        #expect(sqlite3_exec(database, "BEGIN; SELECT count(*) FROM events", nil, nil, nil) == SQLITE_OK)
        let purge = self.purge(.session, "s1")
        let error = await failure { () throws(ArchiveError) in try await archive.carryOut(purge) }
        #expect(error?.code == .busy)
        // It is not served any more, but it is not called done either.
        #expect(try await archive.session("s1") == nil)
        #expect(try await archive.purges().first?.isDone == false)
        #expect(sqlite3_exec(database, "COMMIT", nil, nil, nil) == SQLITE_OK)
        sqlite3_close(database)
        #expect(try await archive.carryOut(purge).isDone)
        #expect(try !self.holds(folder, "secret-1."))
        await archive.close()
    }
}
