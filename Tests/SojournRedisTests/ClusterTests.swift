import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournRedis

@Suite struct ClusterTests {
    private static let tags = PartitionTags(count: 16)
    private static func key(_ partition: Int) -> String { "{\(Self.tags[partition])}:k" }
    private static func slot(_ partition: Int) -> Int { Self.tags.slot(of: partition) }

    private func router(
        _ loop: EventLoop, _ endpoints: [Endpoint], timeout: Int = 30_000, log: Log = .silent
    ) -> RedisRouter {
        var options = RedisOptions()
        options.commandTimeoutMs = timeout
        options.scripts = [appendScript, lengthScript]
        return RedisRouter(
            loop: loop, topology: .cluster(endpoints), options: options,
            probes: (0..<16).map { "{\(Self.tags[$0])}:probe" }, log: log)
    }

    @Test func `slots are those of a real server, hash tags included`() async throws {
        let bed = try await ClusterBed.start(masters: 1)
        defer { bed.stop() }
        let client = try bed.servers[0].client()
        for key in ["sj:meta", "", "{", "{}", "{}a{b}", "a{b}c", "a{b}{c}", "a{{b}}c", "a}b{c}", "ä{ö}ü", "{a", "a{b"] {
            #expect(try client.send("CLUSTER", "KEYSLOT", key) == .int(ClusterSlot.of(key)), "\(key)")
        }
    }

    @Test func `each command goes to the master of its slot, over one connection a master`() async throws {
        let bed = try await ClusterBed.start(masters: 3)
        defer { bed.stop() }
        try await onLoop { loop in
            // One that is not there, and one that is enough.
            let nobody = Endpoint.tcp(host: "127.0.0.1", port: TestListener.freePort())
            let router = self.router(loop, [nobody, bed.endpoints[1]])
            defer { router.close() }
            router.start()
            for partition in 0..<16 {
                let reply = try await router.call(appendScript, keys: [Self.key(partition)], arguments: ["v"])
                #expect(reply.int == 1)
            }
            try await eventually { router.state == .ready }
            #expect(router.masters.count == 3)
            for server in bed.servers {
                let info = try server.client().send("INFO", "commandstats").string ?? ""
                #expect(!info.contains("cmdstat_evalsha:calls=0") && info.contains("cmdstat_evalsha"))
                #expect(!info.contains("rejected_calls=1"), "nothing was redirected")
                let list = try server.client().send("CLIENT", "LIST", "TYPE", "normal").string ?? ""
                #expect(list.split(separator: "\n").filter { !$0.contains("cmd=client") }.count <= 2)
            }
            let reads = concurrently(16, on: loop) { try await router.call(lengthScript, keys: [Self.key($0)]) }
            try await eventually { reads.answered == 16 }
            #expect(reads.all.allSatisfy { $0 == "1" })
        }
    }

    @Test func `slots that move are followed under load: every write happens once, and in order`() async throws {
        let bed = try await ClusterBed.start(masters: 3)
        defer { bed.stop() }
        try await onLoop { loop in
            let router = self.router(loop, [bed.endpoints[0]])
            defer { router.close() }
            router.start()
            var (sent, failures, isOver) = ([Int](repeating: 0, count: 16), [String](), false)
            for partition in 0..<16 {
                for _ in 0..<3 {
                    loop.spawn {
                        while !isOver {
                            sent[partition] += 1
                            let number = sent[partition]
                            do {
                                _ = try await router.call(
                                    appendScript, keys: [Self.key(partition)], arguments: [.integer(number)],
                                    orderKey: "\(partition)")
                            } catch { failures.append("\(error)") }
                        }
                    }
                }
            }
            try await eventually { sent.allSatisfy { $0 > 20 } }
            // Half of all slots that are in use, to and fro.
            for partition in 0..<8 {
                let from = try #require(try bed.owner(of: Self.slot(partition)))
                try bed.migrate(slot: Self.slot(partition), from: from, to: (from + 1) % 3)
                let goal = sent[partition] + 20
                try await eventually { sent[partition] > goal }
            }
            isOver = true
            try await eventually { router.waitingCount == 0 && sent.allSatisfy { $0 > 40 } }
            for partition in 0..<16 {
                let length = { try await router.call(lengthScript, keys: [Self.key(partition)]).int }
                try await eventually { try await length() == sent[partition] }
                let list = try await router.send(["LRANGE", .string(Self.key(partition)), 0, -1], kind: .read)
                #expect(list.array?.compactMap(\.int) == Array(1...sent[partition]))
            }
            #expect(failures.isEmpty, "\(failures.prefix(3))")
        }
    }

