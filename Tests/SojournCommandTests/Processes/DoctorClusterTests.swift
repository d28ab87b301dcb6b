import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournCommand

/// `sojourn doctor` and a real cluster.
@Suite struct DoctorClusterTests {
    private let workspace: Workspace
    private let folder = TemporaryFolder()

    init() throws { self.workspace = try Workspace() }

    private func doctor(_ url: String, _ arguments: String...) async throws -> (code: TestProcess.Ending?, text: String)
    {
        let run = try ProgramRun(["doctor", "--redis", url] + arguments, in: self.workspace)
        let code = try await run.exit()
        return (code, run.output + run.complaint)
    }

    /// A key that belongs to a master and to nobody else.
    private func stray(on place: Int, of bed: ClusterBed) -> String {
        let share = PartitionTags.slots / bed.masterCount
        let number = (0...).first { ClusterSlot.of("sj:stray-\($0)") / share == place } ?? 0
        return "sj:stray-\(number)"
    }

    @Test func `the doctor looks at every master, repairs on each, and says when one is away`() async throws {
        let bed = try await ClusterBed.start(masters: 3)
        defer { bed.stop() }
        let url = "redis+cluster://" + bed.endpoints.map { "\($0)" }.joined(separator: ",")
        let node = try NodeProcess("n", in: self.folder, ["--redis", url, "--archive", "none"])
        try await node.up()
        for _ in 0..<30 { #expect(node.say("hello", in: try node.create())) }
        let well = try await self.doctor(url)
        #expect(well.code == .exited(0) && well.text.contains("0 errors"), "\(well.text)")
        #expect(well.text.contains("partitions on the masters: "))
        #expect(well.text.contains("nodes that run: 1, n"))
        for endpoint in bed.endpoints { #expect(well.text.contains("\(endpoint)"), "\(endpoint): \(well.text)") }
        // Something is wrong on each of them.
        let strays = (0..<3).map { self.stray(on: $0, of: bed) }
        for (server, key) in zip(bed.servers, strays) { #expect(try server.client().send("SET", key, "x") == "OK") }
        let ill = try await self.doctor(url)
        #expect(ill.code == .exited(1), "\(ill.text)")
        for key in strays { #expect(ill.text.contains(key), "\(ill.text)") }
        let fixed = try await self.doctor(url, "--fix")
        #expect(fixed.code == .exited(0) && fixed.text.contains("repaired"), "\(fixed.text)")
        for (server, key) in zip(bed.servers, strays) { #expect(try server.client().send("PTTL", key) != -1) }
        #expect(try await self.doctor(url).code == .exited(0))
        // A cluster that does not hold all slots serves nobody, and that is what is said.
        bed.servers[2].kill9()
        try await eventually(within: 60, "the cluster is missed") {
            try bed.servers[0].client().send("CLUSTER", "INFO").string?.contains("cluster_state:fail") == true
        }
        let away = try await self.doctor(url)
        #expect(away.code == .exited(1), "\(away.text)")
        #expect(away.text.contains("1 error"), "\(away.text)")
        node.kill9()
    }
}
