import Testing

@testable import SojournArchive

@Suite struct Volume {
    @Test func `a thousand sessions of twenty events go in and come out`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let body = String(repeating: "x", count: 300)
            let clock = ContinuousClock()
            let sessions = (0..<1_000).map { index in
                transcript("0193a7c2-\(index)", endedAt: Int64(index), events: (1...20).map { event($0, text: body) })
            }
            let ours = try await clock.measure {
                for start in stride(from: 0, to: 1_000, by: 100) {
                    try await archive.commit(Array(sessions[start..<start + 100]))
                }
            }
            // The limit to compare with: SQLite writing the same rows by itself, as many to a transaction, with no
            // caller, no values handed over and no second step.
            let bare = try await archive.read { connection throws(ArchiveError) in
                try connection.execute(
                    "CREATE TABLE bare (s INTEGER, seq INTEGER, epoch TEXT, at INTEGER, type TEXT, body BLOB, PRIMARY KEY (s, seq))"
                )
                let start = clock.now
                for batch in 0..<10 {
                    try connection.transaction { () throws(ArchiveError) in
                        try connection.run(
                            """
                            WITH RECURSIVE c(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM c WHERE i < 1999)
                            INSERT INTO bare SELECT ? + i / 20, i % 20, '0a1b2c3d.1', i, 'user.message', ? FROM c
                            """, batch * 100, body)
                    }
                }
                return clock.now - start
            }
            print(
                "archive: 20,000 rows prepared and committed in \(ours), \(Int(20_000 / (ours / .seconds(1)))) rows/s;",
                "bare SQLite \(bare), ratio \((bare / ours * 100).rounded() / 100)")

            let stats = try await archive.stats()
            #expect(stats.committed == 1_000)
            #expect(stats.events == 20_000)
            #expect(stats.bytes == 6_000_000)
            for index in [0, 499, 999] {
                #expect(try await archive.all("0193a7c2-\(index)") == sessions[index].events)
            }
        }
    }
}
