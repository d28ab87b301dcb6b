import Foundation
import SojournTesting
import Testing

@testable import SojournCommand

/// Clients come and go as they do in the world, nodes are killed, and nobody misses or repeats an event.
@Suite struct ReconnectStormTests {
    /// How many messages are written; `SOJOURN_STORM_EVENTS` asks for more.
    private var messages: Int { Environment.variables["SOJOURN_STORM_EVENTS"].flatMap { Int($0) } ?? 3000 }

    @Test(arguments: StormTransport.allCases)
    func `500 disconnects and killed nodes lose nothing, double nothing and keep the order`(
        transport: StormTransport
    ) async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let fleet = try await Fleet(4, on: server)
        defer { fleet.stop() }
        let session = try fleet[0].create()
        let readers = (0..<8).map { _ in StormReader() }
        let writers = (0..<3).map { _ in StormWriter() }
        let messages = self.messages
        // Few enough events a visit that 500 of them happen before the log is read.
        let visit = messages * readers.count / 300
        var work = readers.map { $0.start(transport, session, on: fleet.ports, visit: visit) }
        let writing = writers.enumerated().map {
            $1.start("writer \($0)", messages / writers.count, in: session, on: fleet.ports)
        }
        var kills = 0
        while kills < 6 || writers.contains(where: { $0.acknowledged < messages / writers.count }) {
            try await fleet.kill(Int.random(in: 0..<4))
            kills += 1
        }
        for task in writing { try await task.finish(within: 120) }
        let path = "\(NodeProcess.sessions)/\(session)"
        let head = try #require(try fleet[0].ask("GET", path).body["version"] as? Int) + 1
        let control = StormReader()
        for reader in readers + [control] { reader.finish(at: head) }
        // Those who have everything wait for an event.
        #expect(fleet[0].say("the end", in: session))
        work.append(control.start(transport, session, on: fleet.ports, visit: head + 10))
        for task in work { try await task.finish(within: 120) }
        let all = readers.map(\.seen)
        #expect(head > messages)
        for seen in all + [control.seen] {
            #expect(seen.faults.isEmpty, "\(seen.faults.prefix(3))")
            #expect(seen.last == head && seen.hashes.count == head)
            #expect(seen.hashes == control.seen.hashes, "the same bytes for all")
        }
        func sum(_ count: KeyPath<StormReader.Seen, Int>) -> Int { all.reduce(0) { $0 + $1[keyPath: count] } }
        #expect(sum(\.closed) + sum(\.reset) + sum(\.lost) >= 500)
        print(
            """
            \(transport.rawValue): \(head) events, \(sum(\.deliveries)) deliveries, \(sum(\.closed)) orderly and \
            \(sum(\.reset)) hard disconnects, \(kills) nodes killed under \(sum(\.lost)) connections
            """)
    }
}
