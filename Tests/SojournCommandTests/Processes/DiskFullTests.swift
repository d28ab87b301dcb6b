import Foundation
import Glibc
import SojournTesting
import Testing

/// An archive that has no room for a while, and a node that dies meanwhile: nothing is lost, nothing is served twice.
@Suite struct DiskFullTests {
    private func health(_ node: NodeProcess) -> (status: String?, problems: String) {
        let body = (try? node.ask("GET", NodeProcess.sessions + "/health"))?.body ?? [:]
        return (body["status"] as? String, "\(body["problems"] ?? "")")
    }

    private func isFull(_ node: NodeProcess) -> Bool {
        let health = self.health(node)
        return health.status == "degraded" && health.problems.contains("archive: ")
    }

    @Test func `a full disk during commits, again and again, loses and doubles nothing`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let pair = try await ArchivePair(server, crashes: [nil, nil])
        let client = try server.client()
        let padding = " " + String(repeating: "long ", count: 600)
        var refusals = 0
        for round in 0..<8 {
            pair.converse(on: round % 2, sessions: 10, padding: padding)
            // Now one is full, now both are.
            let full = round % 3 == 0 ? [0, 1] : [round % 2]
            for place in full { try pair.nodes[place].fillDisk(of: pair.archive(place)) }
            pair.expireAll()
            if full.count == 2 {
                try await eventually(within: 60, "a node says that its archive is full") {
                    full.contains { self.isFull(pair.nodes[$0]) }
                }
                refusals += full.count { self.isFull(pair.nodes[$0]) }
                // What nobody has taken is in Redis, and read there.
                let waiting = try pair.keys().filter { $0.contains(":s:") }.compactMap { $0.split(separator: ":").last }
                #expect(!waiting.isEmpty)
                for id in waiting.prefix(3) {
                    let path = "\(NodeProcess.sessions)/\(id)/messages?archived=1"
                    #expect(try pair.nodes[1].ask("GET", path).status == 200)
                }
                if round == 3 {
                    // One dies while its disk is full.
                    pair.nodes[0].kill9()
                    #expect(try await pair.nodes[0].exit() == .killed(SIGKILL))
                    try await pair.restart(0, crash: nil)
                }
            } else {
                // The other one takes everything, at once: no lease has to lapse.
                try await pair.allArchived()
            }
            for place in full { try pair.nodes[place].freeDisk() }
            try await pair.allArchived()
            try await eventually(within: 60, "both are well again") {
                pair.nodes.allSatisfy { self.health($0).status == "healthy" }
            }
            // On a busy machine one may have been silent for so long that it counts as gone until its next word.
            try await eventually("both take sessions") { try client.send("ZCARD", "sj:archiving") == 2 }
        }
        #expect(refusals >= 3)
        for node in pair.nodes { #expect(try await node.stop() == .exited(0)) }
        try pair.verify()
        print("a disk that was full: \(refusals) nodes were degraded, \(pair.acknowledged.count) sessions")
    }
}
