import Foundation
import Glibc
import SojournTesting
import Testing

/// Archiving nodes are killed at every step of the hand-over, again and again, and lose nothing.
@Suite struct HandOverKillTests {
    static let steps = ["claimed", "read", "prepared", "acknowledged", "settled"]

    /// Two archiving nodes on one Redis, and what they have been told.
    private final class Pair {
        let server: RedisServer
        let folder = TemporaryFolder()
        private(set) var nodes: [NodeProcess] = []
        /// The texts that were acknowledged, and those that may have arrived, of each session.
        private(set) var acknowledged: [String: [String]] = [:]
        private(set) var uncertain: [String: Set<String>] = [:]
        /// What all runs of the nodes that have ended logged.
        private(set) var logs = ""

        init(_ server: RedisServer, crashes: [String?]) async throws {
            self.server = server
            for (place, crash) in crashes.enumerated() { self.nodes.append(try self.node(place, crash)) }
            for node in self.nodes { try await node.up() }
        }

        func archive(_ place: Int) -> String { self.folder.file("archive-\(place).sqlite") }

        private func node(_ place: Int, _ crash: String?) throws -> NodeProcess {
            try NodeProcess(
                "node-\(place)", in: self.folder,
                [
                    "--redis", "unix:\(self.server.folder.file("redis.sock"))", "--archive", self.archive(place),
                    "--archive-lease-seconds", "0.5", "--partitions", "16", "--test-clock",
                ], environment: crash.map { ["SOJOURN_CRASH_AT": $0] } ?? [:])
        }

        /// Starts a node again.
        func restart(_ place: Int, crash: String?) async throws {
            self.logs += self.nodes[place].log
            self.nodes[place] = try self.node(place, crash)
            try await self.nodes[place].up()
        }

        /// Creates sessions on a node with messages from both; a node that is gone is no failure.
        func converse(on place: Int, sessions: Int) {
            for _ in 0..<sessions {
                guard let id = try? self.nodes[place].create() else { continue }
                self.acknowledged[id] = []
                for number in 1...Int.random(in: 1...4) {
                    let text = "\(number) of \(id)"
                    if self.nodes[(place + number) % 2].say(text, in: id) {
                        self.acknowledged[id]?.append(text)
                    } else {
                        self.uncertain[id, default: []].insert(text)
                    }
                }
            }
        }

        /// Lets every live session expire, and both nodes look at once.
        func expireAll() {
            try? self.nodes[0].advance(minutes: 31)
            try? self.nodes[1].advance(minutes: self.nodes[0].isRunning ? 0 : 31)
        }

        func keys() throws -> [String] { try self.server.client().send("KEYS", "*").array.compactMap(\.string) }

        /// Waits until no session waits for an archivist.
        func allArchived() async throws {
            try await eventually("everything is archived") {
                try !self.keys().contains { $0.contains(":s:") || $0.hasSuffix(":arc") }
            }
        }

