import Foundation
import Glibc
import SojournTesting
import Testing

/// Archiving nodes are killed at every step of the hand-over, again and again, and lose nothing.
@Suite struct HandOverKillTests {
    static let steps = ["claimed", "read", "prepared", "acknowledged", "settled"]

    @Test func `a hundred kills at every step of the hand-over lose and double nothing`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        var crashes = 2
        /// The next step, for the first to fourth session that comes to it.
        func next() -> String { "\(Self.steps[crashes % Self.steps.count]):\(crashes / Self.steps.count % 4 + 1)" }
        let pair = try await ArchivePair(server, crashes: ["claimed:1", "read:1"])
        var kills: [String: Int] = [:]
        var armed = ["claimed", "read"]
        while kills.values.reduce(0, +) < 100 {
            pair.converse(on: Int.random(in: 0...1), sessions: 6)
            pair.expireAll()
            try await eventually(within: 60, "a node dies, or all went well") {
                try pair.nodes.contains { !$0.isRunning } || !pair.keys().contains { $0.contains(":s:") }
            }
            for place in 0..<2 where !pair.nodes[place].isRunning {
                #expect(pair.nodes[place].wasKilled, "\(pair.nodes[place].log)")
                kills[armed[place], default: 0] += 1
                // Now and then it stays away until the other has noticed and takes its sessions over.
                if kills.values.reduce(0, +) % 20 == 10, pair.nodes[1 - place].isRunning {
                    let client = try server.client()
                    try await eventually(within: 60, "it is missed") {
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
        for step in Self.steps { #expect(kills[step, default: 0] >= 15, "\(step): \(kills[step, default: 0]) kills") }
        let steals = (pair.logs + pair.nodes.map(\.log).joined()).components(separatedBy: "takes the session over")
            .count
        #expect(steals > 1)
        print("kills \(kills), sessions \(pair.acknowledged.count), taken over \(steals - 1)")
    }

    @Test func `an archivist that was paused after it prepared is refused when it wakes up`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let pair = try await ArchivePair(server, crashes: ["prepared:1:stop", nil])
        while !pair.nodes[0].isPaused {
            pair.converse(on: 1, sessions: 4)
            try pair.nodes[1].advance(minutes: 31)
            try await eventually(within: 60, "the session is in hand") {
                try pair.nodes[0].isPaused || !pair.keys().contains { $0.contains(":s:") }
            }
        }
        // The other takes over what the paused one holds, once its entry and its leases have lapsed.
        try await pair.allArchived()
        #expect(try !TranscriptFile(pair.archive(0)).sessions("prepared").isEmpty)
        kill(pair.nodes[0].pid, SIGCONT)
        try await eventually(within: 60, "it gives up what it prepared") {
            try TranscriptFile(pair.archive(0)).sessions("prepared").isEmpty
        }
        for node in pair.nodes { #expect(try await node.stop() == .exited(0)) }
        try pair.verify()
    }
}
