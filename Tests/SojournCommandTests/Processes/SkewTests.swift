import Foundation
import SojournArchive
import SojournTesting
import Testing

@testable import SojournCommand

/// A node's clock decides nothing: not how much may be asked, and not which transcripts Redis may have forgotten.
@Suite struct SkewTests {
    /// Asks as fast as the node answers, on one connection, until a time of Redis; returns how many were let through.
    private static func flood(_ port: Int, _ path: String, _ redis: RedisServer, until end: Int) async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        let (client, clock) = (
                            try RawHTTP(port: port, deadlineMilliseconds: 60_000), try redis.client()
                        )
                        var allowed = 0
                        while try Self.time(clock) < end {
                            try client.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
                            if try client.readResponse().status == 200 { allowed += 1 }
                        }
                        return allowed
                    })
            }
        }
    }

    /// Microseconds of Redis time.
    private static func time(_ redis: RawRedis) throws -> Int {
        let parts = try redis.send("TIME").array.compactMap(\.string).compactMap { Int($0) }
        return parts[0] * 1_000_000 + parts[1]
    }

    @Test func `a limit holds over three nodes, of which one is an hour ahead`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let ahead = try SkewedClock()
        var nodes: [NodeProcess] = []
        for (name, environment) in [("a", [:]), ("b", [:]), ("ahead", ahead.environment(seconds: 3600))] {
            nodes.append(
                try NodeProcess(
                    name, in: folder,
                    [
                        "--redis", redis.url, "--partitions", "16", "--rate-limits",
                        "session.read=40/s:20",
                    ], environment: environment))
        }
        for node in nodes { try await node.up() }
        let ports = try nodes.map { try #require($0.port) }
        let dates = try ports.map { port -> Date in
            let client = try RawHTTP(port: port)
            try client.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            let format = DateFormatter()
            format.locale = Locale(identifier: "en_US_POSIX")
            format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
            return try #require(try client.readResponse().header("Date").flatMap { format.date(from: $0) })
        }
        #expect(dates[2].timeIntervalSince(dates[0]) > 3500)
        let path = "\(NodeProcess.sessions)/\(try nodes[2].create())"
        let clock = try redis.client()
        let begin = try Self.time(clock)
        async let first = Self.flood(ports[0], path, redis, until: begin + 4_000_000)
        async let second = Self.flood(ports[1], path, redis, until: begin + 4_000_000)
        async let third = Self.flood(ports[2], path, redis, until: begin + 4_000_000)
        let allowed = Double(try await first + second + third)
        // The flood lasts four seconds; what is under way at its end may come a little later.
        let most = 20 + Double(try Self.time(clock) - begin) / 1_000_000 * 40
        #expect(allowed <= most * 1.01 && allowed >= (20 + 4 * 40) * 0.95, "\(allowed) of 180 to \(most)")
        for node in nodes { #expect(try await node.stop() == .exited(0)) }
    }

    @Test func `an archive has the time of Redis, also of a node that is an hour ahead`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let file = folder.file("archive.sqlite")
        let node = try NodeProcess(
            "ahead", in: folder, ["--redis", redis.url, "--partitions", "16", "--archive", file],
            environment: try SkewedClock().environment(seconds: 3600))
        try await node.up()
        let id = try node.create()
        #expect(try node.ask("DELETE", "\(NodeProcess.sessions)/\(id)").status == 200)
        let reader = try await Archive.open(reading: file)
        try await eventually(within: 30, "it is archived") { try await reader.exists(id) }
        let served = try #require(try await reader.served().first)
        let now = try Self.time(try redis.client()) / 1000
        #expect(abs(now - Int(served.archivedAt)) < 1_800_000)
        #expect(try await node.stop() == .exited(0))
        await reader.close()
    }
}
