import CSojournSystem
import Glibc

/// Starting and watching other programs.
enum ChildProcess {
    /// Why a program could not be started.
    struct SpawnError: Error {
        /// The errno of posix_spawn; ENOENT when there is no such program.
        let code: CInt
    }

    /// How a child ended, in words.
    enum Exit: CustomStringConvertible {
        case status(CInt)
        case signal(CInt)
        /// It was not a child of this process, which is told nothing.
        case unknown

        var description: String {
            switch self {
            case .status(let status): "exited with status \(status)"
            case .signal(let signal): "was killed by signal \(signal)"
            case .unknown: "is gone"
            }
        }
    }

    /// Starts a program, found on PATH, in a session of its own.
    ///
    /// Its own session, because Ctrl-C in a terminal goes to the whole foreground group, and a node still needs
    /// its Redis while it drains. It inherits no descriptor but the three standard ones: a listening socket
    /// that outlived the node in its child would swallow connections.
    /// - Parameters:
    ///   - folder: its working folder.
    ///   - output: where its standard output and error go.
    static func spawn(
        _ program: String, _ arguments: [String], environment: [String: String], folder: String = "/", output: CInt
    ) throws(SpawnError) -> pid_t {
        var process: pid_t = 0
        let variables = environment.map { "\($0.key)=\($0.value)" }
        let code = unsafe self.withCStrings([program] + arguments) { arguments in
            unsafe self.withCStrings(variables) { variables in
                unsafe sojourn_spawn(&process, program, arguments, variables, folder, -1, output, output)
            }
        }
        guard code == 0 else { throw SpawnError(code: code) }
        return process
    }

    /// Runs a program to its end and returns what it wrote.
    static func output(of program: String, _ arguments: [String], environment: [String: String]) throws(SpawnError)
        -> String
    {
        var pipe: [CInt] = [-1, -1]
        guard unsafe sojourn_pipe(&pipe) == 0 else { throw SpawnError(code: errno) }
        defer { close(pipe[0]) }
        let process: pid_t
        do {
            defer { close(pipe[1]) }
            process = try self.spawn(program, arguments, environment: environment, output: pipe[1])
        }
        let bytes = File.readAll(pipe[0]) ?? []
        while waitpid(process, nil, 0) < 0, errno == EINTR {}
        return String(decoding: bytes, as: UTF8.self)
    }

    /// How a process ended, or nil while it runs. What is no child of ours counts as running while its
    /// working folder is `folder`, so a stranger that got its number does not count.
    static func exit(of process: pid_t, workingIn folder: String) -> Exit? {
        var status: CInt = 0
        switch unsafe waitpid(process, &status, WNOHANG) {
        case 0: return nil
        case process:
            let signal = status & 0x7F
            return signal == 0 ? .status(status >> 8 & 0xFF) : .signal(signal)
        default: return File.target(ofLink: "/proc/\(process)/cwd") == folder ? nil : .unknown
        }
    }

    /// A process with this name that works in this folder, child or not.
    static func find(named name: String, workingIn folder: String) -> pid_t? {
        guard let processes = unsafe opendir("/proc") else { return nil }
        defer { unsafe closedir(processes) }
        while let entry = unsafe readdir(processes) {
            let text = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let process = pid_t(text), File.target(ofLink: "/proc/\(process)/cwd") == folder,
                File.text("/proc/\(process)/comm")?.trimmed == name
            {
                return process
            }
        }
        return nil
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
        return unsafe pointers.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("an array with a nil has a first element") }
            return unsafe body(base)
        }
    }
}
