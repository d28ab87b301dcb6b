import Foundation
import Glibc
import SojournTesting
import Testing

@testable import SojournCommand

/// A node did not do what it was asked for; it may have been killed.
struct Unanswered: Error, CustomStringConvertible {
    let description: String
}

/// A node as a process of its own, with its output in files. It is killed, by number, with its owner.
final class NodeProcess {
    let name: String
    private let process: TestProcess
    private let base: String

    /// Starts `sojourn serve` on a free port, unless the arguments say another one.
    init(
        _ name: String, in folder: TemporaryFolder, _ arguments: [String], environment: [String: String] = [:]
    ) throws {
        self.name = name
        self.base = folder.file("\(name)-\(UInt32.random(in: 0 ... .max))")
        self.process = try TestProcess(
            TestProcess.built("sojourn"),
            ["serve", "--port", "0", "--node-name", name, "--loops", "1", "--drain-seconds", "5"]
                + arguments.map(Self.withLogin),
            environment: ["PATH": Environment.variables["PATH"] ?? ""].merging(environment) { $1 },
            folder: folder.path, output: self.base + ".out", errors: self.base + ".err")
    }

    /// The socket of a Redis with the user of a secure run, unless it says already who asks.
    private static func withLogin(_ argument: String) -> String {
        guard let login = SecureRun.login, argument.hasPrefix("unix:"), argument.hasSuffix("redis.sock") else {
            return argument
        }
        return argument + "?user=\(login.user)&password=\(login.password)"
    }

    var pid: pid_t { self.process.pid }
    var isRunning: Bool { self.process.isRunning }
    var output: String { File.text(self.base + ".out") ?? "" }
    var log: String { File.text(self.base + ".err") ?? "" }

    /// Whether it ended by SIGKILL.
    var wasKilled: Bool { self.process.ending == .killed(SIGKILL) }

    /// Whether it is paused by SIGSTOP (proc(5): the state follows the name in parentheses).
    var isPaused: Bool {
        File.text("/proc/\(self.pid)/stat")?.split(separator: ")").last?.hasPrefix(" T") == true
    }

    /// The port, once it listens.
    var port: Int? {
        self.output.split(separator: "\n").first { $0.contains("  listens  ") }
            .flatMap { $0.split(separator: ":").last }.flatMap { Int($0) }
    }

    /// Waits until it listens, or has ended.
    func up() async throws {
        try await eventually("\(self.name) is up") { self.output.contains("try:") || !self.isRunning }
        if !self.isRunning, !self.wasKilled { Issue.record("\(self.name) ended at its start: \(self.log)") }
    }

    /// Waits for its end and says how it ended.
    func exit() async throws -> TestProcess.Ending? {
        try await eventually("\(self.name) ends") { !self.isRunning }
        return self.process.ending
    }

    /// Ends it in good order and says how it ended.
    func stop() async throws -> TestProcess.Ending? {
        self.process.signal(SIGTERM)
        return try await self.exit()
    }

    func kill9() { self.process.kill9() }

    /// Has it read its files again.
    func hangUp() { self.process.signal(SIGHUP) }

    // MARK: Requests

    static let sessions = "/api/messaging/sessions"

    private func connect(_ deadline: Int = 10_000) throws -> RawHTTP {
        guard let port = self.port else { throw Unanswered(description: "\(self.name) does not listen") }
        return try RawHTTP(port: port, deadlineMilliseconds: deadline)
    }

    /// One request on a connection of its own.
    ///
    /// - Parameters:
    ///   - key: an idempotency key.
    ///   - deadline: milliseconds to wait for the answer.
    func ask(
        _ method: String, _ path: String, _ body: [String: Any]? = nil, key: String? = nil, deadline: Int = 10_000
    ) throws -> (status: Int, body: [String: Any]) {
        let client = try self.connect(deadline)
        let bytes = try body.map { Array(try JSONSerialization.data(withJSONObject: $0)) } ?? []
        let head =
            [
                "\(method) \(path) HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                "Content-Length: \(bytes.count)", "Connection: close",
            ] + (key.map { ["Idempotency-Key: \($0)"] } ?? [])
        try client.send(Array((head.joined(separator: "\r\n") + "\r\n\r\n").utf8) + bytes)
        let response = try client.readResponse()
        let object = try? JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any]
        return (response.status, object ?? [:])
    }

    /// Creates a session and returns its id.
    func create() throws -> String {
        let (status, body) = try self.ask(
            "POST", Self.sessions,
            [
                "agentId": "11111111-1111-4111-8111-111111111111", "userId": "22222222-2222-4222-8222-222222222222",
                "metadata": ["made": "on \(self.name)"],
            ])
        guard status == 201, let id = body["sessionId"] as? String else {
            throw Unanswered(description: "\(self.name) created nothing: \(status) \(body)")
        }
        return id
    }

    /// Sends a message; true when it was acknowledged.
    func say(_ text: String, in session: String) -> Bool {
        (try? self.ask("POST", "\(Self.sessions)/\(session)/messages", ["content": text]))?.status == 201
    }

    /// Moves the test clock.
    func advance(minutes: Int) throws {
        let (status, body) = try self.ask("POST", "/test/clock", ["advanceMs": minutes * 60_000])
        guard status == 200 else { throw Unanswered(description: "\(self.name): \(status) \(body)") }
    }
}
