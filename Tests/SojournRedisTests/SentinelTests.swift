import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournRedis

@Suite struct SentinelTests {
    private func router(
        _ loop: EventLoop, _ sentinels: [Endpoint], master: String = SentinelBed.name, log: Log = .silent
    ) -> RedisRouter {
        var options = RedisOptions()
        options.commandTimeoutMs = 30_000
        return RedisRouter(
            loop: loop, topology: .sentinel(sentinels, master: master), options: options, probes: ["probe"], log: log)
    }

    @Test func `the first sentinel that answers says where the master is`() async throws {
        let bed = try await SentinelBed.start(replicas: 0, sentinels: 1)
        defer { bed.stop() }
        let nobody = Endpoint.tcp(host: "127.0.0.1", port: TestListener.freePort())
        try await onLoop { loop in
            let router = self.router(loop, [nobody, bed.sentinels[0]])
            defer { router.close() }
            #expect(router.trouble == nil)
            router.start()
            // Sent before anybody has said where to.
            let reply = try await router.send(["SET", "k", "v"], kind: .write)
            #expect(reply.string == "OK")
            #expect(try bed.servers[0].client().send("GET", "k") == "v")
            #expect(router.state == .ready)
            #expect(router.masters[0].endpoint == bed.servers[0].tcpEndpoint)
        }
    }

    @Test func `a name that no sentinel knows is said in a sentence`() async throws {
        let bed = try await SentinelBed.start(replicas: 0, sentinels: 1)
        defer { bed.stop() }
        try await onLoop { loop in
            let router = self.router(loop, bed.sentinels, master: "stranger")
            defer { router.close() }
            router.start()
            try await eventually { router.trouble == "the sentinels know no master named 'stranger'" }
            let answer = await outcome { try await router.send(["GET", "k"], kind: .read, timeoutMs: 50) }
            #expect(answer == "unavailable")
        }
    }

    @Test func `commands and subscriptions move with the master, also when the sentinel that told of it is gone`()
        async throws
    {
        let bed = try await SentinelBed.start(replicas: 1, sentinels: 3)
        defer { bed.stop() }
        let book = LogBook()
        try await onLoop { loop in
            let router = self.router(loop, bed.sentinels, log: book.log)
            defer { router.close() }
            var heard: [String] = []
            var restored: [String] = []
            router.subscriber.onMessage = { _, payload in heard.append(String(decoding: payload, as: UTF8.self)) }
            router.subscriber.onRestored = { restored += $0 }
            router.start()
            router.subscriber.start()
            try await router.subscriber.subscribe("news")
            _ = try await router.send(["SPUBLISH", "news", "one"], kind: .write)
            try await eventually { heard == ["one"] }
            let replid = router.replid
            bed.killSentinel(0)
            bed.servers[0].kill9()
            try await eventually { router.state == .connecting }
            // Waits for the failover within its deadline.
            #expect(try await router.send(["SET", "after", "1"], kind: .write).string == "OK")
            #expect(router.masters[0].endpoint == bed.servers[1].tcpEndpoint)
            #expect(router.replid != replid)
            try await eventually { restored == ["news"] }
            _ = try await router.send(["SPUBLISH", "news", "two"], kind: .write)
            try await eventually { heard == ["one", "two"] }
            #expect(try bed.servers[1].client().send("GET", "after") == "1")
        }
        let told = "notice: The sentinels have made another server the master; connections move there"
        #expect(book.messages.contains(told))
    }
}
