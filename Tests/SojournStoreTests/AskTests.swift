import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

/// Nodes ask archivists through Redis.
@Suite struct AskTests {
    /// Teaches the desks of a node, on every loop, a kind of question.
    private func teach(_ node: StoreNode, _ kind: String, _ answer: @escaping @Sendable (JSON) throws -> JSON)
        async throws
    {
        for (loop, shard) in zip(node.loops, node.store.shards) {
            try await loop.run {
                shard.value.desk?.hire(kind) { body throws(StoreError) in
                    do { return try answer(body) } catch { throw error as? StoreError ?? .unexpected }
                }
            }
        }
    }

    private func ask(_ node: StoreNode, _ archivist: String, _ kind: String, _ body: JSON, patience: Int = 20_000)
        async throws -> JSON
    {
        try await node.store.onShard {
            try await $0.archives.ask(archivist, kind, body, patience: patience)
        }
    }

    @Test func `any node asks any archivist, and answers come whole and to the right one`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"), loops: 2)
        let b = try await StoreNode.start(on: server, name: "b", archivePath: folder.file("b.sqlite"))
        let c = try await StoreNode.start(on: server, name: "c", loops: 2)
        for node in [a, b] {
            let id = try #require(node.archive?.id)
            try await self.teach(node, "echo") { ["from": .string(id), "said": $0] }
        }
        try await eventually("both live") { try await c.store.onShard { try await $0.archives.live() }.count == 2 }
        let text = String(repeating: "é \"quoted\" ", count: 20_000)
        for node in [a, b, c] {
            for target in [a, b] {
                let id = try #require(target.archive?.id)
                let answers = try await withThrowingTaskGroup(of: (Int, JSON).self) { group in
                    for number in 0..<20 {
                        group.addTask {
                            (number, try await self.ask(node, id, "echo", number == 7 ? .string(text) : JSON(number)))
                        }
                    }
                    var answers: [Int: JSON] = [:]
                    for try await (number, answer) in group { answers[number] = answer }
                    return answers
                }
                for (number, answer) in answers {
                    #expect(answer["from"] == .string(id))
                    #expect(answer["said"] == (number == 7 ? .string(text) : JSON(number)))
                }
                #expect(answers.count == 20)
            }
        }
        let all = try await c.store.onShard { shard in
            try await shard.archives.askAll("echo", "x", patience: 20_000).map {
                ($0.archivist, try $0.answer.get()["from"]?.string)
            }
        }
        #expect(Set(all.map(\.0)) == Set([a, b].compactMap { $0.archive?.id }))
        #expect(all.allSatisfy { $0.0 == $0.1 })
        // Nothing is left that does not lapse.
        #expect(try KeyspaceWalk.violations(in: server.client()) == [])
        for node in [a, b, c] { await node.stop() }
    }

    @Test func `an error is thrown where it was asked, and who does not answer is named`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let c = try await StoreNode.start(on: server, name: "c")
        let id = try #require(a.archive?.id)
        try await self.teach(a, "fail") { _ in
            throw StoreError(.validation, "no such thing", details: ["place": 3], retryAfter: 9)
        }
        try await eventually { try await c.store.onShard { try await $0.archives.live() } == [id] }
        let error = await #expect(throws: StoreError.self) { try await self.ask(c, id, "fail", .null) }
        #expect(error?.code == .validation && error?.message == "no such thing")
        #expect(error?.details == ["place": 3] && error?.retryAfter == 9)
        let unknown = await #expect(throws: StoreError.self) { try await self.ask(c, id, "what", .null) }
        #expect(unknown?.code == .archiveUnavailable && unknown?.message.contains("'what'") == true)
        // One that is not there is refused at once, one that fell silent after a while.
        let away = await #expect(throws: StoreError.self) { try await self.ask(c, "00000000000000ff", "fail", .null) }
        #expect(away?.code == .archiveUnavailable && away?.details == ["archivist": "00000000000000ff"])
        let shard = a.store.shards[0]
        try await a.loops[0].run { await shard.value.desk?.stop() }
        let silent = await #expect(throws: StoreError.self) {
            try await self.ask(c, id, "fail", .null, patience: 300)
        }
        #expect(silent?.code == .archiveUnavailable && silent?.details == ["archivist": .string(id)])
        #expect(silent?.retryAfter == 5)
        // What nobody takes lapses.
        try await eventually { try server.client().send("KEYS", "sj:*:aq:*") == .array([]) }
        await a.stop()
        await c.stop()
    }

    @Test func `questions are answered although every ring is missed`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let c = try await StoreNode.start(on: server, name: "c")
        let id = try #require(a.archive?.id)
        try await self.teach(a, "echo") { $0 }
        try await eventually { try await c.store.onShard { try await $0.archives.live() } == [id] }
        for node in [a, c] {
            let shard = node.store.shards[0]
            try await node.loops[0].run { shard.value.feed.subscriber.onMessage = nil }
        }
        #expect(try await self.ask(c, id, "echo", "hello") == "hello")
        await a.stop()
        await c.stop()
    }
}
