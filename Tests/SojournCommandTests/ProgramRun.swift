import Glibc
import SojournTesting

@testable import SojournCommand

/// A run of `sojourn` itself, as a person would, with its output in files. It is killed with its owner.
final class ProgramRun {
    private let process: TestProcess
    private let base: String

    init(_ arguments: [String], in workspace: Workspace, environment: [String: String] = [:]) throws {
        self.base = "\(workspace.path)/run-\(UInt32.random(in: 0 ... .max))"
        self.process = try TestProcess(
            TestProcess.built("sojourn"), arguments,
            environment: ["PATH": Environment.variables["PATH"] ?? ""].merging(environment) { $1 },
            folder: workspace.path, output: self.base + ".out", errors: self.base + ".err")
    }

    var pid: pid_t { self.process.pid }
    var isRunning: Bool { self.process.isRunning }
    var output: String { File.text(self.base + ".out") ?? "" }
    var complaint: String { File.text(self.base + ".err") ?? "" }

    /// The port of a node, once it is up.
    func port() async throws -> Int {
        try await eventually("the node is up") { self.output.contains("try:") }
        let line = self.output.split(separator: "\n").first { $0.contains("listens") }
        guard let port = line?.split(separator: ":").last.flatMap({ Int($0) }) else {
            throw NotInTime(description: "no port in: \(self.output)")
        }
        return port
    }

    func signal(_ number: CInt) { self.process.signal(number) }

    /// Waits for its end and says how it ended.
    func exit() async throws -> TestProcess.Ending? {
        try await eventually("the program ends") { !self.process.isRunning }
        return self.process.ending
    }

    /// Tells it to stop, and says how it ended.
    func stop() async throws -> TestProcess.Ending? {
        self.signal(SIGTERM)
        return try await self.exit()
    }
}
