import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// Redis is killed and comes back while clients write.
@Suite struct CrashTests {
    /// What became of the messages of one writer.
    private struct Outcomes {
        var acknowledged: [String: Cursor] = [:]
        var unknown: Set<String> = []
        var unavailable: Set<String> = []
        var others: [String] = []
    }

    private final class Ledger: Sendable {
        let outcomes = Locked(Outcomes())
        let isOver = Locked(false)
        private let logged = Locked<[String: Int]>([:])

        var log: Log {
            Log(minimum: .notice) { event in self.logged.withLock { $0[event.message, default: 0] += 1 } }
        }

        /// How often a sentence was logged.
        func count(of sentence: String) -> Int { self.logged.withLock { $0[sentence] ?? 0 } }
    }

    private func write(_ writer: String, from node: StoreNode, to session: Session, into ledger: Ledger) async {
        var number = 0
        while !ledger.isOver.withLock({ $0 }) {
            number += 1
            let text = "\(writer)-\(number)"
            do {
                let sent = try await node.say(text, in: session)
                ledger.outcomes.withLock { $0.acknowledged[text] = sent.cursor }
            } catch let error as StoreError {
                ledger.outcomes.withLock {
                    switch error.code {
                    case .outcomeUnknown: $0.unknown.insert(text)
                    case .storeUnavailable: $0.unavailable.insert(text)
                    default: $0.others.append("\(error)")
                    }
                }
            } catch {
                ledger.outcomes.withLock { $0.others.append("\(error)") }
            }
        }
    }

    @Test(arguments: ["always", "everysec"])
    func `a killed Redis that syncs always loses no acknowledged message, else readers are told`(fsync: String)
        async throws
    {
        let server = try await RedisServer.start(["--appendfsync", fsync])
        defer { server.stop() }
        let ledger = Ledger()
        var nodes: [StoreNode] = []
        for name in ["a", "b"] {
            nodes.append(
                try await StoreNode.start(on: server, name: name, log: ledger.log) { $0.commandTimeout = 1_000 })
        }
        let session = try await nodes[0].session()
        let readers = [
            try await WatchRecord.start(on: nodes[0], session), try await WatchRecord.start(on: nodes[1], session),
        ]
        let writers = (0..<8).map { number in
            let node = nodes[number % 2]
            return Task { await self.write("w\(number)", from: node, to: session, into: ledger) }
        }
        for round in 1...3 {
            let before = ledger.outcomes.withLock { $0.acknowledged.count }
            try await eventually { ledger.outcomes.withLock { $0.acknowledged.count } > before + 200 }
            server.kill9()
            if round == 2 {
                // Away for so long that what waits is refused, and attempts to connect are far apart.
                try await eventually { ledger.outcomes.withLock { $0.unavailable.count } >= 8 }
            }
            try await server.restart()
            let clock = ContinuousClock()
            let back = clock.now
            let count = ledger.outcomes.withLock { $0.acknowledged.count }
            try await eventually { ledger.outcomes.withLock { $0.acknowledged.count } > count }
            let pause = clock.now - back
            #expect(pause < .seconds(5))
            // Both nodes say so, of both their connections to each server.
            try await eventually {
                ledger.count(of: "The connection to Redis is back") == 4 * server.everyone.count * round
            }
            #expect(
                ledger.count(of: "The connection to Redis is lost; it is being restored") == 4 * server.everyone.count
                    * round)
            print("appendfsync \(fsync): serving again \(pause) after Redis answered")
        }
        ledger.isOver.withLock { $0 = true }
        for writer in writers { await writer.value }
        let log = try await nodes[0].log(of: session)
        #expect(log.compactMap(\.seq) == Array(1...log.count))
        try self.check(ledger.outcomes.withLock { $0 }, against: log, fsync: fsync)
        for reader in readers {
            try await eventually { reader.events.last == log.last }
            #expect(reader.picture == log)
            if fsync == "always" { #expect(reader.gaps.isEmpty) }
        }
        for node in nodes { await node.stop() }
    }

    private func check(_ outcomes: Outcomes, against log: [Event], fsync: String) throws {
        var places: [String: Cursor] = [:]
        for message in log.compactMap({ Message($0) }) {
            #expect(places[message.content] == nil, "\(message.content) is in the log twice")
            places[message.content] = Cursor(epoch: log[message.seq - 1].epoch, seq: message.seq)
        }
        let missing = outcomes.acknowledged.filter { places[$0.key] != $0.value }
        // While an fsync of the second before is under way, Redis acknowledges what is in its own memory only.
        #expect(missing.isEmpty || fsync == "everysec", "acknowledged, and not where it was said: \(missing.prefix(3))")
        let written = outcomes.unavailable.filter { places[$0] != nil }
        #expect(written.isEmpty, "said to be refused, and in the log: \(written.prefix(3))")
        #expect(outcomes.others.isEmpty, "\(outcomes.others.prefix(3))")
        let stray = places.keys.filter { outcomes.acknowledged[$0] == nil && !outcomes.unknown.contains($0) }
        #expect(stray.isEmpty)
        #expect(!outcomes.unavailable.isEmpty)
        let happened = outcomes.unknown.filter { places[$0] != nil }.count
        print(
            "appendfsync \(fsync): \(outcomes.acknowledged.count) acknowledged, \(missing.count) missing,",
            "\(outcomes.unknown.count) unknown (\(happened) happened), \(outcomes.unavailable.count) refused")
    }
}
