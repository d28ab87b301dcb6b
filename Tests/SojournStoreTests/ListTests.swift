import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct ListTests {
    private static let users = (1...3).map { "2222222\($0)-2222-4222-8222-222222222222" }
    private static let agents = (1...2).map { "1111111\($0)-1111-4111-8111-111111111111" }

    @Test func `five hundred sessions are listed once each, newest first, whatever the page size`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let made = try await node.shard { shard in
            var made: [Session] = []
            await shard.concurrently(0..<500) { number in
                let request = SessionRequest(agentID: Self.agents[number % 2], userID: Self.users[number % 3])
                if let created = try? await shard.create(request) { made.append(created.session) }
            }
            return made
        }
        try #require(made.count == 500)
        // Many share a millisecond; the id decides between them.
        #expect(Set(made.map(\.createdAt)).count < 400)
        let order = made.sorted { ($0.createdAt, $0.id.text) > ($1.createdAt, $1.id.text) }
        for limit in [1, 7, 50, 499, 500, 1000] {
            let (ids, pages) = try await Self.walk(node, limit: limit)
            #expect(ids == order.map(\.id.text))
            #expect(pages == (500 + limit - 1) / limit)
        }
        let agent = order.filter { $0.agentID == Self.agents[0] }.map(\.id.text)
        #expect(try await Self.walk(node, agentID: Self.agents[0], limit: 7).ids == agent)
        let user = order.filter { $0.userID == Self.users[1] }.map(\.id.text)
        #expect(try await Self.walk(node, userID: Self.users[1], limit: 7).ids == user)
        let both = order.filter { $0.agentID == Self.agents[1] && $0.userID == Self.users[2] }.map(\.id.text)
        #expect(try await Self.walk(node, agentID: Self.agents[1], userID: Self.users[2], limit: 50).ids == both)
        #expect(try await Self.walk(node, status: .idle, limit: 50).ids == order.map(\.id.text))
        #expect(try await Self.walk(node, status: .running, limit: 50).ids.isEmpty)
        let page = try await node.store.list(limit: 10)
        #expect(page.total == 500 && page.counts.live == 500 && page.counts.ended == 0)
        #expect(try await node.store.list(agentID: Self.agents[0], limit: 10).total == 250)
        #expect(try await node.store.list(userID: Self.users[0], limit: 10).total == 167)
        #expect(try await node.store.list(agentID: Self.users[0]).sessions.isEmpty)
        for (number, session) in order.enumerated() where number % 4 == 0 { try await node.store.end(session.id.text) }
        let left = order.enumerated().filter { $0.offset % 4 != 0 }.map(\.element.id.text)
        #expect(try await Self.walk(node, limit: 7).ids == left)
        let counts = try await node.store.list(limit: 1).counts
        #expect(counts.live == 375 && counts.ended == 125)
        await node.stop()
    }

    @Test func `sessions that come and go meanwhile neither hide nor repeat the others`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        var kept: Set<String> = []
        var doomed: [String] = []
        for number in 0..<60 {
            let session = try await node.session()
            if number % 3 == 0 { doomed.append(session.id.text) } else { kept.insert(session.id.text) }
        }
        var seen: [String] = []
        var cursor: String?
        repeat {
            let page = try await node.store.list(limit: 7, cursor: cursor)
            seen += page.sessions.map(\.id.text)
            cursor = page.nextCursor
            if let id = doomed.popLast() { try await node.store.end(id) }
            _ = try await node.session()
        } while cursor != nil
        #expect(Set(seen).count == seen.count)
        #expect(kept.isSubset(of: seen))
        await node.stop()
    }

    @Test(arguments: ["", "x", "12", "12.", "a.b", "1795220673178.not-an-id", ".", "12.34.56"])
    func `a cursor of something else is refused`(cursor: String) async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let error = await #expect(throws: StoreError.self) { try await node.store.list(cursor: cursor) }
        #expect(error?.code == .validation)
        await node.stop()
    }

    private static func walk(
        _ node: StoreNode, agentID: String? = nil, userID: String? = nil, status: SessionStatus? = nil, limit: Int
    ) async throws -> (ids: [String], pages: Int) {
        var ids: [String] = []
        var cursor: String?
        var pages = 0
        repeat {
            let page = try await node.store.list(
                agentID: agentID, userID: userID, status: status, limit: limit, cursor: cursor)
            ids += page.sessions.map(\.id.text)
            cursor = page.nextCursor
            pages += 1
        } while cursor != nil && pages < 1000
        return (ids, pages)
    }
}
