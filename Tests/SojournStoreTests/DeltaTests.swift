import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// What one client has of a message that is being written, over all its connections.
final class DeltaClient: FeedReader {
    private(set) var text = ""
    private(set) var final: String?
    private(set) var cursor: Cursor?
    private(set) var indexes: [Int] = []
    var isReady: Bool { true }

    func take(_ live: LiveEvent) {
        self.cursor = live.cursor ?? self.cursor
        let data = try? live.event.json()["data"]
        if live.event.type == EventType.agentMessageDelta {
            let index = data?["index"]?.int ?? -1
            // A delta with index 0 begins the message's text anew.
            if index == 0 { self.text = "" }
            self.indexes.append(index)
            self.text += data?["text"]?.string ?? ""
        } else if live.event.type == EventType.agentMessage {
            self.final = data?["content"]?.string
        }
    }

    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor) {}
    func caughtUp(_ cursor: Cursor) { if self.cursor == nil { self.cursor = cursor } }
    func finished(_ reason: FeedEnd) {}
}

@Suite struct DeltaTests {
    private func publish(_ texts: [String], from first: Int? = nil, _ node: StoreNode, _ session: Session) async throws
    {
        let numbered = texts.enumerated().map { place, text in
            DeltaPiece(text: text, index: first.map { $0 + place })
        }
        _ = try await node.store.onShard { shard in
            try await shard.publish(numbered, of: "m1", turnID: nil, in: session.id)
        }
    }

    /// Runs `body` on the node's loop with its shard.
    private func on<Answer: Sendable>(
        _ node: StoreNode, _ body: @escaping @Sendable (StoreShard) async throws -> Answer
    ) async throws -> Answer { try await node.store.onShard(body) }

    @Test func `a client that comes in the middle gets the text so far once and then the rest`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let a = try await StoreNode.start(on: server, name: "a")
        let b = try await StoreNode.start(on: server, name: "b")
        let session = try await a.session()
        try await a.say("tell me", in: session)
        try await self.publish(["one ", "two "], a, session)
        try await self.publish(["three "], a, session)
        let client = try await self.on(b) { shard in
            let client = DeltaClient()
            let subscription = shard.feed.subscribe(client, to: session.id, after: Cursor(epoch: nil, seq: 2))
            return Confined((client, subscription), to: shard.loop)
        }
        try await eventually { try await self.on(b) { _ in client.value.0.text } == "one two three " }
        try await self.publish([#"four "quoted" \n"#, "\u{1F30D}\n"], a, session)
        let whole = "one two three four \"quoted\" \\n\u{1F30D}\n"
        try await eventually { try await self.on(b) { _ in client.value.0.text } == whole }
        // It goes away, comes back elsewhere with its cursor, and misses nothing that came meanwhile.
        let cursor = try await self.on(b) { shard in
            shard.feed.unsubscribe(client.value.1)
            return client.value.0.cursor
        }
        #expect(cursor?.delta == 3)
        try await self.publish(["five"], a, session)
        let again = try await self.on(a) { shard in
            let client = DeltaClient()
            let subscription = shard.feed.subscribe(client, to: session.id, after: try #require(cursor))
            return Confined((client, subscription), to: shard.loop)
        }
        try await eventually { try await self.on(a) { _ in again.value.0.text } == "five" }
        // The message that ends it carries the whole text, and nobody gets its deltas any more.
        _ = try await a.store.send(
            MessageDraft(id: "m1", author: .agent, authorID: StoreNode.agent, content: whole + "five"),
            to: session.id.text)
        try await eventually { try await self.on(a) { _ in again.value.0.final } == whole + "five" }
        let late = try await self.on(b) { shard in
            let client = DeltaClient()
            let subscription = shard.feed.subscribe(client, to: session.id, after: Cursor(epoch: nil, seq: 2))
            return Confined((client, subscription), to: shard.loop)
        }
        try await eventually { try await self.on(b) { _ in late.value.0.final } != nil }
        #expect(try await self.on(b) { _ in late.value.0.indexes }.isEmpty)
        let events = try await a.store.events(of: session.id.text)
        #expect(events.events.map(\.type) == ["session.created", "user.message", "agent.message"])
        await a.stop()
        await b.stop()
    }

    @Test func `a piece that is sent twice is taken once, and a missing one is told`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let session = try await node.session()
        try await self.publish(["a", "b"], from: 0, node, session)
        try await self.publish(["b", "c"], from: 1, node, session)
        let error = await #expect(throws: StoreError.self) { try await self.publish(["x"], from: 5, node, session) }
        #expect(error?.message.hasSuffix("the next index is 3") == true)
        let client = try await self.on(node) { shard in
            let client = DeltaClient()
            let subscription = shard.feed.subscribe(client, to: session.id, after: .start)
            return Confined((client, subscription), to: shard.loop)
        }
        try await eventually { try await self.on(node) { _ in client.value.0.text } == "abc" }
        await node.stop()
    }

    @Test func `readers that lose pub sub in the middle of a message have its whole text`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let session = try await node.session()
        let clients = try await self.on(node) { shard in
            let clients = (0..<20).map { _ in DeltaClient() }
            let held = clients.map { ($0, shard.feed.subscribe($0, to: session.id, after: .start)) }
            return Confined(held, to: shard.loop)
        }
        let raw = try server.client()
        var whole = ""
        for number in 0..<400 {
            whole += "\(number) "
            try await self.publish(["\(number) "], node, session)
            if number % 97 == 50 { _ = try raw.send("CLIENT", "KILL", "TYPE", "pubsub") }
        }
        let expected = whole
        try await eventually {
            try await self.on(node) { _ in clients.value.allSatisfy { $0.0.text == expected } }
        }
        let inOrder = try await self.on(node) { _ in clients.value.allSatisfy { $0.0.indexes == Array(0..<400) } }
        #expect(inOrder)
        await node.stop()
    }
}
