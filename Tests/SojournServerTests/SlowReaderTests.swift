import SojournArchive
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct SlowReaderTests {
    static let outbox = 64 * 1024
    /// The largest event below, with its framing.
    static let largest = 66 * 1024

    /// Says `count` things of `bytes` each as the agent and returns the most bytes that waited for one reader.
    @discardableResult
    private func fill(_ node: TestNode, _ id: String, count: Int, bytes: Int, each: (Int) throws -> Void = { _ in })
        async throws -> Int
    {
        let text = String(repeating: "x", count: bytes)
        var most = 0
        for _ in 0..<count {
            let sent = try await node.answer(text, in: id)
            try each(sent.cursor.seq)
            most = max(most, try await node.pendingBytes())
        }
        return most
    }

    @Test func `a slow reader loses nothing, holds nobody up and keeps its outbox small`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.outboxBytes = Self.outbox })
        let id = try node.create()
        let slow = try StreamClient(node, id, "?after=0", receiveBuffer: 4096)
        let quick = try StreamClient(node, id)
        _ = try quick.read(through: "stream.ready")
        // What is published as it is, and what only rings: both at the pace of the quick reader.
        func next(_ seq: Int) throws { #expect(try quick.next()?.seq == seq) }
        var most = try await self.fill(node, id, count: 256, bytes: 6 * 1024, each: next)
        most = max(most, try await self.fill(node, id, count: 24, bytes: 64 * 1024, each: next))
        #expect(most > 0, "the slow reader was slow")
        #expect(most <= Self.outbox + Self.largest)
        let last = try node.say("the end", in: id)
        let head = try #require(last["seq"]?.int)
        var seqs: [Int] = []
        while let event = try slow.next() {
            #expect(event.event != "stream.gap")
            if let seq = event.seq { seqs.append(seq) }
            if seqs.last == head { break }
        }
        #expect(seqs == Array(1...head))
        #expect(try await node.pendingBytes() <= Self.outbox + Self.largest)
        // It has caught up: what comes now comes as it comes.
        try node.say("live again", in: id)
        let events = try slow.read(through: "user.message")
        #expect(events.last?.seq == head + 1)
        await node.stop()
    }

    @Test func `a reader that takes nothing for too long is closed, and may come back`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(
            on: redis,
            server: {
                $0.outboxBytes = Self.outbox
                $0.outboxStall = 200
                $0.streamHeartbeat = 50
            })
        let id = try node.create()
        let stuck = try StreamClient(node, id, "?after=0", receiveBuffer: 4096)
        let idle = try StreamClient(node, id)
        _ = try idle.read(through: "stream.ready")
        for _ in 0..<80 {
            try await node.answer(String(repeating: "x", count: 64 * 1024), in: id)
            _ = try idle.next()
        }
        try await eventually("the stuck reader is closed") { try await node.openStreams() == 1 }
        // What had left before can be read; the end is not that of a complete answer.
        var seqs: [Int] = []
        #expect(throws: RawHTTPError.self) {
            while let event = try stuck.next() { event.seq.map { seqs.append($0) } }
        }
        #expect(seqs == Array(1..<(seqs.count + 1)) && seqs.count < 81)
        // A quiet reader that takes what there is stays, and the other one goes on from its cursor.
        let back = try StreamClient(node, id, "?after=\(seqs.last ?? 0)").read(through: "stream.ready")
        #expect(back.compactMap(\.seq) == Array((seqs.count + 1)...81))
        try node.say("hi", in: id)
        #expect(try idle.next()?.seq == 82)
        await node.stop()
    }

    @Test func `a reader that lags when its session is archived gets the rest from there, or is told of the gap`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let a = try await TestNode.start(
            on: redis, archivePath: folder.file("a.sqlite"), server: { $0.outboxBytes = Self.outbox })
        let b = try await TestNode.start(on: redis, name: "b", server: { $0.outboxBytes = Self.outbox })
        let id = try a.create(config: #"{"timeoutMinutes":5}"#)
        let (here, there, late) = (
            try StreamClient(a, id, "?after=0", receiveBuffer: 4096),
            try StreamClient(b, id, "?after=0", receiveBuffer: 4096),
            try StreamClient(b, id, "?after=0", receiveBuffer: 4096)
        )
        try await self.fill(a, id, count: 96, bytes: 64 * 1024)
        // The system may take some of what waits, at any time; then more is said.
        var (most, mostThere) = (0, 0)
        try await eventually("it lags, here and there") {
            try await self.fill(a, id, count: 1, bytes: 64 * 1024)
            most = max(most, try await a.pendingBytes())
            mostThere = max(mostThere, try await b.pendingBytes())
            return min(most, mostThere) >= Self.outbox
        }
        try a.advance(minutes: 6)
        let archive = try #require(a.archive)
        try await eventually("the hand-over") { try await archive.session(id) != nil }
        var whole: [RawEvent] = []
        var written = 0
        while let event = try here.next() {
            whole.append(event)
            // While it is being written the stream is open; what is left then has left the node, or nearly.
            if try await a.openStreams() > 0 { written = whole.count }
            #expect(try await a.pendingBytes() <= Self.outbox + Self.largest)
        }
        #expect(written > whole.count / 2, "the rest was not written at once")
        let head = try #require(try await archive.session(id)?.header.head)
        #expect(whole.compactMap(\.seq) == Array(1...head))
        #expect(whole.suffix(2).map(\.event) == ["session.expired", "stream.end"])
        #expect(!whole.contains { $0.event == "stream.gap" })
        // The other node asks for it.
        let asked = try there.rest()
        #expect(asked.compactMap(\.seq) == Array(1...head))
        #expect(asked.suffix(2).map(\.event) == ["session.expired", "stream.end"])
        // Once nobody is there who has it, a reader is told.
        await a.stop()
        let torn = try late.rest()
        #expect(torn.suffix(2).map(\.event) == ["stream.gap", "stream.end"])
        let seqs = torn.compactMap(\.seq)
        #expect(seqs == Array(1..<(seqs.count + 1)))
        let gap = try #require(torn.dropLast().last)
        #expect(gap.json["data"]?["from"]?.int == seqs.count + 1)
        #expect(gap.json["data"]?["to"]?.int == head)
        #expect(gap.id?.hasSuffix(":\(head)") == true)
        await b.stop()
    }
}
