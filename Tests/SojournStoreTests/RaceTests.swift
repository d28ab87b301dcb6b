import SojournArchive
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// The laws where nobody knows the order: many tasks on both nodes, the same sessions, all at once.
@Suite struct RaceTests {
    private struct Seen {
        /// Every session that a create answered with, and its conversation key.
        var keys: [SessionID: String] = [:]
        /// The messages that were acknowledged: session, id, seq.
        var messages: [(session: SessionID, id: String, seq: Int)] = []
        var deleted: [SessionID] = []
        var renewals = 0
        var unexpected: [StoreError] = []
    }

    private final class Witness: Sendable {
        let facts = Locked(Seen())
    }

    private static let keys = 20
    private static let rounds = 120

    @Test func `races over the same conversation keys from both nodes obey the laws`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let patient: (inout StoreConfiguration) -> Void = { $0.outageThreshold = 3_600_000 }
        let nodes = [
            try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"), loops: 2, patient),
            try await StoreNode.start(on: server, name: "b", loops: 2, patient),
        ]
        let seen = Witness()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<12 {
                let node = nodes[number % 2]
                group.addTask { await self.hammer(node, seen) }
            }
            group.addTask { await self.moveClock(nodes) }
        }
        let result = seen.facts.withLock { $0 }
        #expect(result.unexpected.isEmpty, "\(result.unexpected.prefix(3))")
        #expect(result.messages.count > 200 && result.deleted.count > 20 && result.renewals > 50)
        for node in nodes { try await node.store.advanceTestClock(milliseconds: 3_000 * 60_000) }
        let archive = try #require(nodes[0].archive)
        try await eventually(within: 30, "all sessions are archived") {
            try await archive.stats().committed == result.keys.count
        }
        var lives: [String: [ClosedRange<Int64>]] = [:]
        for (id, key) in result.keys {
            let events = try await archive.events(id.text, limit: 1_000).events
            try self.check(events, of: id, result)
            lives[key, default: []].append(try #require(events.first).at...(try self.end(of: events)))
        }
        for (key, lives) in lives {
            let inOrder = lives.sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
            for (one, next) in zip(inOrder, inOrder.dropFirst()) {
                #expect(one.upperBound <= next.lowerBound, "law 6: \(key) had two live sessions")
            }
        }
        let deleted = Set(result.deleted)
        #expect(deleted.count == result.deleted.count, "a session was deleted twice")
        let violations = try KeyspaceWalk.violations(in: try server.client())
        #expect(violations.isEmpty, "law 7: \(violations)")
        for node in nodes { await node.stop() }
    }

    private func hammer(_ node: StoreNode, _ seen: Witness) async {
        for _ in 0..<Self.rounds {
            let key = "key \(Int.random(in: 0..<Self.keys))"
            do {
                let session = try await node.session(minutes: 5, max: 8, key: key)
                seen.facts.withLock { $0.keys[session.id] = key }
                switch Int.random(in: 0..<10) {
                case 0:
                    try await node.store.end(session.id.text)
                    seen.facts.withLock { $0.deleted.append(session.id) }
                case 1, 2:
                    try await node.store.renew(session.id.text)
                    seen.facts.withLock { $0.renewals += 1 }
                case 3: try await node.store.heartbeat(session.id.text)
                case 4: _ = try await node.store.heartbeat(batch: [session.id.text])
                default:
                    let sent = try await node.say("hello", in: session)
                    seen.facts.withLock { $0.messages.append((session.id, sent.id, sent.cursor.seq)) }
                }
            } catch let error as StoreError {
                // Somebody else ended it in between, or it is at its cap: both are answers.
                if ![.sessionExpired, .sessionNotFound, .renewalFailed].contains(error.code) {
                    seen.facts.withLock { $0.unexpected.append(error) }
                }
            } catch {
                Issue.record(error)
            }
        }
    }

    private func moveClock(_ nodes: [StoreNode]) async {
        for round in 0..<40 {
            do {
                try await nodes[round % 2].store.advanceTestClock(milliseconds: .random(in: 10_000...120_000))
                _ = try await nodes[round % 2].store.list()
            } catch {
                Issue.record(error)
            }
        }
    }

    /// When the life of this log was over. An expiry is logged when it is swept; the life ended before.
    private func end(of events: [TranscriptEvent]) throws -> Int64 { try #require(events.last).at }

    /// Laws 2, 3, 5 and 8 of one log.
    private func check(_ events: [TranscriptEvent], of id: SessionID, _ result: Seen) throws {
        #expect(events.map(\.seq) == Array(1...max(1, events.count)), "law 3: \(id)")
        #expect(events.first?.type == EventType.sessionCreated)
        #expect(events.map(\.at) == events.map(\.at).sorted(), "law 9: \(id)")
        let closing = events.indices.filter { EventType.closing.contains(events[$0].type) }
        #expect(closing == [events.count - 1], "law 5: \(id) \(events.map(\.type))")
        #expect((events.last?.type == EventType.sessionEnded) == result.deleted.contains(id))
        let acknowledged = result.messages.filter { $0.session == id }
        let logged = events.filter { $0.type == EventType.userMessage }
        #expect(logged.count == acknowledged.count, "law 8: each message of \(id) once")
        for message in acknowledged {
            let event = try #require(logged.first { $0.seq == message.seq }, "law 8: \(message)")
            #expect(try JSON.parse(event.body)["data"]?["id"]?.string == message.id, "law 8: \(message)")
        }
        let warnings = try events.filter { $0.type == EventType.sessionExpiring }
            .map { try JSON.parse($0.body)["data"]?["expiresAt"]?.string }
        #expect(Set(warnings).count == warnings.count, "law 2: two warnings of one deadline of \(id)")
    }
}
