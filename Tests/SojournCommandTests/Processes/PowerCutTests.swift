import Foundation
import Glibc
import SojournTesting
import Testing

/// Redis loses what it had acknowledged, and sessions end before their readers are back.
@Suite struct PowerCutTests {
    @Test func `readers of sessions that expire right after a power cut are told what is gone`() async throws {
        let redis = try await RedisServer.start(tcp: true)
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let node = try NodeProcess(
            "node", in: folder,
            [
                "--redis", "redis://127.0.0.1:\(redis.port)", "--partitions", "16", "--archive",
                folder.file("archive.sqlite"), "--session-min-timeout-minutes", "0.01", "--outage-threshold-seconds",
                "600",
            ])
        try await node.up()
        let port = try #require(node.port)
        let ids = try (0..<12).map { _ in
            let session = try node.ask(
                "POST", NodeProcess.sessions,
                [
                    "agentId": "11111111-1111-4111-8111-111111111111", "userId": "22222222-2222-4222-8222-222222222222",
                    "timeoutConfig": ["timeoutMinutes": 0.1, "autoRenew": false],
                ])
            return try #require(session.body["sessionId"] as? String)
        }
        for id in ids { #expect(node.say("kept", in: id)) }
        let appended = redis.folder.file("appendonlydir/appendonly.aof.1.incr.aof")
        func size() throws -> Int {
            try #require(try FileManager.default.attributesOfItem(atPath: appended)[.size] as? Int)
        }
        let before = try size()
        for id in ids { #expect(node.say("lost", in: id)) }
        let readers = ids.map { _ in StreamReader() }
        let reading = zip(readers, ids).map { $0.follow($1, on: port) { $0.endReason != nil } }
        try await eventually("all readers have what will be lost") { readers.allSatisfy { $0.seen.seqs.contains(3) } }
        let deadline = Date().addingTimeInterval(6)
        redis.kill9()
        #expect(try size() > before && truncate(appended, before) == 0)
        try await eventually("the deadlines are over") { Date() > deadline }
        try await redis.restart()
        for work in reading { try await work.finish(within: 60) }
        for (reader, id) in zip(readers, ids) {
            let seen = reader.seen
            #expect(seen.endReason == "closed" && seen.types.contains("stream.gap"), "\(id): \(seen.types)")
            var head: Int?
            try await eventually(within: 60, "it is archived") {
                let answer = try node.ask("GET", "\(NodeProcess.sessions)/\(id)/events?archived=1")
                head = (answer.body["events"] as? [[String: Any]])?.last?["seq"] as? Int
                return head != nil
            }
            #expect(seen.seqs.last == head && seen.types.contains("session.expired"), "\(id): \(seen)")
        }
        #expect(try await node.stop() == .exited(0))
    }
}
