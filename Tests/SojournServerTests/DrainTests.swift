import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct DrainTests {
    @Test func `a drain sends streams away one by one, and those who go elsewhere miss nothing`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let a = try await TestNode.start(on: redis, loops: 2, server: { $0.drainLimit = 10_000 })
        let b = try await TestNode.start(on: redis, name: "b")
        let id = try b.create()
        let streams = try (0..<60).map { _ in try StreamClient(a, id, "?after=0") }
        for stream in streams { _ = try stream.read(through: "stream.ready") }
        let isOver = Locked(false)
        let writing = Task {
            var count = 1
            // Each of the sixty reads all of them again elsewhere.
            while count < 500, !isOver.withLock({ $0 }) {
                try await b.answer("while \(count)", in: id)
                count += 1
            }
            return count
        }
        // The reading below blocks a thread; on a thread of its own the stopping waits for none of the others.
        let own = EventLoop(name: "stopping")
        defer { own.stop() }
        let stopping = Task(executorPreference: own) { await a.stop() }
        let ends = try streams.map { try $0.rest() }
        await stopping.value
        isOver.withLock { $0 = true }
        let head = try await writing.value
        // Told one after the other, not all at once.
        let times = ends.compactMap { $0.last?.json["at"]?.int }
        #expect((times.max() ?? 0) - (times.min() ?? 0) >= 5)
        var pauses: Set<Int> = []
        for events in ends {
            let last = try #require(events.last)
            #expect(last.event == "stream.end" && last.id == nil)
            #expect(last.json["data"]?["reason"]?.string == "drain")
            pauses.insert(try #require(last.json["data"]?["retry"]?.int))
            let cursor = events.compactMap(\.id).last ?? "1"
            var seqs = events.compactMap(\.seq)
            let client = try StreamClient(b, id, headers: ["Last-Event-ID": cursor])
            while (seqs.last ?? 1) < head, let event = try client.next() {
                #expect(event.event != "stream.gap")
                if let seq = event.seq { seqs.append(seq) }
            }
            #expect(seqs == Array(2...head))
        }
        #expect(pauses.count > 30, "the pauses are spread")
        #expect(pauses.allSatisfy { (1...3000).contains($0) })
        await b.stop()
    }

    @Test func `the pause stands in the stream, too, for browsers`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create()
        let stream = try StreamClient(node, id)
        _ = try stream.read(through: "stream.ready")
        await node.stop()
        var text = ""
        while let chunk = try stream.http.readChunk() { text += String(decoding: chunk, as: UTF8.self) }
        let retry = try #require(text.split(separator: "\n").first { $0.hasPrefix("retry: ") }?.dropFirst(7))
        #expect(text.hasPrefix("retry: \(retry)\nevent: stream.end\ndata: {"))
        #expect(text.contains(#""data":{"reason":"drain","retry":\#(retry)}}"#))
    }

    @Test func `what happened to streams is counted`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let settings: (inout ServerConfiguration) -> Void = {
            $0.outboxBytes = 32 * 1024
            $0.streamHeartbeat = 50
        }
        let node = try await TestNode.start(on: redis, loops: 2, server: settings)
        let impatient = try await TestNode.start(
            on: redis, name: "b",
            server: {
                settings(&$0)
                $0.outboxStall = 300
            })
        let id = try node.create()
        let slow = try StreamClient(node, id, receiveBuffer: 4096)
        let stuck = try StreamClient(impatient, id, receiveBuffer: 4096)
        for stream in [slow, stuck] { _ = try stream.read(through: "stream.ready") }
        let gone = try StreamClient(node, id, "?after=0badcafe.7:3")
        _ = try gone.read(through: "stream.ready")
        let before = try node.streamCounts()
        #expect(before["open"] == 2 && before["gaps"] == 1 && before["demoted"] == 0 && before["stalled"] == 0)
        gone.http.close()
        // More than the sockets take.
        for _ in 0..<96 { try await node.answer(String(repeating: "x", count: 64 * 1024), in: id) }
        #expect(try node.streamCounts()["demoted"] ?? 0 >= 1)
        // Read again, it catches up.
        while try node.streamCounts()["promoted"] == 0 { #expect(try slow.http.discardSome()) }
        try await eventually("the other one stalls") { try impatient.streamCounts()["stalled"] == 1 }
        #expect(try impatient.streamCounts()["open"] == 0)
        await node.stop()
        await impatient.stop()
    }
}
