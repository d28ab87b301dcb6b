import Foundation
import SojournTesting
import Testing

/// A node that cannot serve a Redis says why in one sentence, and ends.
@Suite struct RefusalTests {
    /// Starts a node that must end at once; returns what it said.
    private func refusal(_ arguments: [String]) async throws -> String {
        let folder = TemporaryFolder()
        let node = try NodeProcess("refused", in: folder, arguments)
        #expect(try await node.exit() == .exited(1))
        #expect(node.port == nil)
        let sentences = node.log.split(separator: "\n").filter { $0.hasPrefix("sojourn: ") }
        #expect(sentences.count == 1, "\(node.log)")
        // It is for a person: no code, no place in the source.
        #expect(!node.log.contains("STORE_UNAVAILABLE") && !node.log.contains(".swift:"), "\(node.log)")
        return String(sentences.last ?? "")
    }

    private func url(_ server: RedisServer) -> String { server.url }

    @Test func `a Redis that may evict is refused`() async throws {
        let server = try await RedisServer.start(["--maxmemory-policy", "allkeys-lru"])
        defer { server.stop() }
        let sentence = try await self.refusal(["--redis", self.url(server)])
        #expect(sentence.contains("allkeys-lru") && sentence.contains("noeviction"), "\(sentence)")
    }

    @Test func `a keyspace with other partitions is refused`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let first = try NodeProcess("first", in: folder, ["--redis", self.url(server), "--partitions", "64"])
        try await first.up()
        let sentence = try await self.refusal(["--redis", self.url(server), "--partitions", "128"])
        #expect(sentence.contains("64 partitions") && sentence.contains("--partitions 64"), "\(sentence)")
        #expect(try await first.stop() == .exited(0))
    }

    @Test func `a keyspace of another major schema is refused`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        try server.client().send("HSET", "sj:meta", "schema", "2.0")
        let sentence = try await self.refusal(["--redis", self.url(server)])
        #expect(sentence.contains("schema 2.0"), "\(sentence)")
        // What was there is not touched.
        #expect(try server.client().send("HGET", "sj:meta", "schema") == "2.0")
    }

    @Test func `a wrong password is told without the password`() async throws {
        let server = try await RedisServer.start(tcp: true, password: "right")
        defer { server.stop() }
        let sentence = try await self.refusal(["--redis", "redis://:wrong-secret@127.0.0.1:\(server.port)"])
        #expect(sentence.contains("password"), "\(sentence)")
        #expect(!sentence.contains("wrong-secret"))
        let without = try await self.refusal(["--redis", "redis://127.0.0.1:\(server.port)"])
        #expect(without.contains("password"), "\(without)")
    }

    @Test func `an archive that another node has is named, with that node's process`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let shared = ["--redis", self.url(server), "--partitions", "16", "--archive", folder.file("one.sqlite")]
        let first = try NodeProcess("first", in: folder, shared)
        try await first.up()
        let sentence = try await self.refusal(shared)
        #expect(sentence.contains("one.sqlite is in use by process \(first.pid)"), "\(sentence)")
        #expect(try await first.stop() == .exited(0))
    }

    @Test func `a Redis that is not there is named`() async throws {
        let port = TestListener.freePort()
        let sentence = try await self.refusal(["--redis", "redis://127.0.0.1:\(port)"])
        #expect(
            sentence.contains("127.0.0.1:\(port)") && sentence.contains("does not answer (Connection refused)"),
            "\(sentence)")
    }
}