        /// Every session is in one file, once, whole; Redis keeps nothing but what lapses or belongs to nodes.
        func verify() throws {
            var served: [String: Int] = [:]
            for place in 0..<2 {
                let file = try TranscriptFile(self.archive(place))
                #expect(try file.sessions("prepared").isEmpty)
                #expect(try file.sessions("quarantined").isEmpty)
                #expect(try file.rows("SELECT * FROM lost_events").isEmpty)
                #expect(
                    try file.rows("SELECT * FROM events WHERE handover NOT IN (SELECT handover FROM sessions)") == [])
                for (id, handover, head) in try file.sessions("committed") {
                    served[id, default: 0] += 1
                    let (seqs, messages) = try file.transcript(handover)
                    #expect(seqs == Array(1...head))
                    let certain = messages.filter { self.uncertain[id]?.contains($0) != true }
                    // A session whose creation was never answered may be there; then nobody wrote to it.
                    #expect(certain == self.acknowledged[id] ?? [])
                    #expect(Set(messages).count == messages.count)
                }
            }
            let lost = self.acknowledged.keys.filter { served[$0] == nil }
            #expect(lost.isEmpty, "\(lost.count) sessions are in no archive")
            let twice = served.filter { $0.value > 1 }
            #expect(twice.isEmpty, "\(twice.count) sessions are served twice")
            let client = try self.server.client()
            for key in try self.keys() where !["sj:meta", "sj:nodes", "sj:archivists"].contains(key) {
                if key.contains(":t:") {
                    guard case .int(let life) = try client.send("PTTL", key), life > 0 else {
                        Issue.record("\(key) never lapses")
                        continue
                    }
                } else {
                    #expect(key.hasSuffix(":clk"), "\(key) is left")
                }
            }
        }
    }

    @Test func `fifty kills at every step of the hand-over lose and double nothing`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        var crashes = 2
        /// The next step, for the first to fourth session that comes to it.
        func next() -> String { "\(Self.steps[crashes % Self.steps.count]):\(crashes / Self.steps.count % 4 + 1)" }
        let pair = try await Pair(server, crashes: ["claimed:1", "read:1"])
        var kills: [String: Int] = [:]
        var armed = ["claimed", "read"]
        while kills.values.reduce(0, +) < 60 {
            pair.converse(on: Int.random(in: 0...1), sessions: 6)
            pair.expireAll()
            try await eventually("a node dies, or all went well") {
                try pair.nodes.contains { !$0.isRunning } || !pair.keys().contains { $0.contains(":s:") }
            }
            for place in 0..<2 where !pair.nodes[place].isRunning {
                #expect(pair.nodes[place].wasKilled, "\(pair.nodes[place].log)")
                kills[armed[place], default: 0] += 1
                // Now and then it stays away until the other has noticed and takes its sessions over.
                if kills.values.reduce(0, +) % 20 == 10, pair.nodes[1 - place].isRunning {
                    let client = try server.client()
                    try await eventually("it is missed") {
                        try client.send("ZCARD", "sj:archivists") == 1 || !pair.nodes[1 - place].isRunning
                    }
                }
                let crash = next()
                crashes += 1
                armed[place] = Self.steps.first { crash.hasPrefix($0) } ?? ""
                try await pair.restart(place, crash: crash)
            }
        }
        for place in 0..<2 {
            pair.nodes[place].kill9()
            _ = try await pair.nodes[place].exit()
            try await pair.restart(place, crash: nil)
        }
        pair.expireAll()
        try await pair.allArchived()
        for node in pair.nodes { #expect(try await node.stop() == .exited(0)) }
        try pair.verify()
        for step in Self.steps { #expect(kills[step, default: 0] >= 8, "\(step): \(kills[step, default: 0]) kills") }
        let steals = (pair.logs + pair.nodes.map(\.log).joined()).components(separatedBy: "takes the session over")
            .count
        #expect(steals > 1)
        print("kills \(kills), sessions \(pair.acknowledged.count), taken over \(steals - 1)")
    }

    @Test func `an archivist that was paused after it prepared is refused when it wakes up`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let pair = try await Pair(server, crashes: ["prepared:1:stop", nil])
        while !pair.nodes[0].isPaused {
            pair.converse(on: 1, sessions: 4)
            try pair.nodes[1].advance(minutes: 31)
            try await eventually("the session is in hand") {
                try pair.nodes[0].isPaused || !pair.keys().contains { $0.contains(":s:") }
            }
        }
        // The other takes over what the paused one holds, once its entry and its leases have lapsed.
        try await pair.allArchived()
        #expect(try !TranscriptFile(pair.archive(0)).sessions("prepared").isEmpty)
        kill(pair.nodes[0].pid, SIGCONT)
        try await eventually("it gives up what it prepared") {
            try TranscriptFile(pair.archive(0)).sessions("prepared").isEmpty
        }
        for node in pair.nodes { #expect(try await node.stop() == .exited(0)) }
        try pair.verify()
    }
}
