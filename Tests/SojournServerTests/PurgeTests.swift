import Foundation
import SojournArchive
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// What is erased is gone: from Redis, from every archive, and from the archives' files.
@Suite struct PurgeTests {
    private let other = "33333333-3333-4333-8333-333333333333"

    /// Whether the bytes of a text stand in a file or what lies beside it.
    private func holds(_ path: String, _ text: String) throws -> Bool {
        for file in [path, path + "-wal"] where FileManager.default.fileExists(atPath: file) {
            let data = try Data(contentsOf: URL(fileURLWithPath: file))
            if data.range(of: Data(text.utf8)) != nil { return true }
        }
        return false
    }

    private func keys(_ redis: RedisServer, of id: String) throws -> [String] {
        try redis.client().send("KEYS", "*\(id)*").array.compactMap(\.string)
    }

    private func archived(_ id: String, by nodes: [TestNode]) async throws -> Bool {
        for node in nodes where try await node.archive?.session(id) != nil { return true }
        return false
    }

    @Test func `a purged session is gone from Redis and from the files, and a record without content stays`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let paths = [folder.file("a.sqlite"), folder.file("b.sqlite")]
        let a = try await TestNode.start(on: redis, archivePath: paths[0])
        let b = try await TestNode.start(on: redis, name: "b", archivePath: paths[1])
        let c = try await TestNode.start(on: redis, name: "c")
        // Many sessions of all lengths, so that what is erased lies between what stays; some are over, some live on.
        var secrets: [String: String] = [:]
        for number in 0..<40 {
            let id = try c.create()
            let secret = "secret-\(UUID().uuidString)"
            secrets[id] = secret
            for message in 0...number % 5 {
                try c.say("\(message) \(secret) " + String(repeating: "x", count: number * 90), in: id)
            }
        }
        let ids = secrets.keys.sorted()
        let ended = Array(ids.prefix(30))
        for id in ended { #expect(try c.call("DELETE", "/\(id)").status == 200) }
        for id in ended {
            try await eventually(within: 30, "the hand-over") { try await self.archived(id, by: [a, b]) }
        }
        let purged = ids.enumerated().filter { $0.offset % 3 == 0 }.map(\.element)
        for id in purged {
            let answer = try c.call("DELETE", "/\(id)?purge=1")
            #expect(answer.status == 200 && answer["erasure"]?["status"] == "done", "\(answer.text)")
            #expect(answer["success"] == true && answer["data"] == ["success": true])
            let archives = answer["erasure"]?["archives"]?.array ?? []
            let inArchives = archives.compactMap { $0["sessions"]?.int }.reduce(0, +)
            #expect(archives.count == 2 && inArchives == (ended.contains(id) ? 1 : 0), "\(answer.text)")
            #expect(answer["erasure"]?["redis"]?["sessions"] == (ended.contains(id) ? 0 : 1))
        }
        for id in purged {
            let secret = try #require(secrets[id])
            for path in paths { #expect(try !self.holds(path, secret)) }
            for node in [a, b, c] {
                for path in ["", "?archived=1", "/messages?archived=1", "/events?archived=1"] {
                    #expect(try node.call("GET", "/\(id)\(path)").code == "SESSION_NOT_FOUND", "\(path)")
                }
            }
            #expect(try self.keys(redis, of: id).allSatisfy { $0.contains(":t:") })
            #expect(try c.call("DELETE", "/\(id)?purge=1").status == 404)
        }
        // The others are as they were.
        for id in ids where !purged.contains(id) {
            let answer = try c.call("GET", "/\(id)/messages?archived=1")
            let contents = answer["messages"]?.array?.compactMap { $0["content"]?.string } ?? []
            #expect(!contents.isEmpty && contents.allSatisfy { $0.contains(secrets[id] ?? "-") })
        }
        for node in [a, b] {
            let records = try #require(try await node.archive?.purges())
            #expect(Set(records.map(\.purge.id)) == Set(purged) && records.allSatisfy(\.isDone))
        }
        // What is not live and not purged is archived, before the keys are looked at.
        #expect(try c.call("GET", "?limit=1")["stats"]?["expiredSessions"] == 0)
        for node in [a, b, c] { await node.stop() }
    }

    @Test func `an archive that was away erases when it comes back, and what was not archived never comes there`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let path = folder.file("a.sqlite")
        let a = try await TestNode.start(on: redis, archivePath: path)
        let c = try await TestNode.start(on: redis, name: "c")
        let secret = "secret-\(UUID().uuidString)"
        let (old, waiting) = (try c.create(), try c.create())
        for id in [old, waiting] { try c.say(secret, in: id) }
        #expect(try c.call("DELETE", "/\(old)").status == 200)
        try await eventually("the hand-over") { try await self.archived(old, by: [a]) }
        let archivist = try #require(a.archive?.id)
        await a.stop()
        #expect(try self.holds(path, secret))
        #expect(try c.call("DELETE", "/\(waiting)").status == 200)
        var url = ""
        for id in [old, waiting] {
            let answer = try c.call("DELETE", "/\(id)?purge=1")
            #expect(answer.status == 202 && answer["erasure"]?["status"] == "waiting", "\(answer.text)")
            #expect(answer["erasure"]?["archives"]?.array?.first?["archivist"]?.string == archivist)
            if id == old { url = answer["erasure"]?["url"]?.string ?? "" }
            #expect(try c.call("GET", "/\(id)?archived=1").status == 404)
        }
        #expect(try self.keys(redis, of: waiting).allSatisfy { $0.contains(":t:") })
        let back = try await TestNode.start(on: redis, archivePath: path)
        try await eventually(within: 30, "the report says that it is done") {
            try c.call("GET", target: url)["status"] == "done"
        }
        #expect(try c.call("GET", target: url)["archives"]?.array?.first?["sessions"] == 1)
        #expect(try await back.archive?.purges().count == 2)
        #expect(try await back.archive?.stats().committed == 0)
        #expect(try !self.holds(path, secret))
        for node in [back, c] { await node.stop() }
        #expect(try !self.holds(path, secret))
    }

