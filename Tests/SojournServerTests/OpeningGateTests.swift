import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct OpeningGateTests {
    @Test func `32 go in, and the others as somebody leaves, in the order in which they came`() async throws {
        let loop = EventLoop(name: "gate")
        defer { loop.stop() }
        let (first, all) = try await loop.run {
            let gate = OpeningGate(loop: loop)
            var entered: [Int] = []
            for number in 0..<100 { gate.enter { entered.append(number) } }
            let first = entered
            for _ in 0..<100 { gate.leave() }
            return (first, entered + [gate.inside])
        }
        #expect(first == Array(0..<32))
        #expect(all == Array(0..<100) + [0])
    }

    @Test func `where nobody leaves for long, those in line go in all the same`() async throws {
        let loop = EventLoop(name: "gate")
        defer { loop.stop() }
        let counts = try await loop.run {
            let gate = OpeningGate(loop: loop)
            var (entered, counts) = (0, [Int]())
            for _ in 0..<70 { gate.enter { entered += 1 } }
            counts.append(entered)
            while entered < 70 {
                let before = entered
                await loop.sleep(milliseconds: 20)
                if entered > before { counts.append(entered) }
            }
            for _ in 0..<70 { gate.leave() }
            return counts + [gate.inside]
        }
        #expect(counts == [32, 64, 70, 0])
    }

    @Test func `whoever waits for a client that does not read has left the gate`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.outboxBytes = 16 * 1024 })
        let id = try node.create()
        let text = String(repeating: "x", count: 60 * 1024)
        for _ in 0..<80 { try await node.answer(text, in: id) }
        let socket = try SocketClient(node, receiveBuffer: 4096)
        try socket.ask("subscribe", ["sessionId": .string(id), "after": "0"])
        let stream = try node.connect(receiveBuffer: 4096)
        try stream.send("GET \(TestNode.base)/\(id)/stream?after=0 HTTP/1.1\r\nHost: test\r\n\r\n")
        try await eventually("both are stuck, and nobody is in the gate") {
            let opening = try await node.opening()
            let (sockets, streams) = (try await node.pendingSocketBytes(), try await node.pendingBytes())
            return opening == 0 && sockets > 0 && streams > 0
        }
        // An operation that is refused leaves as well, and so does one whose socket is gone.
        let other = try SocketClient(node)
        #expect(try other.call("subscribe", ["sessionId": "nobody"])["op"]?.string == "error")
        try other.ask("subscribe", ["sessionId": .string(id), "after": "0"])
        other.raw.http.reset()
        try await eventually("nobody is in the gate") { try await node.opening() == 0 }
        await node.stop()
    }
}

extension TestNode {
    /// How many streams and subscriptions are being opened.
    fileprivate func opening() async throws -> Int {
        var count = 0
        for (loop, node) in self.server.parts { count += try await loop.run { node.value.openings.inside } }
        return count
    }
}
