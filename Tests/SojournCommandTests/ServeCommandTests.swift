import Foundation
import Glibc
import SojournCore
import SojournTesting
import Testing

@testable import SojournCommand

/// Runs the program itself, as a person would.
@Suite struct ServeCommandTests {
    @Test func `serve says where everything is and leaves nothing behind`() async throws {
        let workspace = try Workspace()
        let run = try ProgramRun(["serve", "--data", "data", "--port", "0"], in: workspace)
        try await eventually("it is up") { run.output.contains("archive") }
        #expect(run.output.contains("unix:\(workspace.data)/redis/redis.sock (private, appendfsync always)"))
        #expect(run.output.contains("\(workspace.data)/archive.sqlite"))
        #expect(workspace.server != nil)
        run.signal(SIGTERM)
        #expect(try await run.exit() == .exited(0))
        #expect(workspace.server == nil)
        #expect(run.complaint.contains("stopping: streams are told, requests finish\" signal=15"))
    }

    @Test func `a killed node leaves its Redis to the next one`() async throws {
        let workspace = try Workspace()
        let first = try ProgramRun(["serve", "--port", "0"], in: workspace, environment: ["SOJOURN_DATA": "data"])
        try await eventually("it is up") { first.output.contains("archive") }
        let server = try #require(workspace.server)
        first.signal(SIGKILL)
        _ = try await first.exit()
        let second = try ProgramRun(["serve", "--data=data", "--port=0"], in: workspace)
        try await eventually("it is up") { second.output.contains("archive") }
        #expect(workspace.server == server)
        let third = try ProgramRun(["serve", "--data=data", "--port=0"], in: workspace)
        #expect(try await third.exit() == .exited(1))
        #expect(third.complaint.hasPrefix("sojourn: another node (process \(second.pid)) uses"))
        second.signal(SIGINT)
        #expect(try await second.exit() == .exited(0))
        #expect(second.complaint.contains("adopted the private Redis of an earlier node"))
        #expect(workspace.server == nil)
    }

    @Test func `a second signal ends a node that does not come to an end`() async throws {
        let workspace = try Workspace()
        let run = try ProgramRun(["serve", "--data=data", "--port=0"], in: workspace)
        try await eventually("it is up") { run.output.contains("archive") }
        let server = try #require(workspace.server)
        // A stopped server does not obey SIGTERM, so the node waits for it.
        kill(server, SIGSTOP)
        run.signal(SIGTERM)
        try await eventually("it heard the first signal") { run.complaint.contains("stopping: streams are told") }
        #expect(run.isRunning)
        run.signal(SIGTERM)
        #expect(try await run.exit() == .exited(128 + SIGTERM))
        #expect(workspace.server == server)
    }

    @Test func `a wrong setting stops the start with its sentence`() async throws {
        let workspace = try Workspace()
        let run = try ProgramRun(["serve"], in: workspace, environment: ["SOJOURN_PORT": "high"])
        #expect(try await run.exit() == .exited(64))
        #expect(
            run.complaint == """
                sojourn: the setting port (from SOJOURN_PORT) is "high", but must be a whole number from 0 to 65535
                try: sojourn serve --help

                """)
        #expect(!FileManager.default.fileExists(atPath: workspace.path + "/sojourn-data"))
    }

    @Test func `a certificate that cannot be read is told so, with the reason`() async throws {
        let workspace = try Workspace()
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        for (arguments, sentence) in [
            (["--tls-cert", "nope"], "the certificate nope cannot be read: No such file or directory"),
            (
                ["--tls-cert", "/dev/null", "--tls-key", "gone"],
                "the private key gone cannot be read: No such file or directory"
            ),
        ] {
            let run = try ProgramRun(
                ["serve", "--port", "0", "--redis", "unix:\(redis.folder.file("redis.sock"))"] + arguments,
                in: workspace)
            #expect(try await run.exit() == .exited(1))
            #expect(run.complaint.contains(sentence), "\(run.complaint)")
        }
    }

    @Test func `the first line to try asks for a key where one is needed`() {
        #expect(!Node.firstLine(needsKey: false).contains("X-API-KEY"))
        #expect(Node.firstLine(needsKey: true).contains(#" -H "X-API-KEY: $KEY" \"#))
        var settings = ServeSettings()
        #expect(!settings.needsKey)
        settings.apiKeyFile = "keys"
        #expect(settings.needsKey)
    }

    @Test func `without redis-server it says what to install`() async throws {
        let workspace = try Workspace()
        let run = try ProgramRun(["serve"], in: workspace, environment: ["PATH": workspace.path])
        #expect(try await run.exit() == .exited(1))
        #expect(run.complaint.contains("redis-server is not installed (apt-get install redis-server)"))
    }

    @Test(
        arguments: [
            (["help"], 0, "usage: sojourn <command>", ""), (["--help"], 0, "usage: sojourn <command>", ""),
            (["serve", "--help"], 0, "--session-default-timeout-minutes NUMBER", ""),
            (["help", "serve"], 0, "also ELIZA_SERVER_AUTH_TOKEN", ""),
            (["help", "agent"], 0, "usage: sojourn agent echo", ""),
            (["key", "--help"], 0, "usage: sojourn key NAME ROLE", ""),
            (["key"], 64, "", "usage: sojourn key NAME ROLE"),
            (["config", "--help"], 0, "usage: sojourn config show", ""),
            (["config", "show", "-h"], 0, "usage: sojourn config show", ""),
            (["config"], 64, "", "usage: sojourn config show"), (["help", "key"], 0, "usage: sojourn key NAME", ""),
            (["help", "archive"], 0, "usage: sojourn archive", ""),
            (["help", "bench"], 0, "usage: sojourn bench", ""), (["version"], 0, "sojourn \(version)", ""),
            ([], 64, "", "usage: sojourn <command>"),
            (["sevre"], 64, "", "there is no command sevre; did you mean serve?"),
        ] as [([String], CInt, String, String)])
    func `the commands answer`(arguments: [String], status: CInt, output: String, complaint: String) async throws {
        let workspace = try Workspace()
        let run = try ProgramRun(arguments, in: workspace)
        #expect(try await run.exit() == .exited(status))
        #expect(output.isEmpty ? run.output.isEmpty : run.output.contains(output))
        #expect(complaint.isEmpty ? run.complaint.isEmpty : run.complaint.contains(complaint))
    }

    @Test func `a bench measures a node of its own and leaves nothing behind`() async throws {
        let workspace = try Workspace()
        let scenarios = ["heartbeat", "fan-out"]
        let run = try ProgramRun(
            ["bench"] + scenarios + [
                "--seconds", "0.3", "--rate", "100", "--sessions", "10", "--subscribers", "5", "--json", "-", "--quiet",
            ], in: workspace)
        #expect(try await run.exit() == .exited(0), "\(run.complaint)")
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
