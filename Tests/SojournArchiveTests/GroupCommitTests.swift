import Foundation
import SojournLoop
import Testing

@testable import SojournArchive

@Suite struct `Group commit` {
    @Test func `a batch of a hundred sessions is one transaction`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let batch = (0..<100).map { transcript("s\($0)") }
            let before = try await archive.stats().transactions
            _ = try await archive.prepare(batch)
            #expect(try await archive.stats().transactions == before + 1)
            try await archive.settle(batch.map { Settlement(id: $0.header.id, token: $0.token, outcome: .committed) })
            #expect(try await archive.stats().transactions == before + 2)
            #expect(try await archive.stats().committed == 100)
        }
    }

    /// Holds the archive's thread until `count` jobs wait behind, so that they come as one group.
    private func gathered(_ archive: Archive, _ count: Int, _ body: @escaping @Sendable (Int) async -> Void) async {
        let gate = DispatchSemaphore(value: 0)
        let held = DispatchSemaphore(value: 0)
        async let blocker = failure { () throws(ArchiveError) in
            try await archive.read { _ in
                held.signal()
                gate.wait()
            }
        }
        await withTaskGroup(of: Void.self) { group in
            await wait(for: held)
            for index in 0..<count { group.addTask { await body(index) } }
            while archive.waiting < count { await Task.yield() }
            gate.signal()
        }
        #expect(await blocker == nil)
    }

    private func wait(for semaphore: DispatchSemaphore) async {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                semaphore.wait()
                continuation.resume()
            }
        }
    }

    @Test func `batches that wait together share one transaction`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let before = try await archive.stats().transactions
            await self.gathered(archive, 20) { index in
                let error = await failure { () throws(ArchiveError) in
                    try await archive.prepare([transcript("s\(index)")])
                }
                #expect(error == nil)
            }
            #expect(try await archive.stats().transactions == before + 1)
            #expect(try await archive.prepared().count == 20)
        }
    }

    @Test func `one that fails does not spoil the others of its group`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let failed = Locked<[Int]>([])
            await self.gathered(archive, 9) { index in
                let error = await failure { () throws(ArchiveError) in
                    try await archive.write { connection throws(ArchiveError) in
                        var lost = 0
                        _ = try connection.prepare(transcript("s\(index)"), now: 1, lost: &lost)
                        if index == 4 { try connection.run("INSERT INTO events VALUES (99, 1, NULL, 1, '', '')") }
                    }
                }
                if let error {
                    #expect(error.name == "SQLITE_CONSTRAINT")
                    failed.withLock { $0.append(index) }
                }
            }
            #expect(failed.withLock { $0 } == [4])
            #expect(
                try await Set(archive.prepared().map(\.header.id)) == Set((0..<9).filter { $0 != 4 }.map { "s\($0)" }))
        }
    }

    @Test func `what was asked before a close is done, what comes later is refused, nobody hangs`() async throws {
        let folder = try TemporaryFolder()
        let archive = try await openArchive(folder.file())
        let done = await withTaskGroup(of: Bool.self, returning: Int.self) { group in
            for index in 0..<200 {
                group.addTask {
                    let error = await failure { () throws(ArchiveError) in
                        try await archive.prepare([transcript("s\(index)")])
                    }
                    #expect(error == nil || error?.code == .closed)
                    return error == nil
                }
                if index == 100 {
                    group.addTask {
                        await archive.close()
                        return false
                    }
                }
            }
            var done = 0
            for await prepared in group where prepared { done += 1 }
            return done
        }
        let again = try await openArchive(folder.file())
        #expect(try await again.prepared().count == done)
        await again.close()
    }
}
