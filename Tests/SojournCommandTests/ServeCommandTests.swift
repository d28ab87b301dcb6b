import Foundation
import Glibc
import SojournCore
import Testing

@testable import SojournCommand

/// Runs the program itself, as a person would.
@Suite struct ServeCommandTests {
    /// A run of `sojourn` with its output in files.
    private final class Run {
        let process = Process()
        private let workspace: Workspace
        private let name: String

        init(_ arguments: [String], in workspace: Workspace, environment: [String: String] = [:]) throws {
            self.workspace = workspace
            self.name = "run-\(UInt32.random(in: 0 ... .max))"
            // The test bundle and the program are built into one folder.
            let bundle = try #require(File.target(ofLink: "/proc/self/exe"))
            self.process.executableURL = URL(fileURLWithPath: bundle).deletingLastPathComponent()
                .appendingPathComponent("sojourn")
            self.process.arguments = arguments
            self.process.currentDirectoryURL = URL(fileURLWithPath: workspace.path)
            self.process.environment = ["PATH": Environment.variables["PATH"] ?? ""].merging(environment) { $1 }
            self.process.standardInput = FileHandle.nullDevice
            for (stream, suffix) in [(\Process.standardOutput, "out"), (\Process.standardError, "err")] {
                let path = "\(workspace.path)/\(self.name).\(suffix)"
                _ = FileManager.default.createFile(atPath: path, contents: nil)
                self.process[keyPath: stream] = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            }
            try self.process.run()
        }

        deinit {
            guard self.process.isRunning else { return }
            kill(self.process.processIdentifier, SIGKILL)
            self.process.waitUntilExit()
        }

        var output: String { File.text("\(self.workspace.path)/\(self.name).out") ?? "" }
        var complaint: String { File.text("\(self.workspace.path)/\(self.name).err") ?? "" }

        func exit() async throws -> CInt {
            try await eventually("the program ends") { !self.process.isRunning }
            return self.process.terminationStatus
        }
    }

    @Test func `serve says where everything is and leaves nothing behind`() async throws {
        let workspace = try Workspace()
        let run = try Run(["serve", "--data", "data", "--port", "0"], in: workspace)
        try await eventually("it is up") { run.output.contains("archive") }
        #expect(run.output.contains("unix:\(workspace.data)/redis/redis.sock (private, appendfsync always)"))
        #expect(run.output.contains("\(workspace.data)/archive.sqlite"))
        #expect(workspace.server != nil)
        kill(run.process.processIdentifier, SIGTERM)
        #expect(try await run.exit() == 0)
        #expect(workspace.server == nil)
        #expect(run.complaint.contains("stopping: streams are told, requests finish\" signal=15"))
    }

    @Test func `a killed node leaves its Redis to the next one`() async throws {
        let workspace = try Workspace()
        let first = try Run(["serve", "--port", "0"], in: workspace, environment: ["SOJOURN_DATA": "data"])
        try await eventually("it is up") { first.output.contains("archive") }
        let server = try #require(workspace.server)
        kill(first.process.processIdentifier, SIGKILL)
        _ = try await first.exit()
        let second = try Run(["serve", "--data=data", "--port=0"], in: workspace)
        try await eventually("it is up") { second.output.contains("archive") }
        #expect(workspace.server == server)
        let third = try Run(["serve", "--data=data", "--port=0"], in: workspace)
        #expect(try await third.exit() == 1)
        #expect(third.complaint.hasPrefix("sojourn: another node (process \(second.process.processIdentifier)) uses"))
        kill(second.process.processIdentifier, SIGINT)
        #expect(try await second.exit() == 0)
        #expect(second.complaint.contains("adopted the private Redis of an earlier node"))
        #expect(workspace.server == nil)
    }

    @Test func `a second signal ends a node that does not come to an end`() async throws {
        let workspace = try Workspace()
        let run = try Run(["serve", "--data=data", "--port=0"], in: workspace)
        try await eventually("it is up") { run.output.contains("archive") }
        let server = try #require(workspace.server)
        // A stopped server does not obey SIGTERM, so the node waits for it.
        kill(server, SIGSTOP)
        kill(run.process.processIdentifier, SIGTERM)
        try await eventually("it heard the first signal") { run.complaint.contains("stopping: streams are told") }
        #expect(run.process.isRunning)
        kill(run.process.processIdentifier, SIGTERM)
        #expect(try await run.exit() == 128 + SIGTERM)
        #expect(workspace.server == server)
    }

    @Test func `a wrong setting stops the start with its sentence`() async throws {
        let workspace = try Workspace()
        let run = try Run(["serve"], in: workspace, environment: ["SOJOURN_PORT": "high"])
        #expect(try await run.exit() == 64)
        #expect(
            run.complaint == """
                sojourn: the setting port (from SOJOURN_PORT) is "high", but must be a whole number from 0 to 65535
                try: sojourn serve --help

                """)
        #expect(!FileManager.default.fileExists(atPath: workspace.path + "/sojourn-data"))
    }

    @Test func `without redis-server it says what to install`() async throws {
        let workspace = try Workspace()
        let run = try Run(["serve"], in: workspace, environment: ["PATH": workspace.path])
        #expect(try await run.exit() == 1)
        #expect(run.complaint.contains("redis-server is not installed (apt-get install redis-server)"))
    }

    @Test(
        arguments: [
            (["help"], 0, "usage: sojourn <command>", ""), (["--help"], 0, "usage: sojourn <command>", ""),
            (["serve", "--help"], 0, "--session-default-timeout-minutes NUMBER", ""),
            (["help", "serve"], 0, "also ELIZA_SERVER_AUTH_TOKEN", ""),
            (["help", "agent"], 0, "usage: sojourn agent echo", ""),
            (["help", "bench"], 0, "usage: sojourn bench", ""), (["version"], 0, "sojourn \(version)", ""),
            ([], 64, "", "usage: sojourn <command>"),
            (["sevre"], 64, "", "there is no command sevre; did you mean serve?"),
        ] as [([String], CInt, String, String)])
    func `the commands answer`(arguments: [String], status: CInt, output: String, complaint: String) async throws {
        let workspace = try Workspace()
        let run = try Run(arguments, in: workspace)
        #expect(try await run.exit() == status)
        #expect(output.isEmpty ? run.output.isEmpty : run.output.contains(output))
        #expect(complaint.isEmpty ? run.complaint.isEmpty : run.complaint.contains(complaint))
    }

    @Test func `a bench measures a node of its own and leaves nothing behind`() async throws {
        let workspace = try Workspace()
        let scenarios = ["heartbeat", "fan-out"]
        let run = try Run(
            ["bench"] + scenarios + [
                "--seconds", "0.3", "--rate", "100", "--sessions", "10", "--subscribers", "5", "--json", "-", "--quiet",
            ], in: workspace)
        #expect(try await run.exit() == 0, "\(run.complaint)")
        let reports = try run.output.split(separator: "\n").map { try JSON.parse(String($0)) }
        #expect(reports.map { $0["scenario"]?.string } == scenarios)
        for report in reports {
            #expect(report["fault"] == nil)
            #expect(report["errors"] == 0)
            #expect(report["lost"] == 0)
            #expect((report["p99Us"]?.int ?? 0) > 0)
        }
        #expect(reports[0]["operations"] == 30)
        #expect(reports[1]["deliveries"] == 150)
        #expect((reports[0]["redisScripts"]?.double ?? 0) >= 1)
    }
}
