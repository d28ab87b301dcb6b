import SojournArchive
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// What is deleted because it was kept long enough does not come back; so what an agent said about its sessions counts on
/// when the registry of agents does not say it any more.
@Suite struct RetentionTests {
    private static let ever = "44444444-4444-4444-8444-444444444444"
    private static let registry = "sj:agents"

    /// How the registry of agents comes to say something else.
    enum Loss: String, CaseIterable {
        case emptied, takenBack, takenBackToLess, unreadable, deleted
    }

    private func put(_ agent: String, _ settings: String, on node: TestNode) throws {
        #expect(try node.call("PUT", target: "/api/messaging/agents/\(agent)", settings).status == 200)
    }

    private func ended(of agent: String, on node: TestNode) throws -> String {
        let made = try node.call("POST", "", #"{"agentId":"\#(agent)","userId":"\#(TestNode.user)"}"#)
        let id = try #require(made["sessionId"]?.string)
        #expect(try node.call("DELETE", "/\(id)").status == 200)
        return id
    }

    private func start(_ redis: RedisServer, _ folder: TemporaryFolder) async throws -> TestNode {
        try await TestNode.start(on: redis, archivePath: folder.file("a.sqlite")) { configuration in
            configuration.archiveRetention = 2 * 86_400_000
        }
    }

    /// As a program of a later version might.
    private func writeUnreadable(_ client: RawRedis) throws {
        let settings = #"{"ifBusy":"a way of a later version","archiveRetention":"forever"}"#
        _ = try client.send("HSET", Self.registry, Self.ever, settings)
        _ = try client.send("HINCRBY", Self.registry, "version", "1")
    }

    private func lose(_ loss: Loss, _ before: [String], _ client: RawRedis, _ node: TestNode) throws {
        switch loss {
        case .emptied: _ = try client.send("DEL", Self.registry)
        case .takenBack, .takenBackToLess:
            _ = try client.send("DEL", Self.registry)
            _ = try client.send(["HSET", Self.registry] + before)
        case .unreadable:
            try self.writeUnreadable(client)
        case .deleted:
            #expect(try node.call("DELETE", target: "/api/messaging/agents/\(Self.ever)").status == 200)
        }
    }

    @Test(arguments: Loss.allCases)
    func `what an agent wanted kept for ever stays, whatever becomes of the registry`(_ loss: Loss) async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let client = try redis.client()
        var node = try await self.start(redis, folder)
        try self.put(TestNode.agent, "{}", on: node)
        if loss == .takenBackToLess { try self.put(Self.ever, #"{"archiveRetention":"1d"}"#, on: node) }
        let before = try client.send("HGETALL", Self.registry).array.compactMap(\.string)
        try self.put(Self.ever, #"{"archiveRetention":"forever"}"#, on: node)
        let kept = try self.ended(of: Self.ever, on: node)
        let usual = try self.ended(of: TestNode.agent, on: node)
        let archive = try #require(node.archive)
        try await eventually("both are archived") { try await archive.stats().committed == 2 }
        // So the node has looked at the registry since.
        try node.advance(minutes: 3 * 1440)
        try await eventually("the usual one is gone") { try await archive.session(usual) == nil }
        #expect(try await archive.session(kept) != nil)
        try self.lose(loss, before, client, node)
        // It is noted in the file, not in the memory of a node.
        await node.stop()
        node = try await self.start(redis, folder)
        let again = try #require(node.archive)
        let witness = try self.ended(of: TestNode.agent, on: node)
        try await eventually("the witness is archived") { try await again.session(witness) != nil }
        try node.advance(minutes: 3 * 1440)
        try await eventually("the witness is gone") { try await again.session(witness) == nil }
        #expect(try await again.session(kept) != nil)

        // What an admin says counts at once.
        try self.put(Self.ever, #"{"archiveRetention":"1d"}"#, on: node)
        try await eventually("what is kept for a day is gone") { try await again.session(kept) == nil }
        await node.stop()
    }

    @Test func `sessions of an agent whose settings were never readable are kept`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        try self.writeUnreadable(try redis.client())
        let node = try await self.start(redis, folder)
        let kept = try self.ended(of: Self.ever, on: node)
        let usual = try self.ended(of: TestNode.agent, on: node)
        let archive = try #require(node.archive)
        try await eventually("both are archived") { try await archive.stats().committed == 2 }
        try node.advance(minutes: 3 * 1440)
        try await eventually("the usual one is gone") { try await archive.session(usual) == nil }
        #expect(try await archive.session(kept) != nil)
        await node.stop()
    }

    @Test func `an agent that says nothing of its own any more has what counts for all`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let node = try await self.start(redis, folder)
        try self.put(Self.ever, #"{"archiveRetention":"forever"}"#, on: node)
        try self.put(TestNode.agent, "{}", on: node)
        let kept = try self.ended(of: Self.ever, on: node)
        let usual = try self.ended(of: TestNode.agent, on: node)
        let archive = try #require(node.archive)
        try await eventually("both are archived") { try await archive.stats().committed == 2 }
        try node.advance(minutes: 3 * 1440)
        try await eventually("the usual one is gone") { try await archive.session(usual) == nil }
        #expect(try await archive.session(kept) != nil)
        try self.put(Self.ever, "{}", on: node)
        try await eventually("the other one is gone too") { try await archive.session(kept) == nil }
        await node.stop()
    }
}
