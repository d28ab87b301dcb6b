import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

/// Epochs over a real restart: the server reads its file again and has a new replication id.
@Suite struct RestartEpochTests {
    @Test func `what is appended after a restart belongs to a new branch, and no event is lost`() async throws {
        let server = try await RedisServer.start(["--appendfsync", "always"])
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let session = try await node.session()
        try await node.say("one", in: session)
        try await server.restart()
        try await eventually("the node is back") { (try? await node.store.session(session.id.text)) != nil }
        let cursor = try await node.say("two", in: session).cursor
        #expect(cursor.epoch?.hasSuffix(".2") == true && cursor.seq == 3, "\(cursor) after \(session.epoch)")
        let page = try await node.store.events(of: session.id.text)
        #expect(page.events.map(\.seq) == [1, 2, 3])
        #expect(page.events.map(\.epoch) == [session.epoch, session.epoch, cursor.epoch])
        await node.stop()
    }

    @Test func `a message that waited for the restart belongs to the new branch, too`() async throws {
        let server = try await RedisServer.start(["--appendfsync", "always"])
        defer { server.stop() }
        let node = try await StoreNode.start(on: server)
        let session = try await node.session()
        server.stop()
        let waiting = Task { try await node.say("one", in: session) }
        try await server.restart()
        // A write that fails says so; what is asked here is where one lands that was carried out.
        if let cursor = try? await waiting.value.cursor {
            withKnownIssue("its hint was read before it waited, so the script sees no change", isIntermittent: true) {
                #expect(cursor.epoch?.hasSuffix(".2") == true, "\(cursor) after \(session.epoch)")
            }
        }
        #expect(try await node.store.session(session.id.text).head <= 2)
        await node.stop()
    }
}
