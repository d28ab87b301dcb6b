import Glibc
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournRedis

/// Writes that wait for a replica, with a real one.
@Suite struct DurableWritesTests {
    private static func pair() async throws -> (master: RedisServer, replica: RedisServer) {
        let delay = ["--repl-diskless-sync-delay", "0"]
        let master = try await RedisServer.start(tcp: true, delay)
        let replica = try await RedisServer.start(tcp: true, delay + ["--replicaof", "127.0.0.1 \(master.port)"])
        try await eventually(within: 60) {
            try master.client().send("INFO", "replication").string?.contains("state=online") == true
        }
        return (master, replica)
    }

    private func router(_ loop: EventLoop, _ server: RedisServer, milliseconds: Int) -> RedisRouter {
        var options = RedisOptions.quiet
        options.scripts = [appendScript]
        options.wait = RedisWait(replicas: 1, milliseconds: milliseconds)
        let router = RedisRouter(
            loop: loop, topology: .standalone(server.endpoint), options: options, probes: ["probe"])
        router.start()
        return router
    }

    private func waits(_ server: RedisServer) throws -> Int {
        let info = try server.client().send("INFO", "commandstats").string ?? ""
        let line = info.split(whereSeparator: \.isNewline).first { $0.hasPrefix("cmdstat_wait:calls=") }
        return line.flatMap { Int($0.dropFirst("cmdstat_wait:calls=".count).prefix { $0 != "," }) } ?? 0
    }

    @Test func `many writes share the waits, and each is told that the replica has it`() async throws {
        let (master, replica) = try await Self.pair()
        defer { master.stop() }
        try await onLoop { loop in
            let router = self.router(loop, master, milliseconds: 5_000)
            defer { router.close() }
            let outcomes = concurrently(500, on: loop) { index in
                let (reply, reached) = try await router.callDurably(
                    appendScript, keys: ["list\(index % 7)"], arguments: [.integer(index)], orderKey: "\(index % 7)")
                return .simple("\(reply.int ?? 0 > 0 ? "ok" : "?") \(reached ?? -1)")
            }
            try await eventually { outcomes.answered == 500 }
            #expect(outcomes.all.allSatisfy { $0 == "ok 1" })
        }
        #expect(
            try (0..<7).map { try replica.client().send("LLEN", "list\($0)").string.flatMap { Int($0) } ?? 0 }
                .reduce(0, +) == 500)
        let waits = try self.waits(master)
        #expect((1...100).contains(waits), "\(waits) waits for 500 writes in 7 lanes")
        // In the order of the calls, lane by lane.
        let list = try master.client().send("LRANGE", "list3", "0", "-1").array.compactMap {
            $0.string.flatMap { Int($0) }
        }
        #expect(list == list.sorted())
    }

    @Test func `a replica that stands still is told as not reached, and the write is there`() async throws {
        let (master, replica) = try await Self.pair()
        defer { master.stop() }
        replica.signal(SIGSTOP)
        defer { replica.signal(SIGCONT) }
        try await onLoop { loop in
            let router = self.router(loop, master, milliseconds: 50)
            defer { router.close() }
            let (reply, reached) = try await router.callDurably(appendScript, keys: ["k"], arguments: ["v"])
            #expect(reply.int == 1 && reached == 0)
        }
    }

    @Test func `a connection that breaks during the wait costs the knowledge, not the answer`() async throws {
        let (master, replica) = try await Self.pair()
        defer { master.stop() }
        replica.signal(SIGSTOP)
        defer { replica.signal(SIGCONT) }
        try await onLoop { loop in
            let router = self.router(loop, master, milliseconds: 20_000)
            defer { router.close() }
            let outcomes = concurrently(3, on: loop) { _ in
                let (_, reached) = try await router.callDurably(appendScript, keys: ["k"], arguments: ["v"])
                return .simple("\(reached ?? -1)")
            }
            try await eventually {
                try master.client().send("INFO", "clients").string?.contains("blocked_clients:1") == true
            }
            try master.client().send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            try await eventually { outcomes.answered == 3 }
            #expect(outcomes.all == ["0", "0", "0"])
        }
        #expect(try master.client().send("LLEN", "k") == 3)
    }

    @Test func `an error of the server waits for nobody`() async throws {
        let (master, replica) = try await Self.pair()
        defer { master.stop() }
        replica.signal(SIGSTOP)
        defer { replica.signal(SIGCONT) }
        try master.client().send("SET", "text", "x")
        try await onLoop { loop in
            let router = self.router(loop, master, milliseconds: 60_000)
            defer { router.close() }
            let answer = await outcome {
                try await router.callDurably(appendScript, keys: ["text"], arguments: ["v"]).reply
            }
            #expect(answer == "WRONGTYPE" || answer == "ERR")
        }
    }

    @Test func `where nothing is to be waited for there is one connection and no wait`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        try await onLoop { loop in
            let router = RedisRouter(
                loop: loop, topology: .standalone(server.endpoint), options: .quiet, probes: ["probe"])
            defer { router.close() }
            router.start()
            let (reply, reached) = try await router.callDurably(appendScript, keys: ["k"], arguments: ["v"])
            #expect(reply.int == 1 && reached == nil)
            let clients = try server.client().send("INFO", "clients").string ?? ""
            #expect(clients.contains("connected_clients:2"))
        }
        #expect(try self.waits(server) == 0)
    }
}
