import Foundation
import SojournCore
import SojournLoop
import Testing

@testable import SojournArchive

/// A folder of its own that is removed with its contents.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        self.path = NSTemporaryDirectory() + "archive-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }

    func file(_ name: String = "archive.sqlite") -> String { self.path + "/" + name }
}

/// Keeps what is logged.
final class Recorder: Sendable {
    private let events = Locked<[LogEvent]>([])

    var log: Log { Log(minimum: .info) { event in self.events.withLock { $0.append(event) } } }

    func messages(_ level: LogLevel) -> [String] {
        self.events.withLock { events in events.filter { $0.level == level }.map(\.message) }
    }
}

/// Opens the archive at `path`, silently.
func openArchive(_ path: String, migrations: [Migration] = Schema.migrations) async throws(ArchiveError) -> Archive {
    try await Archive(path: path, log: .silent, migrations: migrations)
}

/// Opens an archive in a folder of its own for the time of `body`.
func withArchive(_ body: (Archive) async throws -> Void) async throws {
    let folder = try TemporaryFolder()
    let archive = try await openArchive(folder.file())
    do {
        try await body(archive)
    } catch {
        await archive.close()
        throw error
    }
    await archive.close()
}

/// The error `body` throws; nil when it throws none.
func failure<Result>(of body: () async throws(ArchiveError) -> Result) async -> ArchiveError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}

func token(_ major: Int64, _ random: String = "r") -> HandoverToken { HandoverToken(major: major, random: random) }

func event(_ seq: Int, epoch: String = "0a1b2c3d.1", type: String? = nil, text: String? = nil) -> TranscriptEvent {
    TranscriptEvent(
        seq: seq, epoch: epoch, at: 1_795_220_673_178 + Int64(seq),
        type: type ?? (seq.isMultiple(of: 2) ? "agent.message" : "user.message"),
        body: Array((text ?? "{\"v\":1,\"seq\":\(seq)}").utf8))
}

/// A session of `events`, or of as many events as `count` says.
func transcript(
    _ id: String, token: HandoverToken = token(1), agent: String = "agent", user: String = "user", endedAt: Int64 = 2,
    count: Int = 5, events: [TranscriptEvent]? = nil, info: [UInt8] = Array("{}".utf8)
) -> Transcript {
    let events = events ?? (1...max(count, 1)).prefix(count).map { event($0) }
    return Transcript(
        header: SessionHeader(
            id: id, agent: agent, user: user, key: nil, createdAt: 1, endedAt: endedAt, reason: .expired,
            head: events.last?.seq ?? 0),
        token: token, info: info, events: events)
}

extension Archive {
    /// Prepares and commits in one go.
    func commit(_ transcripts: [Transcript]) async throws {
        let prepared = try await self.prepare(transcripts)
        try #require(prepared.allSatisfy { $0 == .prepared })
        let settled = try await self.settle(
            transcripts.map { Settlement(id: $0.header.id, token: $0.token, outcome: .committed) })
        try #require(settled.allSatisfy { $0 == .committed })
    }

    /// All events of a session in one page.
    func all(_ id: String) async throws -> [TranscriptEvent] {
        let page = try await self.events(id, limit: Archive.maximumPage)
        try #require(!page.hasMore)
        return page.events
    }
}
