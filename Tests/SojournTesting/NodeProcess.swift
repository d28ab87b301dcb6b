import Foundation
public import Glibc

/// A node did not do what it was asked for; it may have been killed.
public struct Unanswered: Error, CustomStringConvertible {
    /// What it was asked for, and what came instead.
    public let description: String
    /// The status of its answer; nil when there was none.
    public let status: Int?

    /// Says what did not happen.
    public init(description: String, status: Int? = nil) {
        self.description = description
        self.status = status
    }
}

/// A node as a process of its own, with its output in files. It is killed, by number, with its owner.
public final class NodeProcess: Sendable {
    /// What it calls itself.
    public let name: String
    private let process: TestProcess
    private let base: String

    /// Starts `sojourn serve` on a free port, unless the arguments say another one.
    public init(
        _ name: String, in folder: TemporaryFolder, _ arguments: [String], environment: [String: String] = [:]
    ) throws {
        self.name = name
        self.base = folder.file("\(name)-\(UInt32.random(in: 0 ... .max))")
        self.process = try TestProcess(
            TestProcess.built("sojourn"),
            ["serve", "--port", "0", "--node-name", name, "--loops", "1", "--drain-seconds", "5"]
                + arguments.map(Self.withLogin),
            environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? ""].merging(environment) { $1 },
            folder: folder.path, output: self.base + ".out", errors: self.base + ".err")
    }

    /// The socket of a Redis with the user of a secure run, unless it says already who asks.
    private static func withLogin(_ argument: String) -> String {
        guard let login = SecureRun.login, argument.hasPrefix("unix:"), argument.hasSuffix("redis.sock") else {
            return argument
        }
        return argument + "?user=\(login.user)&password=\(login.password)"
    }

    /// Its process id.
    public var pid: pid_t { self.process.pid }
    /// Whether it still runs.
    public var isRunning: Bool { self.process.isRunning }
    /// What it has said on its standard output.
    public var output: String { Self.text(self.base + ".out") }
    /// What it has logged.
    public var log: String { Self.text(self.base + ".err") }

    private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

    /// How it ended; nil while it runs.
    public var ending: TestProcess.Ending? { self.process.ending }

    /// Whether it ended by SIGKILL.
    public var wasKilled: Bool { self.process.ending == .killed(SIGKILL) }

    /// Whether it is paused by SIGSTOP (proc(5): the state follows the name in parentheses).
    public var isPaused: Bool {
        Self.text("/proc/\(self.pid)/stat").split(separator: ")").last?.hasPrefix(" T") == true
    }

    /// The port, once it listens.
    public var port: Int? {
        self.output.split(separator: "\n").first { $0.contains("  listens  ") }
            .flatMap { $0.split(separator: ":").last }.flatMap { Int($0) }
    }

    /// Waits until it listens, or was killed.
    public func up() async throws {
        try await eventually("\(self.name) is up") { self.output.contains("try:") || !self.isRunning }
        if !self.isRunning, !self.wasKilled {
            throw Unanswered(description: "\(self.name) ended at its start: \(self.log)")
        }
    }

    /// Waits for its end and says how it ended.
    public func exit() async throws -> TestProcess.Ending? {
        try await eventually("\(self.name) ends") { !self.isRunning }
        return self.process.ending
    }

    /// Ends it in good order and says how it ended.
    public func stop() async throws -> TestProcess.Ending? {
        self.process.signal(SIGTERM)
        return try await self.exit()
    }

    /// Ends it as a crash would, without waiting for its end.
    public func kill9() { self.process.kill9() }

    /// Has it read its files again.
    public func hangUp() { self.process.signal(SIGHUP) }

    /// Sends it a signal, such as SIGSTOP.
    public func signal(_ number: CInt) { self.process.signal(number) }

    // MARK: Requests

    /// The base of the sessions' routes.
    public static let sessions = "/api/messaging/sessions"

    /// One request on a connection of its own.
    ///
    /// - Parameters:
    ///   - key: an idempotency key.
    ///   - deadline: milliseconds to wait for the answer.
    public func ask(
        _ method: String, _ path: String, _ body: [String: Any]? = nil, key: String? = nil, deadline: Int = 10_000
    ) throws -> (status: Int, body: [String: Any]) {
        guard let port = self.port else { throw Unanswered(description: "\(self.name) does not listen") }
        return try RawHTTP.ask(port: port, method, path, body, key: key, deadline: deadline)
    }

    /// Creates a session and returns its id.
    public func create() throws -> String {
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
    public func say(_ text: String, in session: String) -> Bool {
        (try? self.ask("POST", "\(Self.sessions)/\(session)/messages", ["content": text]))?.status == 201
    }

    /// Moves the test clock.
    public func advance(minutes: Int) throws {
        let (status, body) = try self.ask("POST", "/test/clock", ["advanceMs": minutes * 60_000])
        guard status == 200 else { throw Unanswered(description: "\(self.name): \(status) \(body)") }
    }
}
