import Foundation
import Glibc
import SojournCore
import SojournTesting
import Testing

@testable import SojournCommand

/// A node among attackers: its memory is bounded, and who behaves well hardly notices them.
@Suite struct AbuseTests {
    private static let others: [Attack: Int] = [
        .slowHeaders: 300, .slowBody: 300, .garbage: 1000, .writesOnStream: 20, .fragments: 20,
    ]

    /// How many idle connections the limit on open files admits, beside those of the other tests of this process.
    private func idleConnections() -> Int {
        let files = OpenFiles.raiseLimit()
        let count = max(0, min(10_000, files - 6_000))
        if count < 10_000 { print("abuse: \(10_000 - count) of 10,000 idle connections are left out: \(files) files") }
        return count
    }

    private func residentBytes(_ node: NodeProcess) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(node.pid)/statm", encoding: .utf8)
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    }

    private func openFiles(_ node: NodeProcess) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(node.pid)/fd").count
    }

    /// The time below which 99 of 100 requests of a well-behaved client were answered, in microseconds.
    private func p99(_ port: Int, _ session: String, requests: Int) throws -> Int {
        let client = try RawHTTP(port: port)
        let one = "\(NodeProcess.sessions)/\(session)"
        let get = "GET \(one) HTTP/1.1\r\nHost: a\r\n\r\n"
        let post = "POST \(one)/heartbeat HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        var times: [Int] = []
        for number in 0..<requests {
            let start = DispatchTime.now().uptimeNanoseconds
            try client.send(number % 2 == 0 ? get : post)
            let status = try client.readResponse().status
            times.append(Int(DispatchTime.now().uptimeNanoseconds - start) / 1000)
            guard status == 200 else { throw Unanswered(description: "a request was answered \(status)") }
        }
        times.sort()
        return times[times.count * 99 / 100]
    }

    @Test func `attackers of every kind cost a bounded amount of memory, and others hardly any time`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        var crowd = Self.others
        let idle = self.idleConnections()
        crowd[.idle] = idle
        let node = try NodeProcess(
            "target", in: folder,
            ["--redis", redis.url, "--loops", "2", "--log-level", "notice"])
        try await node.up()
        let port = try #require(node.port)
        let session = try node.create()
        _ = try self.p99(port, session, requests: 500)
        let (memory, files) = (try self.residentBytes(node), try self.openFiles(node))

        var (quiet, abused, growth): ([Int], [Int], [Int]) = ([], [], [])
        var cut: [Attack: Int] = [:]
        // Beside the other tests a latency says nothing. What else runs on this machine disturbs one round or another: two
        // must show the attackers alone.
        let isAlone = TestRun.isAlone
        func calm() -> Int { zip(quiet, abused).count { $1 <= 2 * $0 } }
        var isLast = false
        while !isLast {
            quiet.append(try self.p99(port, session, requests: 2000))
            let attackers = Attackers(crowd, on: port, session: session)
            try await eventually(within: 60, "the attackers are there") {
                let counts = attackers.counts
                return counts.answered[.idle, default: 0] >= idle * 99 / 100
                    && Attack.allCases.allSatisfy { counts.opened[$0, default: 0] >= crowd[$0] ?? 0 }
            }
            abused.append(try self.p99(port, session, requests: 2000))
            growth.append(try self.residentBytes(node) - memory)
            isLast = growth.count == 5 || (growth.count >= 3 && (!isAlone || calm() >= 2))
            if isLast {
                // Who is slow, breaks a rule or talks on and on is thrown out; who is merely idle may stay.
                attackers.comeNoMore()
                try await eventually(within: 60, "all but the idle and the slow bodies are thrown out") {
                    let present = attackers.counts.present
                    return present.allSatisfy { [.idle, .slowBody].contains($0.key) || $0.value == 0 }
                }
            }
            #expect(attackers.counts.present[.idle, default: 0] >= idle * 99 / 100)
            cut.merge(attackers.counts.cut) { $0 + $1 }
            attackers.leave()
            try await eventually(within: 60, "they have left") { attackers.hasLeft }
        }
        print("abuse: p99 in µs, quiet \(quiet), abused \(abused); bytes more \(growth) for \(idle) idle and others")
        if isAlone { #expect(calm() >= 2, "quiet \(quiet), abused \(abused)") }
        let bound = crowd.reduce(0) { $0 + $1.value * $1.key.mayCost }
        #expect(growth.allSatisfy { $0 <= bound }, "\(growth) of \(bound)")
        // What it costs comes once, not in each round.
        let (first, last) = (try #require(growth.first), try #require(growth.last))
        #expect(last <= 2 * first, "\(growth)")
        for attack in Self.others.keys where attack != .slowBody {
            #expect(cut[attack, default: 0] >= crowd[attack] ?? 0, "\(attack): \(cut)")
        }
        try await eventually(within: 60, "nothing is left of them") { try self.openFiles(node) <= files + 2 }
        let lines = node.log.split(separator: "\n")
        #expect(lines.count < 50, "a flood must not become a flood of lines: \(lines.suffix(3))")
        #expect(try node.ask("GET", "\(NodeProcess.sessions)/\(session)").status == 200)
        #expect(try await node.stop() == .exited(0))
    }

    @Test func `a node that may open few files keeps enough for itself`() async throws {
        let redis = try await RedisServer.start(alone: true)
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let node = try TestProcess(
            "prlimit",
            [
                "--nofile=100:300", TestProcess.built("sojourn"), "serve", "--port", "none", "--listen",
                "unix:\(folder.file("s"))", "--loops", "1", "--redis", redis.url,
            ], folder: folder.path, output: folder.file("out"))
        try await eventually("it is up") { File.text(folder.file("out"))?.contains("try:") == true }
        #expect(File.text(folder.file("out"))?.contains("connections=164 files=300") == true)
        // More than that come, and would keep what they get; the idle ones make room, and Redis can be reached anew.
        func isHealthy() throws -> Bool {
            let client = try RawHTTP(unix: folder.file("s"))
            try client.send("GET \(NodeProcess.sessions)/health HTTP/1.1\r\nHost: a\r\n\r\n")
            return try client.readResponse().status == 200
        }
        let clients = try (0..<400).map { _ in try RawHTTP(unix: folder.file("s")) }
        try await eventually("idle ones made room") { try isHealthy() }
        try redis.client().send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        try await eventually("it has reached Redis again") { try isHealthy() }
        for client in clients { client.close() }
        #expect(OpenFiles.connections(of: 4, limit: 64) == 1)
        node.signal(SIGTERM)
        #expect(node.wait() == .exited(0))
    }
}
