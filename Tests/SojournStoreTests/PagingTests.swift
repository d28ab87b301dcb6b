import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct PagingTests {
    /// A session whose log holds messages of the same millisecond, and events that are none.
    private func withConversation(
        _ body: (StoreNode, Session, [Message]) async throws -> Void
    ) async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let session = try await node.session()
        let id = session.id
        for round in 0..<12 {
            // Sent together, they are appended within a millisecond or two.
            try await node.shard { shard in
                await shard.concurrently(0..<40) { number in
                    let author: MessageAuthor = number % 3 == 0 ? .agent : number % 3 == 1 ? .user : .system
                    let draft = MessageDraft(
                        author: author, authorID: StoreNode.user, content: "\(round).\(number)")
                    _ = try? await shard.send(draft, to: id)
                    if number % 5 == round % 5 { _ = try? await shard.renew(id) }
                }
            }
        }
        let messages = try await node.log(of: session).compactMap { Message($0) }
        try #require(messages.count == 480)
        try await body(node, session, messages)
        await node.stop()
    }

    @Test func `one message a page, backward and forward, returns each once though many share a millisecond`()
        async throws
    {
        try await self.withConversation { node, session, messages in
            #expect(Set(messages.map(\.createdAt)).count < messages.count * 9 / 10)
            let newest = messages.suffix(60).map(\.seq)
            var seqs: [Int] = []
            var bound: PageBound?
            while seqs.count < 60 {
                let page = try await node.store.messages(of: session.id.text, limit: 1, before: bound)
                try #require(page.messages.count == 1 && page.hasMore)
                seqs.append(page.messages[0].seq)
                bound = .seq(page.messages[0].seq)
            }
            #expect(seqs == newest.reversed())
            seqs = []
            bound = .seq(newest[0] - 1)
            while true {
                let page = try await node.store.messages(of: session.id.text, limit: 1, after: bound)
                guard let message = page.messages.first else { break }
                seqs.append(message.seq)
                bound = .seq(message.seq)
                #expect(page.hasMore == (message.seq != newest.last))
            }
            #expect(seqs == newest)
        }
    }

    @Test func `every page is what a plain list of the messages would give`() async throws {
        try await self.withConversation { node, session, messages in
            var generator = SeededGenerator(seed: 42)
            let head = try await node.store.session(session.id.text).head
            func bound() -> PageBound? {
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: return nil
                case 1, 2: return .seq(Int.random(in: -2...head + 3, using: &generator))
                default:
                    let at = messages[Int.random(in: 0..<messages.count, using: &generator)].createdAt
                    return .time(at + Int64.random(in: -1...1, using: &generator))
                }
            }
            for round in 0..<250 {
                let limit = [1, 2, 7, 50, 100][Int.random(in: 0..<5, using: &generator)]
                let (before, after) = (bound(), bound())
                let page = try await node.store.messages(
                    of: session.id.text, limit: limit, before: before, after: after)
                let (expected, hasMore) = Self.reference(messages, limit: limit, before: before, after: after)
                let query = "round \(round): limit \(limit) before \(before as Any) after \(after as Any)"
                #expect(page.messages.map(\.seq) == expected, "\(query)")
                #expect(page.hasMore == hasMore, "\(query)")
            }
        }
    }

    /// What a page should hold: with `after` alone the oldest after it, else the newest; newest first.
    private static func reference(
        _ messages: [Message], limit: Int, before: PageBound?, after: PageBound?
    ) -> (seqs: [Int], hasMore: Bool) {
        let matching = messages.filter { message in
            switch before {
            case .seq(let seq)? where message.seq >= seq: return false
            case .time(let time)? where message.createdAt >= time: return false
            default: break
            }
            switch after {
            case .seq(let seq)? where message.seq <= seq: return false
            case .time(let time)? where message.createdAt <= time: return false
            default: return true
            }
        }
        let picked = before == nil && after != nil ? matching.prefix(limit) : matching.suffix(limit)
        return (picked.map(\.seq).reversed(), matching.count > limit)
    }

    /// A log in memory that notes how much of it is read.
    private final class CountedLog: LogSource {
        private let events: [Event]
        private(set) var read = 0

        /// Every `spacing`th event is a message, the rest are renewals.
        init(length: Int, spacing: Int) {
            self.events = (1...length).compactMap { seq in
                let type = seq % spacing == 0 ? "user.message" : "session.renewed"
                let text =
                    #"{"v":1,"epoch":"e.1","seq":\#(seq),"at":1,"type":"\#(type)","sessionId":"s","#
                    + #""data":{"id":"\#(seq)","content":"c"}}"#
                return Event(bytes: Array(text.utf8))
            }
        }

        func read(from: Int, to: Int, limit: Int, newestFirst: Bool) async throws(StoreError) -> LogPage {
            let range = self.events[(from - 1)..<min(to, self.events.count)]
            let taken = newestFirst ? Array(range.suffix(limit).reversed()) : Array(range.prefix(limit))
            self.read += taken.count
            return LogPage(events: taken, oldest: 1, head: self.events.count, epoch: "e.1")
        }
    }

    @Test(arguments: [1, 2, 10, 300])
    func `a page reads little more of the log than it gives`(spacing: Int) async throws {
        for limit in [1, 50] {
            for after in [nil, PageBound.seq(0)] {
                let log = CountedLog(length: 20_000, spacing: spacing)
                let page = try await MessagePager(limit: limit, before: nil, after: after).read(log)
                #expect(page.messages.count == limit && page.beyond != nil)
                let needed = (limit + 1) * spacing
                #expect(log.read <= max(2 * (limit + 1), min(3 * needed, needed + StoreShard.stretch)))
            }
        }
        let log = CountedLog(length: 20_000, spacing: spacing)
        let page = try await EventPager(after: 5, before: nil, limit: 600, types: nil).page(of: log)
        #expect(page.events.compactMap(\.seq) == Array(6...605) && page.hasMore && log.read == 601)
        let some = try await EventPager(after: nil, before: 20_001, limit: 60, types: ["user.message"]).page(of: log)
        #expect(some.events.count == 60 && some.hasMore)
    }

    @Test func `events are paged forward, backward and by type`() async throws {
        try await self.withConversation { node, session, messages in
            let log = try await node.log(of: session)
            var generator = SeededGenerator(seed: 7)
            for _ in 0..<100 {
                let after = Bool.random(using: &generator) ? Int.random(in: -1...log.count + 2, using: &generator) : nil
                let before =
                    Bool.random(using: &generator) ? Int.random(in: -1...log.count + 2, using: &generator) : nil
                let types: Set<String>? = Bool.random(using: &generator) ? nil : ["session.renewed", "agent.message"]
                let limit = [1, 3, 100, 600][Int.random(in: 0..<4, using: &generator)]
                let matching = log.filter {
                    $0.seq ?? 0 > after ?? 0 && $0.seq ?? 0 < before ?? .max && (types?.contains($0.type) ?? true)
                }
                let picked = before != nil && after == nil ? matching.suffix(limit) : matching.prefix(limit)
                let page = try await node.store.events(
                    of: session.id.text, after: after, before: before, limit: limit, types: types)
                let query = "after \(after as Any) before \(before as Any) limit \(limit) types \(types as Any)"
                #expect(page.events == Array(picked), "\(query)")
                #expect(page.hasMore == (matching.count > limit), "\(query)")
                #expect(page.head == log.count)
            }
        }
    }

    /// A log in memory with chosen times.
    private struct TimedLog: LogSource {
        var events: [Event] = []

        mutating func append(at: Int, isMessage: Bool) {
            let (seq, type) = (self.events.count + 1, isMessage ? "user.message" : "session.renewed")
            let text =
                #"{"v":1,"epoch":"e.1","seq":\#(seq),"at":\#(at),"type":"\#(type)","sessionId":"s","#
                + #""data":{"id":"\#(seq)","content":"c"}}"#
            if let event = Event(bytes: Array(text.utf8)) { self.events.append(event) }
        }

        func read(from: Int, to: Int, limit: Int, newestFirst: Bool) async throws(StoreError) -> LogPage {
            let range = self.events.filter { event in event.seq.map { from <= $0 && $0 <= to } ?? false }
            let taken = newestFirst ? Array(range.suffix(limit).reversed()) : Array(range.prefix(limit))
            return LogPage(events: taken, oldest: 1, head: self.events.count, epoch: "e.1")
        }
    }

    /// A session as it was read at a time.
    private static func session(asOf: Int, isOver: Bool = false) -> Session {
        var session = SessionRecord.session(
            id: SessionID(at: Instant(milliseconds: 1), partition: 0), agent: "a", user: "u", key: nil, createdAt: 1,
            endedAt: Int64(asOf), reason: .expired, head: 0, record: .null)
        if !isOver { session.ending = nil }
        return session
    }

    @Test(arguments: [1, 3, 7])
    func `a walk by time along the cursors gives each message once, wherever its pages end`(limit: Int) async throws {
        var generator = SeededGenerator(seed: UInt64(limit))
        for round in 0..<60 {
            var log = TimedLog()
            var at = 10
            for _ in 0..<Int.random(in: 1...60, using: &generator) {
                // In some rounds every message has a time of its own, in others all have the same.
                if round % 5 != 0, round % 5 == 1 || Int.random(in: 0..<3, using: &generator) == 0 { at += 1 }
                log.append(at: at, isMessage: Int.random(in: 0..<4, using: &generator) > 0)
            }
            let all = log.events.compactMap { Message($0)?.seq }
            // The time may stand still at the newest message.
            let session = Self.session(asOf: at + round % 2)
            for forward in [false, true] {
                var seen: [Int] = []
                var bound = PageBound.time(Instant(milliseconds: forward ? 0 : Int64(at) + 100_000))
                var more = true
                while more, seen.count <= all.count {
                    let page = try await MessagePager(
                        limit: limit, before: forward ? nil : bound, after: forward ? bound : nil
                    ).page(of: session, in: log)
                    #expect(page.messages.count <= limit)
                    let seqs = page.messages.map(\.seq)
                    seen += forward ? seqs.reversed() : seqs
                    more = page.hasMore
                    guard let next = forward ? page.after : page.before else { break }
                    // Where each message has its time, the cursors of those who ask with times are times.
                    if round % 5 == 1, !forward { #expect(next.isTime) }
                    bound = next
                }
                #expect(seen == (forward ? all : all.reversed()), "round \(round), forward \(forward)")
            }
        }
    }

    @Test func `a cursor at the end of the log misses nothing that is still said in the same millisecond`() async throws
    {
        var log = TimedLog()
        for at in [10, 11, 11] { log.append(at: at, isMessage: true) }
        let query = MessagePager(limit: 5, before: nil, after: .time(Instant(milliseconds: 0)))
        #expect(try await query.page(of: Self.session(asOf: 12), in: log).after == .time(Instant(milliseconds: 11)))
        let over = try await query.page(of: Self.session(asOf: 11, isOver: true), in: log)
        #expect(over.after == .time(Instant(milliseconds: 11)), "nothing more is said in it")
        let page = try await query.page(of: Self.session(asOf: 11), in: log)
        #expect(page.after == .seq(3) && !page.hasMore)
        log.append(at: 11, isMessage: true)
        let later = try await MessagePager(limit: 5, before: nil, after: page.after)
            .page(of: Self.session(asOf: 11), in: log)
        #expect(later.messages.map(\.seq) == [4] && later.before == .seq(4) && later.after == .seq(4))
    }

    @Test func `bounds at the ends of the integers are empty pages`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let session = try await node.session()
        try await node.say("one", in: session)
        let id = session.id.text
        for (before, after) in [(Int.min, nil), (nil, Int.max), (0, nil), (1, Int.max)] as [(Int?, Int?)] {
            let messages = try await node.store.messages(
                of: id, before: before.map { .seq($0) }, after: after.map { .seq($0) })
            #expect(messages.messages.isEmpty && !messages.hasMore)
            let events = try await node.store.events(of: id, after: after, before: before)
            #expect(events.events.isEmpty && !events.hasMore)
        }
        for (before, after) in [(Int.max, nil), (nil, Int.min), (Int.max, Int.min)] as [(Int?, Int?)] {
            let messages = try await node.store.messages(
                of: id, before: before.map { .seq($0) }, after: after.map { .seq($0) })
            #expect(messages.messages.count == 1 && !messages.hasMore)
            #expect(try await node.store.events(of: id, after: after, before: before).events.count == 2)
        }
        await node.stop()
    }

    @Test func `a log of large events comes in answers of about a mebibyte`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let session = try await node.session()
        let id = session.id
        for number in 0..<24 {
            try await node.say("\(number) " + String(repeating: "x", count: 200_000), in: session)
        }
        try await node.say(String(repeating: "y", count: 2_000_000), in: session)
        let stretches = try await node.shard { shard in
            var stretches: [[Int]] = []
            var from = 1
            while from <= 26 {
                let events = try await shard.stretch(id, from: from).get().events
                stretches.append(events.map { $0.bytes.count })
                from += events.count
            }
            return stretches
        }
        #expect(stretches.flatMap { $0 }.count == 26)
        #expect(stretches.allSatisfy { $0.count == 1 || $0.reduce(0, +) <= 1 << 20 })
        #expect(stretches.count >= 6)
        let page = try await node.store.messages(of: id.text, limit: 100)
        #expect(page.messages.map(\.seq) == (2...26).reversed())
        let events = try await node.store.events(of: id.text, limit: 1000)
        #expect(events.events.count == 26 && !events.hasMore)
        let reader = try await WatchRecord.start(on: node, session)
        try await eventually { reader.last == 26 }
        #expect(reader.seqs == Array(1...26))
        await node.stop()
    }
}
