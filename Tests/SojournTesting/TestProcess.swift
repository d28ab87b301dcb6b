import CSojournSystem
import Glibc
import SojournLoop

/// A program that a test runs. It is killed, by number, with its owner, and also when this process crashes.
///
/// Foundation's `Process` is not used: started from several threads it crashes, and its wait can spin for ever.
public final class TestProcess: Sendable {
    /// How a program ended.
    public enum Ending: Equatable, Sendable {
        case exited(Int32)
        case killed(Int32)
    }

    /// The program could not be started.
    public struct NotStarted: Error, CustomStringConvertible {
        /// Which program, and why.
        public let description: String
    }

    /// Its process id.
    public let pid: Int32
    private let seen = Locked<Ending?>(nil)

    /// Starts a program, found on PATH, in a session of its own and without descriptors of this process.
    ///
    /// - Parameters:
    ///   - environment: its variables; nil for those of this process.
    ///   - folder: its working folder; nil for that of this process.
    ///   - input: the file that is its standard input.
    ///   - output: the file for its standard output; written anew.
    ///   - errors: the file for its standard error; nil for the same as `output`.
    public init(
        _ program: String, _ arguments: [String] = [], environment: [String: String]? = nil, folder: String? = nil,
        input: String = "/dev/null", output: String = "/dev/null", errors: String? = nil
    ) throws {
        let input = open(input, O_RDONLY | O_CLOEXEC)
        let output = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        let errors = errors.map { open($0, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600) } ?? dup(output)
        defer { for file in [input, output, errors] { close(file) } }
        self.pid = try Self.spawn(
            program, arguments, environment: environment, folder: folder, input: input, output: output, errors: errors)
        ChildGuard.shared.watch(self.pid)
    }

    deinit {
        self.kill9()
        _ = self.wait()
    }

    /// Whether it still runs.
    public var isRunning: Bool { self.ending == nil }

    /// How it ended; nil while it runs.
    public var ending: Ending? { self.reap(WNOHANG) }

    /// Waits for its end.
    @discardableResult public func wait() -> Ending {
        while true {
            if let ending = self.reap(0) { return ending }
        }
    }

    /// Sends it a signal, if it still runs.
    public func signal(_ number: CInt) {
        self.seen.withLock { if $0 == nil { _ = kill(self.pid, number) } }
    }

    /// Ends it as a crash would, without waiting for its end.
    public func kill9() { self.signal(SIGKILL) }

    private func reap(_ options: CInt) -> Ending? {
        self.seen.withLock { seen in
            if let seen { return seen }
            var status: CInt = 0
            guard waitpid(self.pid, &status, options) == self.pid else { return nil }
            let signal = status & 0x7F
            seen = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal)
            ChildGuard.shared.forget(self.pid)
            return seen
        }
    }

    /// A program of this package: it is built into the folder of the test bundle, unless `SOJOURN_TEST_PROGRAMS` names the
    /// folder of another build.
    public static func built(_ name: String) -> String {
        if let folder = getenv("SOJOURN_TEST_PROGRAMS") { return "\(String(cString: folder))/\(name)" }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        precondition(count > 0, "/proc/self/exe: errno \(errno)")
        let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return path.prefix(through: path.lastIndex(of: "/") ?? path.startIndex) + name
    }

    /// Runs a program to its end; true when it exited with 0.
    public static func succeeds(_ program: String, _ arguments: String...) -> Bool {
        (try? TestProcess(program, arguments))?.wait() == .exited(0)
    }

    fileprivate static func spawn(
        _ program: String, _ arguments: [String], environment: [String: String]?, folder: String?, input: CInt,
        output: CInt, errors: CInt
    ) throws -> pid_t {
        let variables = environment.map { $0.map { "\($0.key)=\($0.value)" } }
        var arguments = ([program] + arguments).map { strdup($0) } + [nil]
        var settings = (variables ?? []).map { strdup($0) } + [nil]
        defer { for pointer in arguments + settings { free(pointer) } }
        var pid: pid_t = 0
        let code = settings.withUnsafeMutableBufferPointer { settings in
            sojourn_spawn(
                &pid, program, &arguments, variables == nil ? environ : settings.baseAddress, folder, input, output,
                errors)
        }
        guard code == 0 else {
            throw NotStarted(description: "\(program) did not start: \(String(cString: strerror(code)))")
        }
        return pid
    }
}

/// A shell that kills the programs of this process once this process is gone, however it ended.
private final class ChildGuard: Sendable {
    static let shared = ChildGuard()

    private static let script = """
        all=
        while read -r sign pid; do
            rest=
            for one in $all; do [ "$one" = "$pid" ] || rest="$rest $one"; done
            all=$rest
            [ "$sign" = - ] || all="$all $pid"
        done
        [ -z "$all" ] || kill -9 $all
        """

    /// Closed by the kernel when this process ends: no child inherits it, as each closes what is above 2.
    private let pipe: CInt

    private init() {
        var ends: [CInt] = [0, 0]
        precondition(sojourn_pipe(&ends) == 0, "pipe: errno \(errno)")
        self.pipe = ends[1]
        let started = try? TestProcess.spawn(
            "/bin/sh", ["-c", Self.script], environment: nil, folder: nil, input: ends[0], output: 1, errors: 2)
        precondition(started != nil, "no /bin/sh")
        close(ends[0])
    }

    func watch(_ pid: pid_t) { self.say("+ \(pid)\n") }
    func forget(_ pid: pid_t) { self.say("- \(pid)\n") }

    /// One write of fewer than `PIPE_BUF` bytes is not mixed with others (POSIX write).
    private func say(_ line: String) {
        let bytes = Array(line.utf8)
        precondition(write(self.pipe, bytes, bytes.count) == bytes.count, "the guard of the children is gone")
    }
}
