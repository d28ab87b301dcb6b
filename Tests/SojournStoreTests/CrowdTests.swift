import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// A hundred nodes: real registries and sweepers on a real Redis.
@Suite(.serialized) struct CrowdTests {
    private func names(_ range: Range<Int>) -> [String] { range.map { "node-\($0)" } }

    @Test func `of a hundred nodes that come and go, only those partitions move that must`() async throws {
        let server = try await RedisServer.start(tcp: true)
        defer { server.stop() }
        let crowd = Crowd(on: server)
        try await crowd.join(self.names(0..<92))
        var owners = try await crowd.settled()
        var moves = (made: 0, needed: 0)
        // What moves when some come, and when some go.
        func compare(_ now: [String], _ mustMove: (_ before: String, _ after: String) -> Bool) {
            let moved = owners.indices.filter { owners[$0] != now[$0] }
            let needed = owners.indices.filter { mustMove(owners[$0], now[$0]) }
            #expect(moved == needed)
            moves = (moves.made + moved.count, moves.needed + needed.count)
            owners = now
        }
        let newcomers = [["node-92"], ["node-93"], ["node-94"], self.names(95..<100)]
        for some in newcomers {
            try await crowd.join(some)
            compare(try await crowd.settled()) { _, after in some.contains(after) }
        }
        #expect(crowd.names.count == 100)
        for (some, crashing) in [(["node-7"], false), (["node-50"], true), (self.names(10..<20), true)] {
            try await crowd.leave(some, crashing: crashing)
            compare(try await crowd.settled()) { before, _ in some.contains(before) }
        }
        // Those that come back get what they had.
        let back = ["node-7", "node-50"] + self.names(10..<20)
        try await crowd.join(back)
        compare(try await crowd.settled()) { _, after in back.contains(after) }
        #expect(moves.made > 0)
        let shares = Dictionary(grouping: owners) { $0 }.mapValues(\.count)
        print(
            """
            100 nodes: \(moves.made) partitions moved, \(moves.needed) had to; a node has \(shares.values.max() ?? 0) \
            of 256 at the most, \(100 - shares.count) have none
            """)
        try await crowd.stop()
        #expect(try KeyspaceWalk.violations(in: server.client()) == [])
    }

    // Beside other tests some of the hundred have no time for seconds, and count as gone.
    @Test(.enabled(if: TestRun.isAlone))
    func `a hundred nodes sweep each partition by one of them, for less than a twentieth of a Redis core`()
        async throws
    {
        let server = try await RedisServer.start(tcp: true)
        defer { server.stop() }
        let crowd = Crowd(on: server)
        try await crowd.join(self.names(0..<100))
        let owners = try await crowd.settled()
        // A node that had no time for seconds on a busy machine counts as gone for a moment: then it is looked at again.
        try await eventually(within: 90, "each partition is swept by one node") {
            let looks = try await self.looks(at: server, seconds: 3)
            return looks.count == Crowd.partitions && looks.values.allSatisfy { Set($0).count == 1 && $0.count > 1 }
        }
        #expect(try await crowd.settled() == owners)
        var best = 1.0
        for _ in 1...5 where best >= 0.05 {
            let clock = ContinuousClock()
            let (before, calls, start) = (try server.processorSeconds(), try server.calls(), clock.now)
            try await eventually(within: 60) { clock.now - start > .seconds(5) }
            let used = try server.processorSeconds() - before
            let passed = (clock.now - start) / .seconds(1)
            let rate = Double(try server.calls() - calls) / passed
            print(
                """
                100 idle nodes: \(Int(rate)) Redis commands a second, \(Int(used / passed * 1000)) thousandths of a core
                """)
            best = min(best, used / passed)
        }
        #expect(best < 0.05)
        try await crowd.stop()
    }

    /// Who looked at the timers of which partition in some seconds, by the address of the connection.
    private func looks(at server: RedisServer, seconds: Double) async throws -> [String: [String]] {
        let found = Locked<[String: [String]]?>(nil)
        Thread.detachNewThread {
            var looks: [String: [String]] = [:]
            var start: Double?
            let monitor = try? server.client()
            _ = try? monitor?.send("MONITOR")
            while let line = try? monitor?.read().string {
                // 1795220673.178000 [0 127.0.0.1:51234] "EVALSHA" "<sha>" "2" "sj:{T}:due" "sj:{T}:clk" …
                let words = line.split(separator: " ")
                guard let at = words.first.flatMap({ Double($0) }) else { continue }
                start = start ?? at
                if at - (start ?? at) > seconds { break }
                guard words.count > 7, words[3].lowercased() == "\"evalsha\"", words[5] == "\"2\"",
                    words[6].hasSuffix(":due\""), words[7].hasSuffix(":clk\"")
                else { continue }
                looks[String(words[6]), default: []].append(String(words[2]))
            }
            found.withLock { $0 = looks }
        }
        try await eventually(within: 60, "some seconds are watched") { found.withLock { $0 } != nil }
        return found.withLock { $0 } ?? [:]
    }
}

extension RedisServer {
    /// The processor time that it has used, with what the system did for it.
    fileprivate func processorSeconds() throws -> Double {
        let info = try self.client().send("INFO", "cpu").string ?? ""
        return info.split(whereSeparator: \.isNewline).reduce(0) { sum, line in
            let halves = line.split(separator: ":")
            guard halves.count == 2, ["used_cpu_sys", "used_cpu_user"].contains(halves[0]) else { return sum }
            return sum + (Double(halves[1]) ?? 0)
        }
    }
}
