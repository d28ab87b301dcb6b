import Foundation
import Glibc
import SojournTesting
import Testing

/// The archivist that follows live sessions is killed at each of its steps and at random moments; nothing is missing
/// and nothing is there twice, while the sessions live and when they have ended.
@Suite struct FollowKillTests {
    static let steps = ["behindRead", "behindWritten", "behindTold", "any moment"]

    private let folder = TemporaryFolder()

    private func node(_ name: String, _ server: RedisServer, archive: Bool, crash: String? = nil) throws -> NodeProcess
    {
        try NodeProcess(
            name, in: self.folder,
            [
                "--redis", server.url, "--partitions", "16", "--log-window", "100",
                "--archive-lease-seconds", "0.5", "--log-level", "notice",
            ] + (archive ? ["--archive", self.folder.file("archive.sqlite")] : []),
            environment: crash.map { ["SOJOURN_CRASH_AT": $0] } ?? [:])
    }

    /// All seqs of a session by pages in one direction; nil when the archivist is said to be away.
    private func seqs(_ node: NodeProcess, _ id: String, forward: Bool, limit: Int) throws -> [Int]? {
        var seqs: [Int] = []
        var at = forward ? "after=0" : "before=1000000"
        while true {
            let (status, body) = try node.ask("GET", "\(NodeProcess.sessions)/\(id)/events?limit=\(limit)&\(at)")
            if status == 503 {
                let error = body["error"] as? [String: Any]
                #expect(error?["code"] as? String == "ARCHIVE_UNAVAILABLE")
                return nil
            }
            try #require(status == 200)
            let page = (body["events"] as? [[String: Any]] ?? []).compactMap { $0["seq"] as? Int }
            seqs += forward ? page : page.reversed()
            guard body["hasMore"] as? Bool == true, let last = seqs.last else {
                return forward ? seqs : seqs.reversed()
            }
            at = forward ? "after=\(last)" : "before=\(last)"
        }
    }

    @Test func `a follower that is killed again and again misses nothing and has nothing twice`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let writer = try self.node("writer", server, archive: false)
        try await writer.up()
        var kills: [String: Int] = [:]
        var told: [String: [String]] = [:]
        var unavailable = 0
        var trimmed = 0
        let client = try server.client()
        func kept(_ id: String) throws -> Int {
            let key = try client.send("KEYS", "sj:*:l:\(id)").array.first?.string ?? ""
            return try client.send("LLEN", key).string.flatMap { Int($0) } ?? -1
        }
        for _ in 0..<3 { told[try writer.create()] = [] }
        for round in 0..<20 {
            let step = Self.steps[round % Self.steps.count]
            let isRandom = step == "any moment"
            let follower = try self.node(
                "follower", server, archive: true, crash: isRandom ? nil : "\(step):\(Int.random(in: 1...6))")
            try await follower.up()
            var left = isRandom ? Int.random(in: 0...60) : 400
            while follower.isRunning, left > 0 {
                for id in told.keys {
                    let text = "\(round) \(told[id]?.count ?? 0)"
                    try #require(writer.say(text, in: id))
                    told[id]?.append(text)
                }
                left -= 1
            }
            follower.kill9()
            _ = try await follower.exit()
            #expect(follower.wasKilled, "\(follower.log)")
            if isRandom || left > 0 { kills[step, default: 0] += 1 }
            // Without the archivist a reader gets all or is told.
            for (id, texts) in told {
                let count = try kept(id)
                if count < texts.count + 1 { trimmed += 1 }
                guard let seqs = try self.seqs(writer, id, forward: round % 2 == 0, limit: 100) else {
                    unavailable += 1
                    continue
                }
                #expect(seqs == Array(1...texts.count + 1))
            }
        }
        let follower = try self.node("follower", server, archive: true)
        try await follower.up()
        for (id, texts) in told {
            try await eventually(within: 30, "the log is trimmed") { try kept(id) <= 100 }
            for (node, limit) in [(writer, 7), (follower, 100)] {
                for forward in [true, false] {
                    #expect(try self.seqs(node, id, forward: forward, limit: limit) == Array(1...texts.count + 1))
                }
            }
            #expect(try writer.ask("DELETE", "\(NodeProcess.sessions)/\(id)").status == 200)
        }
        try await eventually(within: 30, "everything is archived") {
            try !client.send("KEYS", "*").array.compactMap(\.string).contains { $0.contains(":s:") }
        }
        #expect(try await follower.stop() == .exited(0))
        #expect(try await writer.stop() == .exited(0))
        let file = try TranscriptFile(self.folder.file("archive.sqlite"))
        for state in ["live", "prepared", "quarantined"] { #expect(try file.sessions(state).isEmpty) }
        #expect(try file.rows("SELECT * FROM lost_events").isEmpty)
        #expect(try file.rows("SELECT * FROM events WHERE handover NOT IN (SELECT handover FROM sessions)") == [])
        let served = try file.sessions("committed")
        #expect(Set(served.map(\.id)) == Set(told.keys) && served.count == told.count)
        for (id, handover, head) in served {
            let (seqs, messages) = try file.transcript(handover)
            #expect(seqs == Array(1...head))
            #expect(messages == told[id])
        }
        for step in Self.steps { #expect(kills[step, default: 0] >= 4, "\(step): \(kills[step, default: 0]) kills") }
        #expect(trimmed > 0 && unavailable > 0)
        print(
            "kills of the follower \(kills), messages \(told.values.map(\.count).reduce(0, +)), logs found trimmed",
            "\(trimmed), readers told that the archivist is away \(unavailable)")
    }
}
