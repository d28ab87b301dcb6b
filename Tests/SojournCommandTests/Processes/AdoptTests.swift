import Foundation
import Glibc
import SojournTesting
import Testing

/// An archivist is lost for good, and a person gives it up.
@Suite struct AdoptTests {
    private func node(
        _ name: String, _ server: RedisServer, _ folder: TemporaryFolder, archive: Bool = true, crash: String? = nil
    ) async throws -> NodeProcess {
        let node = try NodeProcess(
            name, in: folder,
            ["--redis", self.url(server), "--partitions", "16", "--archive-lease-seconds", "600", "--test-clock"]
                + (archive ? ["--archive", folder.file("\(name).sqlite")] : []),
            environment: crash.map { ["SOJOURN_CRASH_AT": $0] } ?? [:])
        try await node.up()
        return node
    }

    private func url(_ server: RedisServer) -> String { server.url }

    private func adopt(_ archivist: String, _ server: RedisServer, in workspace: Workspace) async throws -> ProgramRun {
        let run = try ProgramRun(
            ["archive", "adopt", "--from", archivist, "--redis", self.url(server), "--partitions", "16"],
            in: workspace)
        _ = try await run.exit()
        return run
    }

    @Test func `what a lost archivist had in hand goes to another, and what it had archived is told`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let (folder, workspace) = (TemporaryFolder(), try Workspace())
        // It archives three sessions, and dies with one claimed; nobody may wait for its leases of ten minutes.
        let lost = try await self.node("lost", server, folder, crash: "claimed:4")
        let c = try await self.node("c", server, folder, archive: false)
        let client = try server.client()
        let archived = try (0..<3).map { _ in try c.create() }
        for id in archived { #expect(try c.ask("DELETE", "\(NodeProcess.sessions)/\(id)").status == 200) }
        try await eventually(within: 60, "they are archived") {
            try client.send("KEYS", "sj:*:s:*") == .array([])
        }
        let claimed = try (0..<3).map { _ in try c.create() }
        for (place, id) in claimed.enumerated() {
            #expect(try c.ask("DELETE", "\(NodeProcess.sessions)/\(id)").status == 200)
            if place == 0 { try await eventually(within: 60, "it dies") { !lost.isRunning } }
        }
        let archivist = try #require(try client.send("HKEYS", "sj:archives").array.first?.string)
        // While it may live it is not given up, and neither without somebody to take over.
        let early = try await self.adopt(archivist, server, in: workspace)
        #expect(early.output.isEmpty && !early.complaint.isEmpty)
        let heir = try await self.node("heir", server, folder)
        try await eventually(within: 60, "it is missed") { try client.send("ZCARD", "sj:archivists") == 1 }
        let unknown = try await self.adopt("00000000000000ff", server, in: workspace)
        #expect(unknown.complaint.contains("known are") && unknown.complaint.contains(archivist))
        let away = "\(NodeProcess.sessions)/\(archived[0])?archived=1"
        #expect(try c.ask("GET", away).status == 503)
        let run = try await self.adopt(archivist, server, in: workspace)
        #expect(run.output.contains("archivist \(archivist) is given up"), "\(run.output) \(run.complaint)")
        for id in archived { #expect(run.output.contains(id)) }
        #expect(run.output.contains("transcripts that are lost     3"))
        try await eventually(within: 60, "the heir has archived the rest") {
            try client.send("KEYS", "sj:*:s:*") == .array([])
        }
        for id in claimed {
            #expect(try c.ask("GET", "\(NodeProcess.sessions)/\(id)?archived=1").status == 200)
        }
        let answer = try c.ask("GET", away)
        let error = answer.body["error"] as? [String: Any]
        #expect(answer.status == 404 && (error?["message"] as? String)?.contains("was lost with") == true)
        let again = try await self.adopt(archivist, server, in: workspace)
        #expect(again.complaint.contains("No archivist \(archivist) is known"))
        // The file turns up again: what it holds is served, and what others have taken it gives up.
        let back = try await self.node("lost", server, folder)
        try await eventually(within: 60, "it is served again") { try c.ask("GET", away).status == 200 }
        for node in [back, heir, c] { #expect(try await node.stop() == .exited(0)) }
        var served: [String: Int] = [:]
        for name in ["lost", "heir"] {
            let file = try TranscriptFile(folder.file("\(name).sqlite"))
            #expect(try file.sessions("prepared").isEmpty && file.sessions("quarantined").isEmpty)
            for (id, _, _) in try file.sessions("committed") { served[id, default: 0] += 1 }
        }
        #expect(served == Dictionary(uniqueKeysWithValues: (archived + claimed).map { ($0, 1) }))
    }

    @Test func `two archivists on one file are refused with a sentence`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let first = try await self.node("a", server, folder)
        let second = try NodeProcess(
            "b", in: folder,
            ["--redis", self.url(server), "--partitions", "16", "--archive", folder.file("a.sqlite")])
        #expect(try await second.exit() == .exited(1))
        #expect(second.log.contains("in use by process \(first.pid); an archive has one archivist"), "\(second.log)")
        #expect(try await first.stop() == .exited(0))
    }
}
