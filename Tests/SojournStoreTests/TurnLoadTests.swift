import SojournCore
import SojournLoop
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct TurnLoadTests {
    @Test func `a thousand times stop, then send: never busy, never a dangling tool call`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let (a, b) = (
            try await StoreNode.start(on: server, name: "a"), try await StoreNode.start(on: server, name: "b")
        )
        _ = try await a.claim()
        let id = try await a.session(minutes: 600).id
        let stops = Tally()
        let heard = try await a.store.onShard {
            let channel = $0.keyspace.keys(of: id).channel
            return ChannelRecord(server.holder(of: channel).endpoint, channel)
        }
        try await heard.listens()
        try await a.say("0", in: id, ifBusy: .reject)
        try await withThrowingTaskGroup(of: Void.self) { group in
            // A worker that never stops writing by itself: tool calls and pieces of a message.
            group.addTask {
                var call = 0
                while stops.value < 1000 {
                    guard let turn = try await b.claim(wait: 100).first else { continue }
                    while true {
                        call += 1
                        let number = call
                        do {
                            try await b.report(
                                [.toolUse(id: "c\(call)", data: ["toolUseId": .string("c\(call)")])], of: turn)
                            _ = try await b.store.onShard {
                                try await $0.publish(
                                    [DeltaPiece(text: "x")], of: "m\(number)",
                                    turnID: turn.turn.id.text + " " + turn.token, in: id)
                            }
                        } catch {
                            break
                        }
                    }
                }
            }
            for number in 1...1000 {
                if number % 5 == 0 {
                    try await eventually("a turn runs") { try await a.turns(id).running != nil }
                }
                try await a.interrupt(id)
                try await a.say("\(number)", in: id, ifBusy: .reject)
                stops.add()
            }
            try await a.interrupt(id)
            try await group.waitForAll()
        }
        try await expectLegal(id, on: a)
        let types = try await a.turns(id).turns
        #expect(types.allSatisfy { $0.status == .cancelled })
        // Live readers heard nothing of a turn after its end either, and some turns were stopped while they wrote.
        let events = try await heard.events(until: try await a.store.session(id.text).head)
        var over: Set<String> = []
        var pieces = 0
        for event in events {
            guard let turn = event["turnId"]?.string else { continue }
            #expect(!over.contains(turn), "\(event["type"]?.string ?? "") of \(turn) after its end")
            if event["type"]?.string == EventType.turnCancelled { over.insert(turn) }
            if event["type"]?.string == EventType.agentMessageDelta { pieces += 1 }
        }
        #expect(over.count == 1001 && pieces > 0)
        let synthetic = events.count { $0["data"]?["synthetic"] == true }
        print("stopped 1001 turns: \(pieces) deltas, \(synthetic) tool calls closed")
        await a.stop()
        await b.stop()
    }

    @Test func `a claim costs the same calls beside a thousand idle agents and ten thousand sessions`() async throws {
        let server = try await RedisServer.start(alone: true)
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        _ = try await a.claim()
        let id = try await a.session().id
        func cost() async throws -> [String: Int] {
            try await a.say("m", in: id, ifBusy: .enqueue)
            let ready = try await a.store.onShard { $0.keyspace.ready(StoreNode.agentBits) }
            try await eventually("it rang") { try server.client().send("ZCARD", ready) == 1 }
            let names = try await a.store.onShard { shard in
                Dictionary(
                    uniqueKeysWithValues: [shard.scripts.lease, shard.scripts.page, shard.scripts.read].map {
                        ($0.sha1, $0.name)
                    })
            }
            let monitor = try server.client()
            try monitor.send("MONITOR")
            let turn = try #require(try await a.claim().first)
            try server.client().send("ECHO", "the end")
            var calls: [String: Int] = [:]
            while let line = try monitor.read().string, !line.contains("the end") {
                guard !line.contains(" lua]") else { continue }
                let words = line.split(separator: "\"").map(String.init)
                if line.contains("ZPOPMIN") { calls["zpopmin", default: 0] += 1 }
                if let name = words.lazy.compactMap({ names[$0] }).first { calls[name, default: 0] += 1 }
            }
            try await a.complete(turn)
            return calls
        }
        let alone = try await cost()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<20 {
                group.addTask {
                    for number in stride(from: lane, to: 10_000, by: 20) {
                        let agent = UUIDBits(
                            high: 0x1111_1111_1111_4000, low: 0x8000_0000_0000_0000 + UInt64(number / 10))
                        _ = try await a.store.create(SessionRequest(agentID: agent.text, userID: StoreNode.user))
                    }
                }
            }
            try await group.waitForAll()
        }
        let beside = try await cost()
        print("claim: \(alone) alone, \(beside) beside 1,000 agents and 10,000 sessions")
        #expect(beside == alone)
        #expect(alone == ["zpopmin": 1, "lease": 1, "page": 1, "read": 1], "\(alone)")
        await a.stop()
    }
}
