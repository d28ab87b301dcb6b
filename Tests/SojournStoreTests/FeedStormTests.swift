import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct FeedStormTests {
    enum Trouble: String, CaseIterable, Sendable {
        case none
        case subscribersKilled
        case serverSleeps
        case connectionsKilled
    }

    /// Readers join at random times from random cursors while three nodes write; something breaks meanwhile.
    @Test(arguments: Trouble.allCases)
    func `every reader gets every event once, in order`(trouble: Trouble) async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        var nodes: [StoreNode] = []
        for name in ["a", "b", "c", "d"] {
            nodes.append(try await StoreNode.start(on: server, name: name, loops: name == "d" ? 2 : 1))
        }
        let session = try await nodes[0].session()
        let writers = nodes.prefix(3).map { node in Task { try await self.write(200, from: node, to: session) } }
        var readers: [(record: WatchRecord, from: Int)] = []
        while readers.count < 24 {
            let head = try await nodes[3].store.session(session.id.text).head
            let from = Int.random(in: 0...head)
            let epoch = Bool.random() ? session.epoch : nil
            let record = try await WatchRecord.start(
                on: nodes[readers.count % 4], session, after: Cursor(epoch: epoch, seq: from))
            readers.append((record, from))
            if readers.count % 6 == 0 { try self.cause(trouble, on: server) }
            try await eventually { try await nodes[3].store.session(session.id.text).head >= min(head + 20, 400) }
        }
        for writer in writers { try await writer.value }
        let log = try await nodes[0].log(of: session)
        #expect(log.count >= 401)
        for (record, from) in readers {
            try await eventually(within: 20, "a reader from \(from) has all \(log.count), not \(record.last)") {
                record.last == log.count
            }
            #expect(record.events == Array(log[from...]))
            #expect(record.gaps.isEmpty)
            #expect(record.ready != nil)
        }
        for node in nodes { await node.stop() }
    }

    private func write(_ count: Int, from node: StoreNode, to session: Session) async throws {
        for number in 0..<count {
            do {
                try await node.say("message \(number)", in: session)
            } catch let error as StoreError where [.outcomeUnknown, .storeUnavailable].contains(error.code) {
                continue
            }
        }
    }

    private func cause(_ trouble: Trouble, on server: RedisServer) throws {
        switch trouble {
        case .none: break
        case .subscribersKilled: try server.client().send("CLIENT", "KILL", "TYPE", "pubsub")
        case .serverSleeps: try server.client().send("DEBUG", "SLEEP", "0.7")
        case .connectionsKilled:
            try server.client().send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            try server.client().send("CLIENT", "KILL", "TYPE", "pubsub")
        }
    }

    @Test func `all readers survive a server that sleeps for two seconds`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server, name: "a")
        let b = try await StoreNode.start(on: server, name: "b")
        let session = try await a.session()
        let reader = try await WatchRecord.start(on: b, session)
        try await eventually { reader.ready != nil }
        let sends = (0..<20).map { number in Task { try await a.say("\(number)", in: session) } }
        try server.client().send("DEBUG", "SLEEP", "2")
        for send in sends { _ = try await send.value }
        try await eventually { reader.last == 21 }
        #expect(reader.seqs == Array(1...21))
        await a.stop()
        await b.stop()
    }
}
