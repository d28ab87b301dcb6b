import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct FeedTests {
    /// A server, two nodes, and a session with `messages` messages.
    private func withSession(
        messages: Int = 0, lingering: Int = 10_000,
        _ body: (RedisServer, StoreNode, StoreNode, Session) async throws -> Void
    ) async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server, name: "a") { $0.lingering = lingering }
        let b = try await StoreNode.start(on: server, name: "b") { $0.lingering = lingering }
        let session = try await a.session()
        for number in 0..<messages { try await a.say("message \(number)", in: session) }
        try await body(server, a, b, session)
        await a.stop()
        await b.stop()
    }

    @Test func `an event over 8 KiB arrives whole`() async throws {
        try await self.withSession { _, a, b, session in
            let readers = [try await WatchRecord.start(on: a, session), try await WatchRecord.start(on: b, session)]
            try await eventually { readers.allSatisfy { $0.ready != nil } }
            let text = String(repeating: "large ", count: 3000)
            for number in 0..<3 {
                try await a.say("small \(number)", in: session)
                try await b.say(text, in: session)
            }
            let log = try await a.log(of: session)
            #expect(log.contains { $0.bytes.count > 18_000 })
            for reader in readers {
                try await eventually { reader.last == 7 }
                #expect(reader.events == log)
                #expect(reader.events.allSatisfy { !$0.isDoorbell })
            }
        }
    }

    @Test func `a reader resumes at an epoch and seq, at a bare seq, or at the start`() async throws {
        try await self.withSession(messages: 9) { _, a, b, session in
            let epoch = session.epoch
            for (cursor, first) in [
                (Cursor(epoch: epoch, seq: 4), 5), (Cursor(epoch: nil, seq: 4), 5), (.start, 1),
                (Cursor(epoch: epoch, seq: 0), 1), (Cursor(epoch: epoch, seq: 10), 11),
            ] {
                let reader = try await WatchRecord.start(on: b, session, after: cursor)
                try await eventually { reader.ready != nil }
                #expect(reader.ready == Cursor(epoch: epoch, seq: 10))
                #expect(reader.seqs == Array(first..<11))
                #expect(reader.gaps.isEmpty)
                reader.cancel()
            }
            _ = a
        }
    }

    @Test func `a cursor of another log is told what it cannot have`() async throws {
        try await self.withSession(messages: 9) { _, a, b, session in
            let epoch = session.epoch
            for (cursor, missing, resume) in [
                (Cursor(epoch: nil, seq: 99), 11...99, 10), (Cursor(epoch: epoch, seq: 99), 11...99, 10),
                (Cursor(epoch: "ffffffff.7", seq: 3), 1...3, 0), (Cursor(epoch: "ffffffff.7", seq: 99), 1...99, 0),
            ] {
                let reader = try await WatchRecord.start(on: b, session, after: cursor)
                try await eventually { reader.ready != nil }
                #expect(
                    reader.gaps
                        == [.init(missing: missing, resumeAt: Cursor(epoch: epoch, seq: resume))], "\(cursor)")
                #expect(reader.seqs == Array((resume + 1)..<11), "\(cursor)")
                reader.cancel()
            }
            _ = a
        }
    }

    @Test func `a slow consumer loses nothing and holds nobody up`() async throws {
        try await self.withSession { _, a, b, session in
            var slow = try await b.store.watch(session.id.text).makeAsyncIterator()
            guard case .event(let first)? = try await slow.next() else { throw NotInTime(description: "no event") }
            let fast = try await WatchRecord.start(on: b, session)
            for number in 0..<900 { try await a.say("message \(number)", in: session) }
            try await eventually { fast.last == 901 }
            #expect(fast.seqs == Array(1...901))
            var seqs = [first.seq]
            while seqs.count < 901 {
                if case .event(let event)? = try await slow.next() { seqs.append(event.seq) }
            }
            #expect(seqs == Array(1...901))
            try await a.say("live again", in: session)
            guard case .event(let live)? = try await slow.next() else { throw NotInTime(description: "no event") }
            #expect(live.seq == 902)
        }
    }

    @Test func `the channel is left after the linger`() async throws {
        try await self.withSession(lingering: 150) { server, _, b, session in
            let reader = try await WatchRecord.start(on: b, session)
            try await eventually { reader.ready != nil }
            #expect(try server.listeners(of: session) == 1)
            reader.cancel()
            try await eventually { reader.isOver }
            try await eventually { try server.listeners(of: session) == 0 }
            #expect(try await b.shard { $0.feed.topics.isEmpty })
            let again = try await WatchRecord.start(on: b, session)
            try await eventually { again.ready != nil }
            #expect(try server.listeners(of: session) == 1)
        }
    }

    @Test func `a reader that comes back within the linger needs no subscription`() async throws {
        try await self.withSession(lingering: 60_000) { server, a, b, session in
            for round in 1...3 {
                let reader = try await WatchRecord.start(on: b, session)
                try await a.say("round \(round)", in: session)
                try await eventually { reader.last == round + 1 }
                #expect(reader.seqs == Array(1...round + 1))
                reader.cancel()
                try await eventually {
                    try await b.shard { $0.feed.topics[session.id]?.subscriptions.isEmpty == true }
                }
                #expect(try server.listeners(of: session) == 1)
            }
            // The probes of two nodes on each server, and this one.
            #expect(try server.calls(of: "ssubscribe") == 2 * server.everyone.count + 1)
        }
    }

    @Test func `a hundred readers of one session cost one repair`() async throws {
        try await self.withSession(messages: 5) { server, a, b, session in
            var readers: [WatchRecord] = []
            for _ in 0..<100 { readers.append(try await WatchRecord.start(on: b, session)) }
            for reader in readers { try await eventually { reader.ready != nil } }
            let repairs = try await b.shard { $0.feed.repairs }
            let ranges = try server.calls(of: "lrange")
            try server.client().send("CLIENT", "KILL", "TYPE", "pubsub")
            try await a.say("said while nobody listened", in: session)
            for reader in readers { try await eventually { reader.last == 7 } }
            try await eventually { try server.listeners(of: session) == 1 }
            try await a.say("heard", in: session)
            for reader in readers { try await eventually { reader.last == 8 } }
            for reader in readers { #expect(reader.seqs == Array(1...8)) }
            let (repairsAfter, rangesAfter) = (try await b.shard { $0.feed.repairs }, try server.calls(of: "lrange"))
            #expect((1...3).contains(repairsAfter - repairs), "\(repairsAfter - repairs) repairs")
            #expect((1...3).contains(rangesAfter - ranges), "\(rangesAfter - ranges) reads of the log")
        }
    }

    @Test func `a lost last event is noticed by a heartbeat`() async throws {
        try await self.withSession { server, a, b, session in
            let reader = try await WatchRecord.start(on: b, session)
            try await eventually { reader.ready != nil }
            // An event whose publication nobody hears.
            let keys = Keyspace(namespace: "sj", partitions: 16).keys(of: session.id)
            let client = try server.client()
            client.append(lost: 2, epoch: session.epoch, keys)
            let outcomes = try await b.store.heartbeat(batch: [session.id.text])
            #expect(outcomes.first?.head == 2)
            try await eventually { reader.last == 2 }
            client.append(lost: 3, epoch: session.epoch, keys)
            try await b.store.heartbeat(session.id.text)
            try await eventually { reader.last == 3 }
            try await a.say("heard", in: session)
            try await eventually { reader.last == 4 }
            #expect(reader.seqs == [1, 2, 3, 4])
        }
    }

    @Test func `heartbeats between events cost no repair`() async throws {
        try await self.withSession { _, a, b, session in
            let reader = try await WatchRecord.start(on: b, session)
            try await eventually { reader.ready != nil }
            let repairs = try await b.shard { $0.feed.repairs }
            for number in 1...100 {
                async let beat = b.store.heartbeat(session.id.text)
                try await a.say("\(number)", in: session)
                _ = try await beat
            }
            try await eventually { reader.last == 101 }
            // The looks after a heartbeat wait for a moment; one more event comes after them all.
            try await b.loops[0].run { await b.loops[0].sleep(milliseconds: 150) }
            #expect(try await b.shard { $0.feed.repairs } - repairs <= 2)
        }
    }

    @Test func `the sequence ends after the event that closes the session`() async throws {
        try await self.withSession(messages: 3) { _, a, b, session in
            let readers = [try await WatchRecord.start(on: a, session), try await WatchRecord.start(on: b, session)]
            try await eventually { readers.allSatisfy { $0.ready != nil } }
            try await a.store.end(session.id.text)
            for reader in readers {
                try await eventually { reader.isOver }
                #expect(reader.seqs == Array(1...5))
                #expect(reader.events.last?.type == "session.ended")
                #expect(reader.error == nil)
            }
            // Nobody has archived it: its log is there to be read to its end.
            let late = try await WatchRecord.start(on: b, session, after: Cursor(epoch: session.epoch, seq: 2))
            try await eventually { late.isOver }
            #expect(late.seqs == [3, 4, 5])
            #expect(late.error == nil)
        }
    }

    @Test func `a session that is gone cannot be watched`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server, name: "a") { $0.archiving = false }
        let (deleted, expired) = (try await a.session(), try await a.session(minutes: 5))
        try await a.store.end(deleted.id.text)
        try await a.store.advanceTestClock(milliseconds: 6 * 60_000)
        try await eventually { try await a.store.list().counts.live == 0 }
        for (session, code) in [(deleted, StoreError.Code.sessionNotFound), (expired, .sessionExpired)] {
            let reader = try await WatchRecord.start(on: a, session)
            try await eventually { reader.isOver }
            #expect(reader.error?.code == code)
            #expect(reader.events.isEmpty)
        }
        let foreign = await #expect(throws: StoreError.self) { _ = try await a.store.watch("no-session") }
        #expect(foreign?.code == .sessionNotFound)
        await a.stop()
    }
}

extension RawRedis {
    /// Writes an event to a log as if its publication were lost.
    fileprivate func append(lost seq: Int, epoch: String, _ keys: SessionKeys) {
        let event =
            #"{"v":1,"epoch":"\#(epoch)","seq":\#(seq),"at":1,"type":"system.message","sessionId":"\#(keys.id)","data":{}}"#
        let replies = [try? self.send("RPUSH", keys.log, event), try? self.send("HSET", keys.session, "q", "\(seq)")]
        precondition(!replies.contains(nil), "redis refused to be written to")
    }
}
