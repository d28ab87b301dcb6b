import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct SlowSocketTests {
    static let outbox = 64 * 1024
    /// The largest event below, with its framing.
    static let largest = 66 * 1024

    @Test func `a slow reader of many sessions loses nothing and holds nobody up`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.outboxBytes = Self.outbox })
        let ids = try (0..<4).map { _ in try node.create() }
        let slow = try SocketClient(node, receiveBuffer: 4096)
        let quick = try SocketClient(node)
        for id in ids {
            for socket in [slow, quick] {
                try socket.subscribe(id)
                #expect(try socket.event().type == "stream.ready")
            }
        }
        let text = String(repeating: "x", count: 60 * 1024)
        var most = 0
        for round in 0..<40 {
            for id in ids {
                try await node.answer(text, in: id)
                let event = try quick.event()
                #expect(event.session == id && event.seq == round + 2)
                most = max(most, try await node.pendingSocketBytes())
            }
        }
        #expect(most > 0, "the slow reader was slow")
        #expect(most <= Self.outbox + 4 * Self.largest)
        let lagging = try await node.counters()
        #expect(lagging.demotions >= 4 && lagging.promotions < lagging.demotions)
        var seqs: [String: [Int]] = [:]
        while !ids.allSatisfy({ seqs[$0]?.count == 40 }) {
            let event = try slow.event()
            #expect(event.type != "stream.gap")
            if let seq = event.seq { seqs[try #require(event.session), default: []].append(seq) }
        }
        for id in ids { #expect(seqs[id] == Array(2...41)) }
        // It has caught up: what comes now comes as it comes.
        try await eventually("all are promoted") {
            let counters = try await node.counters()
            return counters.promotions == counters.demotions
        }
        for id in ids {
            try node.say("live again", in: id)
            #expect(try slow.event().seq == 42)
        }
        let after = try await node.counters()
        #expect(after.stalled == 0 && after.outrun == 0)
        await node.stop()
    }

    @Test func `a reader that takes nothing for too long is closed with 4413, the others are not`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(
            on: redis,
            server: {
                $0.outboxBytes = Self.outbox
                $0.outboxStall = 1000
            })
        let id = try node.create()
        let (stuck, idle) = (try SocketClient(node, receiveBuffer: 4096), try SocketClient(node))
        for socket in [stuck, idle] {
            try socket.subscribe(id)
            _ = try socket.event()
        }
        for round in 0..<80 {
            try await node.answer(String(repeating: "x", count: 60 * 1024), in: id)
            #expect(try idle.event().seq == round + 2)
        }
        try await eventually(within: 30, "the stuck reader is closed") { try await node.openSockets() == 1 }
        #expect(try await node.counters().stalled == 1)
        // Now it reads: what had been written, and why no more comes.
        var seqs: [Int] = []
        var frame = try stuck.raw.next()
        while let event = SocketEvent(frame.text) {
            if let seq = event.seq { seqs.append(seq) }
            frame = try stuck.raw.next()
        }
        #expect(frame.closeCode == 4413)
        #expect(seqs == Array(2..<(seqs.count + 2)) && seqs.count < 80)
        let back = try SocketClient(node)
        try back.subscribe(id, after: "\(seqs.last ?? 1)")
        seqs += try back.read(through: "stream.ready").compactMap(\.seq)
        #expect(seqs == Array(2...81))
        await node.stop()
    }

    @Test func `a slow reader that the log leaves behind is closed with 4413, on SSE with the end of the body`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.outboxBytes = Self.outbox })
        let id = try node.create()
        let socket = try SocketClient(node, receiveBuffer: 4096)
        try socket.subscribe(id)
        _ = try socket.event()
        let stream = try StreamClient(node, id, receiveBuffer: 4096)
        #expect(try stream.next()?.event == "stream.ready")
        for _ in 0..<160 { try await node.answer(String(repeating: "x", count: 60 * 1024), in: id) }
        #expect(try await node.counters().demotions == 2)
        let command = try redis.client()
        let key = try #require(try command.send("KEYS", "*:l:\(id)").array.first?.string)
        try command.send("LTRIM", key, "-2", "-1")
        var seqs: [Int] = []
        var frame = try socket.raw.next()
        while let event = SocketEvent(frame.text) {
            #expect(event.type != "stream.gap")
            if let seq = event.seq { seqs.append(seq) }
            frame = try socket.raw.next()
        }
        #expect(frame.closeCode == 4413 && seqs == Array(2..<(seqs.count + 2)))
        let rest = try stream.rest()
        #expect(rest.compactMap(\.seq) == Array(2..<(rest.count + 2)), "no gap, no end: it may resume")
        #expect(try await node.counters().outrun == 2)
        // With its cursor it is told what cannot be given any more.
        let back = try SocketClient(node)
        try back.subscribe(id, after: "\(seqs.last ?? 1)")
        let events = try back.read(through: "stream.ready")
        #expect(events.first?.type == "stream.gap" && events.first?.json["data"]?["to"]?.int == 159)
        #expect(events.compactMap(\.seq) == [160, 161])
        await node.stop()
    }
}