    @Test func `a user is erased everywhere, with a report, and nobody else is`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let paths = [folder.file("a.sqlite"), folder.file("b.sqlite")]
        let a = try await TestNode.start(on: redis, archivePath: paths[0])
        let b = try await TestNode.start(on: redis, name: "b", archivePath: paths[1])
        let c = try await TestNode.start(on: redis, name: "c")
        let secret = "secret-\(UUID().uuidString)"
        var mine: [String] = []
        var theirs: [String] = []
        for number in 0..<120 {
            let user = number % 4 == 0 ? TestNode.user : self.other
            let answer = try c.call("POST", "", #"{"agentId":"\#(TestNode.agent)","userId":"\#(user)"}"#)
            let id = try #require(answer["sessionId"]?.string)
            try c.say(user == self.other ? secret : "kept", in: id)
            if user == self.other { theirs.append(id) } else { mine.append(id) }
        }
        // Some live, the rest is archived.
        let live = theirs.prefix(20)
        for id in mine + theirs.dropFirst(20) { #expect(try c.call("DELETE", "/\(id)").status == 200) }
        try await eventually(within: 30, "the hand-over") {
            try c.call("GET", "?limit=1")["stats"]?["expiredSessions"] == 0
        }
        let answer = try c.call("DELETE", target: "/api/messaging/archive/users/\(self.other)")
        #expect(answer.status == 200 && answer["status"] == "done", "\(answer.text)")
        #expect(answer["redis"]?["sessions"]?.int == live.count)
        let shares = answer["archives"]?.array ?? []
        #expect(shares.compactMap { $0["sessions"]?.int }.reduce(0, +) == theirs.count - live.count, "\(answer.text)")
        #expect(shares.compactMap { $0["events"]?.int }.reduce(0, +) == 3 * (theirs.count - live.count))
        let url = try #require(answer["url"]?.string)
        #expect(try b.call("GET", target: url).text == answer.text)
        for path in paths { #expect(try !self.holds(path, secret)) }
        for id in theirs { #expect(try b.call("GET", "/\(id)?archived=1").status == 404) }
        for id in mine { #expect(try b.call("GET", "/\(id)?archived=1").status == 200) }
        // A new session of that user is a new beginning.
        let again = try c.call("POST", "", #"{"agentId":"\#(TestNode.agent)","userId":"\#(self.other)"}"#)
        let id = try #require(again["sessionId"]?.string)
        #expect(try c.call("DELETE", "/\(id)").status == 200)
        try await eventually(within: 30, "the hand-over") { try await self.archived(id, by: [a, b]) }
        #expect(try c.call("DELETE", target: "/api/messaging/archive/users/nobody").status == 400)
        #expect(try c.call("GET", target: "/api/messaging/archive/erasures/7").status == 404)
        for node in [a, b, c] { await node.stop() }
    }
}
