import Foundation
import Glibc
import SojournTesting
import Testing

@testable import SojournCommand

/// Nodes and Redis come and go while clients write and read; as processes, by signals.
@Suite struct TwoNodeTests {
    private func node(_ name: String, on server: RedisServer, in folder: TemporaryFolder) async throws -> NodeProcess {
        let node = try NodeProcess(
            name, in: folder, ["--redis", server.url, "--partitions", "16"])
        try await node.up()
        return node
    }

    @Test func `a node that is told to stop tells its streams, and they go on elsewhere`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await self.node("a", on: server, in: folder)
        let session = try a.create()
        let reader = StreamReader()
        for round in 1...2 {
            // The second node comes, serves the stream, and leaves.
            let b = try await self.node("b", on: server, in: folder)
            let port = try #require(b.port)
            let reading = reader.follow(session, on: port)
            try await eventually("it streams") { reader.seen.types.count { $0 == "stream.ready" } == round }
            // An idle connection must not hold the node up.
            let idle = try RawHTTP(port: port)
            #expect(a.say("while it streams", in: session))
            #expect(b.say("through it", in: session))
            #expect(try await b.stop() == .exited(0))
            try await reading.finish()
            idle.close()
            #expect(reader.seen.endReason == "drain" && reader.seen.types.last == "stream.end")
            #expect(b.log.contains("msg=stopped"))
            #expect(try server.client().send("ZSCORE", "sj:nodes", "b") == .null, "it is still in the registry")
            #expect(a.say("while it is away", in: session))
        }
        try await reader.follow(session, on: try #require(a.port)) { $0.seqs.last == 7 }.finish()
        #expect(reader.seen.seqs == Array(1...7))
        #expect(try await a.stop() == .exited(0))
    }

    @Test func `clients of a killed node resume on the other and miss nothing`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await self.node("a", on: server, in: folder)
        let port = try #require(a.port)
        let session = try a.create()
        let readers = (0..<6).map { _ in StreamReader() }
        let load = Load()
        let writers = load.start(2, on: port, in: session)
        for round in 1...3 {
            let b = try await self.node("b", on: server, in: folder)
            let other = try #require(b.port)
            let reading = readers.map { $0.follow(session, on: other) }
            let goal = load.acknowledged.count + 100
            try await eventually("all stream, and the conversation goes on") {
                readers.allSatisfy { $0.seen.types.count { $0 == "stream.ready" } >= round }
                    && load.acknowledged.count > goal
            }
            b.kill9()
            for task in reading { try await task.finish() }
            #expect(try await b.exit() == .killed(SIGKILL))
        }
        load.end()
        for writer in writers { try await writer.finish() }
        let head = load.acknowledged.count + 1
        #expect(load.strangeAnswers.isEmpty)
        for reader in readers {
            try await reader.follow(session, on: port) { $0.seqs.last == head }.finish()
            #expect(reader.seen.seqs == Array(1...head))
            #expect(!reader.seen.types.contains("stream.gap"))
            #expect(reader.seen.endReason == nil)
        }
        #expect(try await a.stop() == .exited(0))
        print("\(readers.count) clients resumed three times in a log of \(head) events")
    }

    @Test func `a node whose private Redis is killed under load serves again within 5 seconds`() async throws {
        let workspace = try Workspace()
        let folder = TemporaryFolder()
        let node = try NodeProcess("single", in: folder, ["--data", workspace.data])
        try await node.up()
        let session = try node.create()
        let load = Load()
        let writers = load.start(4, on: try #require(node.port), in: session)
        for round in 1...3 {
            let before = load.acknowledged.count
            try await eventually("the load is on") { load.acknowledged.count > before + 50 }
            let redis = try #require(workspace.server)
            kill(redis, SIGKILL)
            let since = ContinuousClock.now
            try await eventually("another Redis runs") { (workspace.server ?? redis) != redis }
            let count = load.acknowledged.count
            try await eventually("messages are taken again") { load.acknowledged.count > count + 4 }
            let pause = ContinuousClock.now - since
            // Beside other tests a time says little.
            if TestRun.isAlone { #expect(pause < .seconds(5)) }
            print("round \(round): serving again \(pause) after the private Redis was killed")
        }
        load.end()
        for writer in writers { try await writer.finish() }
        #expect(load.strangeAnswers.isEmpty, "\(load.strangeAnswers.prefix(3))")
        #expect(node.log.components(separatedBy: "the private Redis ended and is started again").count == 4)
        #expect(node.log.components(separatedBy: "the private Redis is up again").count == 4)
        let counts = Dictionary(grouping: try self.messages(of: session, on: node)) { $0 }.mapValues(\.count)
        let missing = load.acknowledged.filter { counts[$0] != 1 }
        #expect(missing.isEmpty, "acknowledged, and not once in the log: \(missing.prefix(5))")
        #expect(try await node.stop() == .exited(0))
        #expect(workspace.server == nil)
    }

    private func messages(of session: String, on node: NodeProcess) throws -> [String] {
        var texts: [String] = []
        var after = 0
        while true {
            let page = try node.ask("GET", "\(NodeProcess.sessions)/\(session)/events?limit=1000&after=\(after)").body
            let events = try #require(page["events"] as? [[String: Any]])
            texts += events.compactMap { ($0["data"] as? [String: Any])?["content"] as? String }
            guard page["hasMore"] as? Bool == true, let last = events.last?["seq"] as? Int else { return texts }
            after = last
        }
    }
}
