import Foundation
import SojournCore
import SojournLoop
import SojournRedis
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// What happens between the nodes and Redis is not the clients' business: their connections stay, and complete.
@Suite struct RedisTroubleTests {
    enum Trouble: String, CaseIterable, Sendable {
        case subscribersKilled
        case serverSleeps
        case outputBufferCut
    }

    @Test(arguments: Trouble.allCases)
    func `every client has everything without reconnecting`(trouble: Trouble) async throws {
        // Over TCP the system itself would take the megabytes that are to be too many.
        let redis = try await RedisServer.start(
            ["--client-output-buffer-limit", "pubsub 256kb 0 0"], alone: trouble == .outputBufferCut)
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis), try await TestNode.start(on: redis, name: "b", loops: 2))
        let id = try a.create()
        let streams = try (0..<12).map { number in try StreamClient(number % 3 == 0 ? a : b, id, "?after=0") }
        for stream in streams { _ = try stream.read(through: "stream.ready") }
        let listeners = try redis.listeners(id)
        #expect(listeners == 2 || listeners == 3)
        func write(_ count: Int, bytes: Int = 10) async throws {
            for _ in 0..<count {
                do {
                    try await a.answer(String(repeating: "x", count: bytes), in: id)
                } catch let error as StoreError where error.code == .storeUnavailable || error.code == .outcomeUnknown {
                    continue
                }
            }
        }
        try await write(50)
        for round in 0..<3 {
            switch trouble {
            case .subscribersKilled:
                async let writing: Void = write(100)
                try redis.client().send("CLIENT", "KILL", "TYPE", "pubsub")
                try await writing
            case .serverSleeps where round == 0:
                async let writing: Void = write(100)
                try redis.client().send("DEBUG", "SLEEP", "3")
                try await writing
            case .serverSleeps: try await write(20)
            case .outputBufferCut:
                // Both loops of one node stand still while more is published than Redis keeps for a subscriber.
                try await eventually("all listen again") { try redis.listeners(id) == listeners }
                let cuts = try redis.cuts()
                let gate = DispatchSemaphore(value: 0)
                for (loop, _) in b.server.parts { loop.execute { _ = gate.wait(timeout: .now() + 30) } }
                // Over TCP the system holds megabytes of it before Redis has to.
                for _ in 0..<10 where try redis.cuts() < cuts + listeners - 1 { try await write(300, bytes: 7000) }
                for _ in b.server.parts { gate.signal() }
                #expect(try redis.cuts() >= cuts + listeners - 1, "nothing was cut")
            }
            try await write(50)
        }
        let head = try #require(try a.call("GET", "/\(id)")["version"]?.int)
        #expect(head > 250)
        for stream in streams {
            var seqs: [Int] = []
            while (seqs.last ?? 1) < head, let event = try stream.next() {
                #expect(event.event != "stream.gap")
                if let seq = event.seq { seqs.append(seq) }
            }
            #expect(seqs == Array(2...head))
        }
        await a.stop()
        await b.stop()
    }

    @Test func `after a promotion that lost events, cursors before the loss go on and the others are told`()
        async throws
    {
        let settings = ["--repl-diskless-sync-delay", "0"]
        let master = try await RedisServer.start(tcp: true, settings)
        defer { master.stop() }
        let replica = try await RedisServer.start(tcp: true, settings)
        defer { replica.stop() }
        func entry(_ server: RedisServer) -> Endpoint {
            SecureRun.certificate == nil ? server.tcpEndpoint : server.secureEndpoint
        }
        let proxy = TestProxy(to: entry(master))
        let change: (inout StoreConfiguration) -> Void = { $0.redis = .standalone(proxy.endpoint) }
        let a = try await TestNode.start(on: master, store: change)
        let b = try await TestNode.start(on: master, name: "b", store: change)
        let id = try a.create()
        try replica.client().send("REPLICAOF", "127.0.0.1", "\(master.port)")
        try await eventually(within: 20, "the replica is there") {
            try replica.client().send("INFO", "replication").string?.contains("master_link_status:up") == true
        }
        for number in 2...7 { try a.say("kept \(number)", in: id) }
        // The last of them has come over when the replica is cut off.
        try await eventually(within: 20, "the replica has all") {
            try replica.client().send("EVAL", Self.newest, "0", id) == 7
        }
        try replica.client().send("REPLICAOF", "NO", "ONE")
        let open = try [a, b].map { try StreamClient($0, id, "?after=0") }
        for number in 8...11 { try b.say("lost \(number)", in: id) }
        var cursors: [Int: String] = [:]
        for stream in open {
            while let event = try stream.next() {
                if let seq = event.seq { cursors[seq] = event.id }
                if event.seq == 11 { break }
            }
        }
        proxy.redirect(to: entry(replica))
        master.kill9()
        try await eventually(within: 20, "the promoted one is written to") {
            try a.call("POST", "/\(id)/messages", #"{"content":"new"}"#).status == 201
        }
        for number in 9...12 { try await eventually { try b.say("new \(number)", in: id).status == 201 } }
        let head = try #require(try b.call("GET", "/\(id)")["version"]?.int)
        let log = try #require(try b.call("GET", "/\(id)/events?limit=100")["events"]?.array)
        #expect(log.compactMap { $0["seq"]?.int } == Array(1...head))
        // Those who were connected all the time have seen what is lost now.
        for stream in open { try self.expectGap(try self.read(stream, to: head), log) }
        for (seq, cursor) in cursors.sorted(by: { $0.key < $1.key }) {
            let events = try self.read(try StreamClient(seq % 2 == 0 ? a : b, id, "?after=\(cursor)"), to: head)
            if seq <= 7 {
                #expect(events.compactMap(\.seq) == Array((seq + 1)...head), "from \(seq)")
                #expect(!events.contains { $0.event == "stream.gap" }, "from \(seq)")
            } else {
                let gap = try #require(events.first { $0.event == "stream.gap" }, "from \(seq)")
                #expect(gap.json["data"]?["from"]?.int == 8 && gap.json["data"]?["to"]?.int == seq)
                #expect(events.compactMap(\.seq) == Array(8...head), "from \(seq)")
            }
        }
        await a.stop()
        await b.stop()
    }

    private static let newest = """
        local keys = redis.call('KEYS', 'sj:*:l:' .. ARGV[1])
        return keys[1] and redis.call('LLEN', keys[1]) or 0
        """

    private func read(_ stream: StreamClient, to head: Int) throws -> [RawEvent] {
        var events: [RawEvent] = []
        while let event = try stream.next() {
            events.append(event)
            if event.seq == head, event.json["epoch"] != nil, event.event != "stream.ready" { break }
        }
        return events
    }

    private func expectGap(_ events: [RawEvent], _ log: [JSON]) throws {
        let gap = try #require(events.firstIndex { $0.event == "stream.gap" })
        #expect(events[gap].json["data"]?["from"]?.int == 8 && events[gap].json["data"]?["to"]?.int == 11)
        #expect(events[(gap + 1)...].compactMap(\.seq) == Array(8...log.count))
        #expect(events.count { $0.event == "stream.gap" } == 1)
        #expect(events[(gap + 1)...].filter { $0.seq != nil }.map(\.json) == Array(log.dropFirst(7)))
    }
}

extension RedisServer {
    /// How many connections listen to a session's channel.
    fileprivate func listeners(_ id: String) throws -> Int {
        let client = try self.client()
        guard let channel = try client.send("PUBSUB", "SHARDCHANNELS", "*:ch:\(id)").array.first?.string else {
            return 0
        }
        return try client.send("PUBSUB", "SHARDNUMSUB", channel).array.last?.string.flatMap { Int($0) } ?? 0
    }

    /// How many connections were cut because of what waited for them.
    fileprivate func cuts() throws -> Int {
        try self.everyone.reduce(0) {
            let log = try String(contentsOfFile: $1.folder.file("redis.log"), encoding: .utf8)
            return $0 + log.components(separatedBy: "overcoming of output buffer limits").count - 1
        }
    }
}