    @Test func `a slot on its way is served by both, and by neither when its keys are torn apart`() async throws {
        let bed = try await ClusterBed.start(masters: 3)
        defer { bed.stop() }
        let (slot, tag) = (Self.slot(5), Self.tags[5])
        let from = try #require(try bed.owner(of: slot))
        let to = (from + 1) % 3
        try await onLoop { loop in
            let (old, new) = (try bed.servers[from].client(), try bed.servers[to].client())
            let router = self.router(loop, bed.endpoints)
            defer { router.close() }
            router.start()
            let (a, b) = ("{\(tag)}:a", "{\(tag)}:b")
            _ = try await router.send(["SET", .string(a), "1"], kind: .write)
            _ = try await router.send(["SET", .string(b), "2"], kind: .write)
            try new.send("CLUSTER", "SETSLOT", "\(slot)", "IMPORTING", try bed.id(from))
            try old.send("CLUSTER", "SETSLOT", "\(slot)", "MIGRATING", try bed.id(to))
            try old.send("MIGRATE", "127.0.0.1", "\(bed.servers[to].port)", a, "0", "5000")
            // ASK for what has gone, and for what is new.
            #expect(await outcome { try await router.send(["GET", .string(a)], kind: .read) } == "1")
            _ = try await router.send(["SET", .string("{\(tag)}:c"), "3"], kind: .write)
            #expect(try new.send("GET", a) == .error("MOVED \(slot) 127.0.0.1:\(bed.servers[from].port)"))
            // TRYAGAIN until the other one has come, too.
            let both = concurrently(1, on: loop) { _ in
                try await router.send(["MGET", .string(a), .string(b)], kind: .read)
            }
            try await eventually {
                try bed.servers.contains {
                    try $0.client().send("INFO", "errorstats").string?.contains("errorstat_TRYAGAIN") == true
                }
            }
            #expect(both.answered == 0)
            try old.send("MIGRATE", "127.0.0.1", "\(bed.servers[to].port)", b, "0", "5000")
            try await eventually { both.answered == 1 }
            try new.send("CLUSTER", "SETSLOT", "\(slot)", "NODE", try bed.id(to))
            try old.send("CLUSTER", "SETSLOT", "\(slot)", "NODE", try bed.id(to))
            #expect(await outcome { try await router.send(["GET", .string(b)], kind: .read) } == "2")
        }
    }

    @Test func `a replica takes over, and what waited for its master goes there`() async throws {
        let bed = try await ClusterBed.start(masters: 3, replicas: 1)
        defer { bed.stop() }
        let book = LogBook()
        try await onLoop { loop in
            let router = self.router(loop, [bed.endpoints[0]], log: book.log)
            defer { router.close() }
            router.start()
            let key = Self.key(7)
            _ = try await router.call(appendScript, keys: [key], arguments: ["1"])
            try await eventually { router.state == .ready }
            let (replid, owner) = (router.replid, try #require(try bed.owner(of: Self.slot(7))))
            #expect(try bed.servers[owner].replicas() == 1)
            bed.servers[owner].kill9()
            try await eventually { router.state == .connecting }
            let waiting = concurrently(3, on: loop) {
                try await router.call(appendScript, keys: [key], arguments: [.integer($0)], orderKey: "k")
            }
            // The others are not held up.
            let other = (0..<16).first { $0 != 7 && (try? bed.owner(of: Self.slot($0), askedOf: 5 - owner)) != owner }
            _ = try await router.call(appendScript, keys: [Self.key(try #require(other))], arguments: ["1"])
            try await eventually(within: 60) { waiting.answered == 3 }
            #expect(waiting.all == ["2", "3", "4"])
            try await eventually(within: 60) { router.state == .ready }
            #expect(router.replid != replid && router.masters.count == 3)
        }
        #expect(book.messages.contains("notice: Slots of the cluster have changed their masters"))
    }

    @Test func `a server of the wrong kind is refused in a sentence`() async throws {
        let bed = try await ClusterBed.start(masters: 1)
        defer { bed.stop() }
        let server = try await RedisServer.start()
        defer { server.stop() }
        try await onLoop { loop in
            let router = self.router(loop, [server.endpoint])
            defer { router.close() }
            router.start()
            try await eventually { router.trouble == "this server is no member of a cluster: reach it by redis://" }
            let connection = RedisConnection(loop: loop, endpoint: bed.endpoints[0], options: .quiet)
            defer { connection.close() }
            connection.start()
            let sentence = "this server is a member of a cluster: reach it by redis+cluster://"
            try await eventually { connection.state == .refused(sentence) }
        }
    }
}
