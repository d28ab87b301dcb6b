import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct TurnTests {
    @Test func `a message opens a turn, a worker answers it, the next one waits its turn`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let (a, b) = (
            try await StoreNode.start(on: server, name: "a"), try await StoreNode.start(on: server, name: "b")
        )
        #expect(try await a.claim().isEmpty)
        let id = try await a.session().id
        let first = try await a.say("one", in: id, ifBusy: .enqueue)
        #expect(first.turnID == "\(id).1")
        let turn = try await b.claimOne()
        #expect(turn.turn.id.text == first.turnID)
        #expect(turn.messages.map(\.content) == ["one"] && turn.history.isEmpty)
        #expect(turn.turn.attempt == 1 && turn.session.userID == StoreNode.user)
        #expect(try await a.store.session(id.text).status == .running)
        #expect(try await a.say("two", in: id, ifBusy: .enqueue).turnID == "\(id).2")
        #expect(try await b.claim().isEmpty, "one turn of a session at a time")
        let done = try await b.complete(turn, "1!")
        #expect(done.status == .completed && done.queued == 1)
        let next = try await b.claimOne()
        #expect(next.messages.map(\.content) == ["two"])
        #expect(next.history.compactMap { Message($0)?.content } == ["one", "1!"])
        try await b.complete(next, "2!")
        #expect(try await a.store.session(id.text).status == .idle)
        #expect(
            try await a.types(id) == [
                "session.created", "user.message", "turn.queued 1", "turn.started 1", "user.message", "turn.queued 2",
                "agent.message 1", "turn.completed 1", "turn.started 2", "agent.message 2", "turn.completed 2",
            ])
        #expect(try await a.turns(id).turns.map(\.status) == [.completed, .completed])
        await a.stop()
        await b.stop()
    }

    @Test func `an agent that nobody works for is not slowed by turns, and what was said before is not lost`()
        async throws
    {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        let id = try await a.session().id
        for text in ["one", "two"] { #expect(try await a.say(text, in: id, ifBusy: .reject).turnID == nil) }
        #expect(try await a.types(id) == ["session.created", "user.message", "user.message"])
        #expect(try server.client().send("KEYS", "*:q:*") == .array([]))
        let turn = try await a.claimOne()
        #expect(turn.turn.id.number == 1 && turn.messages.map(\.content) == ["one"])
        try await a.complete(turn)
        #expect(try await a.claimOne().messages.map(\.content) == ["two"])
        await a.stop()
    }

    @Test func `a session works by turns as soon as somebody asks for them`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server) { $0.turnQueue = 3 }
        let (asked, told, stopped) = (try await a.session().id, try await a.session().id, try await a.session().id)
        for id in [asked, told, stopped] {
            for text in ["one", "two"] { #expect(try await a.say(text, in: id, ifBusy: .enqueue).turnID == nil) }
        }
        // By looking at them.
        #expect(try await a.turns(asked).queue.map(\.name) == ["1", "2"])
        #expect(try await a.turns(asked).turns.map(\.status) == [.queued, .queued])
        // By a message that says what to do while another one is answered.
        let draft = MessageDraft(authorID: StoreNode.user, content: "three")
        #expect(await code { _ = try await a.store.say(draft, to: told.text, ifBusy: .reject) } == .sessionBusy)
        #expect(try await a.store.say(draft, to: told.text, ifBusy: .enqueue).turnID == "\(told).3")
        #expect(await code { _ = try await a.store.say(draft, to: told.text, ifBusy: .enqueue) } == .rateLimited)
        // By a claim on its agent that has not come to this session yet: enlisting is not one step for all of them.
        let late = try await a.session().id
        for text in ["one", "two"] { try await a.say(text, in: late, ifBusy: .enqueue) }
        let workers = try await a.store.onShard { $0.keyspace.keys(of: late).workers }
        let bytes = StoreNode.agentBits.bytes.map { String($0) }.joined(separator: ",")
        let enlist = "return redis.call('SADD', KEYS[1], string.char(\(bytes)))"
        #expect(try server.client().send("EVAL", enlist, "1", workers) == 1)
        #expect(try await a.say("three", in: late, ifBusy: .enqueue).turnID == "\(late).3")
        #expect(try await a.turns(late).queue.map(\.name) == ["1", "2", "3"])
        #expect(try await a.interrupt(late, emptying: true).count == 3)
        // By stopping.
        #expect(try await a.interrupt(stopped, emptying: true).sorted() == ["1", "2"])
        // The first worker finds them all, and nothing twice.
        let turns = try await a.claim(10, wait: 15_000)
        #expect(Set(turns.map(\.turn.id.session)).isSubset(of: [asked, told]))
        #expect(turns.allSatisfy { $0.messages.map(\.content) == ["one"] })
        try await expectLegal(told, on: a)
        #expect(try await a.turns(stopped).turns.map(\.status) == [.cancelled, .cancelled])
        await a.stop()
    }

    @Test func `reject refuses while a turn is open, and the queue has an end`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server) { $0.turnQueue = 3 }
        _ = try await a.claim()
        let id = try await a.session().id
        for _ in 1...3 { try await a.say("x", in: id, ifBusy: .enqueue) }
        #expect(await code { try await a.say("y", in: id, ifBusy: .reject) } == .sessionBusy)
        #expect(await code { try await a.say("y", in: id, ifBusy: .enqueue) } == .rateLimited)
        #expect(try await a.store.session(id.text).messageCount == 3)
        #expect(try await a.interrupt(id, entry: "2") == ["2"])
        #expect(try await a.turns(id).queue.map(\.name) == ["1", "3"])
        #expect(try await a.interrupt(id, emptying: true).sorted() == ["1", "3"])
        try await a.say("y", in: id, ifBusy: .reject)
        await a.stop()
    }

    @Test func `interrupt cancels the running turn, closes its tool calls, and kills its token`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        _ = try await a.claim()
        let id = try await a.session().id
        try await a.say("one", in: id, ifBusy: .enqueue)
        let turn = try await a.claimOne()
        try await a.say("later", in: id, ifBusy: .enqueue)
        try await a.report([.toolUse(id: "call-1", data: ["name": "search", "toolUseId": "call-1"])], of: turn)
        #expect(await code { try await a.report([.toolResult(id: "other", data: [:])], of: turn) } == .validation)
        try await a.say("now", in: id, ifBusy: .interrupt)
        guard case .stop(.cancelled) = try await a.extend(turn) else {
            Issue.record("the worker was not told to stop")
            return
        }
        #expect(await code { try await a.complete(turn) } == .staleLease)
        #expect(await code { try await a.report([.toolUse(id: "call-2", data: [:])], of: turn) } == .staleLease)
        let next = try await a.claimOne()
        #expect(next.messages.map(\.content) == ["now"])
        #expect(
            try await a.types(id).suffix(6) == [
                "agent.tool_use 1", "agent.tool_result 1", "turn.cancelled 1", "user.message", "turn.queued 3",
                "turn.started 3",
            ])
        #expect(try await a.turns(id).queue.map(\.name) == ["2"])
        await a.stop()
    }

    @Test func `steered messages reach the running turn, or become turns of their own`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        _ = try await a.claim()
        let id = try await a.session().id
        try await a.say("one", in: id, ifBusy: .steer)
        let turn = try await a.claimOne()
        let steered = try await a.say("also", in: id, ifBusy: .steer)
        #expect(steered.isSteered && steered.turnID == turn.turn.id.text)
        guard case .until(_, let messages, _) = try await a.extend(turn) else {
            Issue.record("the lease was not extended")
            return
        }
        #expect(messages.map(\.content) == ["also"])
        try await a.say("too late", in: id, ifBusy: .steer)
        try await a.say("after", in: id, ifBusy: .enqueue)
        #expect(try await a.complete(turn).queued == 2)
        let next = try await a.claimOne()
        #expect(next.messages.map(\.content) == ["too late"])
        try await a.complete(next)
        #expect(try await a.claimOne().messages.map(\.content) == ["after"])
        await a.stop()
    }

    @Test func `of the turns that are over the last 256 keep their records, however they were made`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        _ = try await a.claim()
        let id = try await a.session().id
        try await a.say("first", in: id, ifBusy: .enqueue)
        for number in 1...280 {
            let turn = try await a.claimOne()
            #expect(turn.turn.id.number == number)
            // It comes too late for the running turn.
            try await a.say("\(number)", in: id, ifBusy: .steer)
            try await a.complete(turn)
        }
        #expect(try server.client().send("HLEN", Keyspace(namespace: "sj", partitions: 16).keys(of: id).turns) == 256)
        await a.stop()
    }

    @Test func `a turn whose worker is gone is tried again, then fails, and the queue goes on`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server) { $0.turnAttempts = 2 }
        _ = try await a.claim()
        let id = try await a.session().id
        try await a.say("one", in: id, ifBusy: .enqueue)
        try await a.say("two", in: id, ifBusy: .enqueue)
        let zombie = try await a.claimOne()
        try await a.store.advanceTestClock(milliseconds: 30_001)
        let second = try await a.claimOne()
        #expect(second.turn.id == zombie.turn.id && second.turn.attempt == 2)
        #expect(await code { try await a.complete(zombie) } == .staleLease)
        try await a.store.advanceTestClock(milliseconds: 30_001)
        let other = try await a.claimOne()
        #expect(other.messages.map(\.content) == ["two"])
        #expect(try await a.turns(id).turns.map(\.status) == [.failed, .running])
        #expect(try await a.fail(other, retryable: true).status == .queued)
        #expect(try await a.fail(try await a.claimOne(), retryable: true).status == .failed)
        await a.stop()
    }

    @Test func `a turn that waits for a human is waiting, and goes on`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        _ = try await a.store.claim(agentID: StoreNode.agent, wait: 0)
        let id = try await a.session().id
        _ = try await a.store.say(MessageDraft(authorID: StoreNode.user, content: "one"), to: id.text, ifBusy: .enqueue)
        let turn = try #require(try await a.store.claim(agentID: StoreNode.agent).first)
        _ = try await a.extend(turn, waiting: 3_600_000)
        let session = try await a.store.session(id.text)
        #expect(session.status == .waiting && session.timeRemaining > 3_500_000)
        #expect(try await a.store.turns(of: id.text).running?.status == .waiting)
        _ = try await a.store.extend(turn)
        #expect(try await a.store.session(id.text).status == .running)
        let draft = MessageDraft(author: .agent, authorID: StoreNode.agent, content: "ok")
        #expect(try await a.store.finish(turn, .complete(draft, usage: nil)).status == .completed)
        #expect(try await a.types(id).contains("turn.waiting 1"))
        let waiting = Task { try await a.store.claim(agentID: StoreNode.agent) }
        waiting.cancel()
        #expect(try await waiting.value.isEmpty)
        await a.stop()
    }

    @Test func `the sweeper rings again when the doorbell was not rung`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let (a, b) = (
            try await StoreNode.start(on: server, name: "a"), try await StoreNode.start(on: server, name: "b")
        )
        _ = try await b.claim()
        let id = try await a.session().id
        try await a.loops[0].run { [shard = a.store.shards[0]] in shard.value.ringsDoorbells = false }
        try await a.say("one", in: id, ifBusy: .enqueue)
        await a.stop()
        #expect(try await b.claimOne().messages.map(\.content) == ["one"])
        await b.stop()
    }

    @Test func `a running turn holds off expiry but not the cap, and ends with the session`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        _ = try await a.claim()
        let session = try await a.session(minutes: 10, autoRenew: false, max: 20)
        let id = session.id
        try await a.say("one", in: id, ifBusy: .enqueue)
        let turn = try await a.claimOne(lease: 600_000)
        try await a.say("waits", in: id, ifBusy: .enqueue)
        try await a.store.advanceTestClock(milliseconds: 500_000)
        _ = try await a.extend(turn, lease: 600_000)
        try await a.store.advanceTestClock(milliseconds: 300_000)
        #expect(try await a.store.session(id.text).status == .running)
        let events = try await a.store.watch(id.text, after: .start)
        try await a.store.advanceTestClock(milliseconds: 600_000)
        var types: [String] = []
        for try await element in events { if case .event(let event) = element { types.append(event.type) } }
        #expect(types.suffix(3) == ["turn.cancelled", "turn.cancelled", "session.expired"])
        #expect(types.count { $0 == "session.expiring" } <= 2, "\(types)")
        let left = try server.client().send("KEYS", "*\(id)*").array.compactMap(\.string)
        #expect(left.allSatisfy { !$0.contains(":tn:") && !$0.contains(":q:") }, "\(left)")
        await a.stop()
    }

    @Test func `with an idempotency key a message and a completion happen once`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        _ = try await a.claim()
        let id = try await a.session().id
        let first = try await a.say("one", in: id, ifBusy: .enqueue, key: "k")
        let again = try await a.say("one", in: id, ifBusy: .enqueue, key: "k")
        #expect(first.id == again.id && first.cursor == again.cursor && first.turnID == again.turnID)
        #expect(first.createdAt == again.createdAt && first.expiresAt == again.expiresAt)
        #expect(await code { try await a.say("other", in: id, ifBusy: .enqueue, key: "k") } == .idempotencyKeyReused)
        let turn = try await a.claimOne()
        let done = try await a.complete(turn, key: "c")
        let twice = try await a.complete(turn, key: "c")
        #expect(done.cursor == twice.cursor && done.messageID == twice.messageID)
        #expect(try await a.types(id).count == 6)
        await a.stop()
    }

    @Test func `a worker that leaves while it waits gets no turn, and the next one does`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server)
        _ = try await a.claim()
        let id = try await a.session().id
        let gone = try await a.loops[0].run { [shard = a.store.shards[0], loop = a.loops[0]] in
            let watch = ClaimWatch()
            loop.spawn {
                await loop.sleep(milliseconds: 200)
                watch.leave()
            }
            return try await shard.value.claim(
                agent: StoreNode.agentBits, count: 1, lease: 30_000, wait: 15_000, watch: watch)
        }
        #expect(gone.isEmpty)
        async let waiting = a.claimOne()
        try await a.say("one", in: id, ifBusy: .enqueue)
        let turn = try await waiting
        try await a.store.onShard { await $0.giveBack(turn) }
        let again = try await a.claimOne()
        #expect(again.turn.attempt == 1, "a turn that was given back counts no attempt")
        await a.stop()
    }
}
