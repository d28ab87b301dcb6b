import Foundation
import SojournTesting
import Testing

@testable import SojournArchive

/// Events that a later hand-over replaced, when their sessions go.
@Suite struct `Lost events` {
    private static let lost = "SELECT count(*) FROM lost_events"

    private func secrets(_ user: String, _ text: String = "first") -> [TranscriptEvent] {
        (1...3).map { event($0, text: "secret of \(user), \(text) \($0)") }
    }

    /// A hand-over of a session of `user`.
    private func handOver(
        _ id: String, of user: String, major: Int64, createdAt: Int64 = 1, endedAt: Int64 = 60, _ text: String
    ) -> Transcript {
        Transcript(
            header: SessionHeader(
                id: id, agent: "agent", user: user, key: nil, createdAt: createdAt, endedAt: endedAt, reason: .ended,
                head: 3),
            token: token(major), info: [], events: self.secrets(user, text))
    }

    /// Leaves lost events of a user's sessions behind in all the ways there are; of three no row of the session is left.
    private func lose(_ archive: Archive, of user: String) async throws {
        // It was written behind, on a branch that went; and then it was forgotten.
        func follow(_ events: [TranscriptEvent]) async throws {
            let stretch = LiveStretch(
                id: "live-\(user)", agent: "agent", user: user, key: nil, createdAt: 1, info: [], first: 1, head: 3,
                events: events)
            #expect(try await archive.follow([stretch]) == [.held(upTo: 3)])
        }
        try await follow(self.secrets(user))
        try await follow(self.secrets(user, "second"))
        #expect(try await archive.forget(["live-\(user)"]) == 1)
        // It was prepared twice, and discarded.
        let id = "prepared-\(user)"
        for major in [Int64(1), 2] {
            let one = self.handOver(id, of: user, major: major, "discarded \(major)")
            #expect(try await archive.prepare([one]) == [.prepared])
        }
        _ = try await archive.settle([Settlement(id: id, token: token(2), outcome: .discarded)])
        // It was replaced, and is served.
        for major in [Int64(1), 2] {
            try await archive.commit([self.handOver("served-\(user)", of: user, major: major, "served \(major)")])
        }
    }

    private func holds(_ folder: SojournArchiveTests.TemporaryFolder, _ text: String) throws -> Bool {
        try [folder.file(), folder.file() + "-wal"].contains { path in
            guard FileManager.default.fileExists(atPath: path) else { return false }
            return try Data(contentsOf: URL(fileURLWithPath: path)).range(of: Data(text.utf8)) != nil
        }
    }

    @Test func `a purge of a user erases them, also where no hand-over of the session is left`() async throws {
        let folder = try SojournArchiveTests.TemporaryFolder()
        let archive = try await openArchive(folder.file())
        for user in ["gone", "kept"] { try await self.lose(archive, of: user) }
        #expect(try await archive.count(Self.lost) == 18)
        #expect(try await archive.count("SELECT count(*) FROM sessions") == 2)
        // The same user came back after asking to be forgotten.
        for major in [Int64(1), 2] {
            try await archive.commit([self.handOver("later", of: "gone", major: major, createdAt: 51, "later \(major)")]
            )
        }
        let record = try await archive.carryOut(Purge(number: 1, kind: .user, id: "gone", at: 50))
        #expect(record.sessions == 1 && record.isDone)
        for text in ["first", "second", "discarded", "served"] {
            #expect(try !self.holds(folder, "secret of gone, \(text)"))
        }
        #expect(try self.holds(folder, "secret of kept, first") && self.holds(folder, "secret of kept, discarded"))
        #expect(try await archive.count(Self.lost) == 12)
        #expect(try await archive.lostEvents("later").count == 3)
        for session in ["live-kept", "prepared-kept", "served-kept"] {
            #expect(try await archive.lostEvents(session).count == 3)
        }
        await archive.close()
    }

    @Test func `they go with the last hand-over of their session that is kept no longer`() async throws {
        try await withArchive { (archive: Archive) async throws in
            for id in ["alone", "aside", "young"] {
                for major in [Int64(1), 2] {
                    let endedAt: Int64 = id == "young" ? 950 : 60
                    let text = "handed over \(major)"
                    try await archive.commit([self.handOver(id, of: "user", major: major, endedAt: endedAt, text)])
                }
            }
            // Of this one there is something else still.
            #expect(try await archive.prepare([self.handOver("aside", of: "user", major: 3, "third")]) == [.prepared])
            #expect(try await archive.count(Self.lost) == 9)
            #expect(try await archive.expire(Retention(standard: 100), now: 1_000) == 2)
            #expect(try await archive.lostEvents("alone").isEmpty)
            #expect(try await archive.lostEvents("aside").count == 3)
            #expect(try await archive.lostEvents("young").count == 3)
            _ = try await archive.settle([Settlement(id: "aside", token: token(3), outcome: .committed)])
            #expect(try await archive.expire(Retention(standard: 100), now: 1_000) == 1)
            #expect(try await archive.count(Self.lost) == 3)
        }
    }
}
