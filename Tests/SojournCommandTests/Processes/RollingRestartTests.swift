import Foundation
import SojournTesting
import Testing

@testable import SojournCommand

/// Three nodes are stopped and started one after the other, as a rollout does, and clients hardly notice.
@Suite struct RollingRestartTests {
    @Test func `while three nodes are restarted in turn no request fails, and streams go on without a gap`()
        async throws
    {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let ports = (0..<3).map { _ in TestListener.freePort() }
        func node(_ place: Int) async throws -> NodeProcess {
            let node = try NodeProcess(
                "n\(place)", in: folder,
                ["--redis", server.url, "--partitions", "16", "--port", "\(ports[place])"])
            try await node.up()
            return node
        }
        var nodes: [NodeProcess] = []
        for place in 0..<3 { nodes.append(try await node(place)) }
        let sessions = try (0..<6).map { try nodes[$0 % 3].create() }
        let clients = sessions.map { _ in RollingClient(ports: ports) }
        let readers = sessions.map { _ in RollingReader() }
        let reading = zip(sessions, readers).enumerated().map { place, pair in
            pair.1.start(pair.0, ports: ports, at: place)
        }
        let writing = clients.enumerated().map { place, client in
            client.start("client \(place)", in: sessions[place], keepsConnections: place % 2 == 0)
        }
        func goOn() async throws {
            let before = clients.map { $0.seen.acknowledged.count }
            try await eventually(within: 60, "every client gets on") {
                zip(clients, before).allSatisfy { $0.seen.acknowledged.count > $1 + 10 }
            }
        }
        try await goOn()
        for place in [0, 1, 2, 0, 1, 2] {
            #expect(try await nodes[place].stop() == .exited(0))
            try await goOn()
            nodes[place] = try await node(place)
            try await goOn()
        }
        for client in clients { client.end() }
        for work in writing { try await work.finish(within: 60) }
        let (all, path) = (clients.map(\.seen), NodeProcess.sessions)
        for seen in all { #expect(seen.failed.isEmpty, "\(seen.failed.prefix(3))") }
        for (place, session) in sessions.enumerated() {
            let head = all[place].acknowledged.count + 1
            #expect(try nodes[0].ask("GET", "\(path)/\(session)").body["version"] as? Int == head)
            readers[place].finish(at: head + 1)
            // Those who have everything wait for an event.
            #expect(nodes[place % 3].say("the end", in: session))
        }
        for work in reading { try await work.finish(within: 60) }
        for (place, reader) in readers.enumerated() {
            let seen = reader.seen
            #expect(seen.seqs == Array(1...all[place].acknowledged.count + 2))
            #expect(!seen.types.contains("stream.gap"))
        }
        func sum(_ value: (RollingClient.Seen) -> Int) -> Int { all.reduce(0) { $0 + value($1) } }
        #expect(sum(\.refused) > 0, "no client met a node that was down")
        print(
            """
            six restarts: \(sum(\.acknowledged.count)) messages acknowledged, \(sum(\.refused)) connections refused, \
            \(sum(\.cut)) cut before an answer, \(sum(\.failed.count)) requests failed; \
            \(readers.count) streams over \(readers.reduce(0) { $0 + $1.visits }) connections
            """)
        for node in nodes { #expect(try await node.stop() == .exited(0)) }
    }
}
