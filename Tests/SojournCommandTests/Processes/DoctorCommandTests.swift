import Glibc
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournCommand

@Suite struct DoctorCommandTests {
    @Test func `the doctor looks at a node's own Redis, repairs it, and says so by its exit code`() async throws {
        let workspace = try Workspace()
        let node = try ProgramRun(["serve", "--port", "0", "--data", "data"], in: workspace)
        _ = try await node.port()
        func doctor(_ arguments: String...) async throws -> (code: TestProcess.Ending?, output: String) {
            let run = try ProgramRun(["doctor", "--data", "data"] + arguments, in: workspace)
            let code = try await run.exit()
            return (code, run.output + run.complaint)
        }
        let well = try await doctor()
        #expect(well.code == .exited(0), "\(well.output)")
        #expect(well.output.hasPrefix("unix:") && well.output.contains("appendfsync always"))
        #expect(well.output.contains("0 errors"))
        let redis = try RawRedis(.unix(path: workspace.data + "/redis/redis.sock"))
        try redis.send("SET", "sj:stray", "x")
        let ill = try await doctor()
        #expect(ill.code == .exited(1) && ill.output.contains("without an owner or a time to live: sj:stray"))
        #expect(ill.output.contains("→ --fix lets them lapse after a day"))
        let json = try await doctor("--json")
        let findings = try JSON.parse(Array(json.output.utf8))["findings"]?.array ?? []
        #expect(json.code == .exited(1) && findings.contains { $0["weight"] == "error" })
        let fixed = try await doctor("--fix")
        #expect(fixed.code == .exited(0) && fixed.output.contains("1 repaired"), "\(fixed.output)")
        #expect(try redis.send("PTTL", "sj:stray") != -1)
        #expect(try await doctor("--no-walk", "--strict").code != .exited(2))
        #expect(try await doctor("--rate", "x").code == .exited(64))
        #expect(try await doctor("--prot", "x").code == .exited(64))
        #expect(try await node.stop() == .exited(0))
        let away = try await doctor()
        #expect(away.code == .exited(1) && away.output.contains("does not answer"))
    }

    @Test func `while Redis does not answer the doctor says what it waits for`() async throws {
        let workspace = try Workspace()
        let run = try ProgramRun(["doctor", "--redis", "redis://127.0.0.1:1"], in: workspace)
        try await eventually(within: 30, "it says so before it ends") {
            run.isRunning && run.complaint.contains("examining redis://127.0.0.1:1/0: waiting for its answers")
        }
        #expect(run.output.isEmpty)
        run.signal(SIGKILL)
        _ = try await run.exit()
    }
}
