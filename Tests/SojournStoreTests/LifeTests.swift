import SojournArchive
import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct LifeTests {
    @Test func `a conversation lives, is warned, renewed, expires and is archived`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, name: "a", archivePath: folder.file("a.sqlite"))
        let b = try await StoreNode.start(on: server, name: "b")
        let session = try await a.session(minutes: 10)
        let events = try await b.store.watch(session.id.text, after: .start)
        let reader = Task {
            var types: [String] = []
            for try await element in events {
                if case .event(let event) = element { types.append(event.type) }
            }
            return types
        }
        try await a.say("hello", in: session)
        try await a.store.advanceTestClock(milliseconds: 5 * 60_000 + 1000)
        try await eventually { try await b.store.session(session.id.text).head == 3 }
        #expect(try await b.store.session(session.id.text).phase == .expiring)
        let renewed = try await b.store.renew(session.id.text)
        #expect(renewed.phase == .active)
        #expect(renewed.renewalCount == 2)
        try await a.store.advanceTestClock(milliseconds: 11 * 60_000)
        let types = try await reader.value
        #expect(types.first == "session.created" && types.last == "session.expired")
        #expect(types.filter { $0 != "session.expiring" }.count == 4, "\(types)")
        for node in [a, b] {
            let error = await #expect(throws: StoreError.self) { try await node.store.session(session.id.text) }
            #expect(error?.code == .sessionExpired)
        }
        let archive = try #require(a.archive)
        try await eventually { try await archive.session(session.id.text) != nil }
        let page = try await archive.events(session.id.text, limit: 100)
        #expect(page.events.map(\.seq) == Array(1...page.events.count))
        await a.stop()
        await b.stop()
    }
}
