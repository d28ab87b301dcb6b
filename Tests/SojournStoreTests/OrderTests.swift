import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct OrderTests {
    @Test func `a hundred posts at once through two nodes have consecutive seqs and one order`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let nodes = [
            try await StoreNode.start(on: server, name: "a", loops: 2), try await StoreNode.start(on: server, name: "b"),
        ]
        let session = try await nodes[0].session()
        let readers = [
            try await WatchRecord.start(on: nodes[0], session), try await WatchRecord.start(on: nodes[1], session),
        ]
        let posts = (0..<100).map { number in Task { try await nodes[number % 2].say("post \(number)", in: session) } }
        var seqs: [Int] = []
        for post in posts { seqs.append(try await post.value.cursor.seq) }
        #expect(seqs.sorted() == Array(2...101))
        let log = try await nodes[1].log(of: session)
        for reader in readers {
            try await eventually { reader.last == 101 }
            #expect(reader.events == log)
        }
        // Each post is told its own place.
        for (number, seq) in seqs.enumerated() { #expect(Message(log[seq - 1])?.content == "post \(number)") }
        for node in nodes { await node.stop() }
    }

    @Test func `what one caller sends without waiting keeps its order`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let nodes = [try await StoreNode.start(on: server, name: "a"), try await StoreNode.start(on: server, name: "b")]
        let session = try await nodes[0].session()
        let id = session.id
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (place, node) in nodes.enumerated() {
                group.addTask {
                    let seqs = try await node.shard { shard in
                        var seqs = [Int](repeating: 0, count: 60)
                        await shard.concurrently(0..<60) { number in
                            let draft = MessageDraft(authorID: StoreNode.user, content: "\(place).\(number)")
                            seqs[number] = (try? await shard.send(draft, to: id).cursor.seq) ?? 0
                        }
                        return seqs
                    }
                    #expect(seqs == seqs.sorted() && Set(seqs).count == 60 && !seqs.contains(0))
                }
            }
            try await group.waitForAll()
        }
        let said = try await nodes[0].log(of: session).compactMap { Message($0)?.content }
        for place in 0...1 {
            #expect(said.filter { $0.hasPrefix("\(place).") } == (0..<60).map { "\(place).\($0)" })
        }
        for node in nodes { await node.stop() }
    }
}
