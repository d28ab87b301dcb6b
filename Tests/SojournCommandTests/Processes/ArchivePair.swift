import Foundation
import Glibc
import SojournTesting
import Testing

/// Two archiving nodes on one Redis, and what they have been told.
final class ArchivePair {
    /// What belongs to the nodes and the keyspace.
    static let standing = ["sj:meta", "sj:nodes", "sj:archivists", "sj:archiving", "sj:archives"]

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
                "--redis", self.server.url, "--archive", self.archive(place),
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
    ///
    /// - Parameter padding: what each message ends with.
    func converse(on place: Int, sessions: Int, padding: String = "") {
        for _ in 0..<sessions {
            guard let id = try? self.nodes[place].create() else { continue }
            self.acknowledged[id] = []
            for number in 1...Int.random(in: 1...4) {
                let text = "\(number) of \(id)\(padding)"
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
        try await eventually(within: 60, "everything is archived") {
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
        #expect(try KeyspaceWalk.violations(in: client) == [])
        for key in try self.keys() where !Self.standing.contains(key) {
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
