import Glibc

/// What the node knows of the program redis-server.
enum RedisProgram {
    /// The oldest version with sharded pub/sub and script flags.
    static let oldest = 7

    /// Refuses a missing or an old program.
    static func check(_ program: String, environment: [String: String]) throws(StartError) {
        let text: String
        do {
            text = try ChildProcess.output(of: program, ["--version"], environment: self.harmless(environment))
        } catch {
            throw self.spawnError(program, error)
        }
        // `Redis server v=7.0.15 sha=00000000:0 …`
        let version = text.split(separator: " ").first { $0.hasPrefix("v=") }?.dropFirst(2) ?? ""
        guard let major = version.split(separator: ".").first.flatMap({ Int($0) }) else {
            throw StartError("\(program) --version does not say which version it is: \(text.trimmed)")
        }
        guard major >= self.oldest else {
            throw StartError(
                "redis-server is version \(version), but Sojourn needs \(self.oldest).0 or newer; "
                    + "install a newer one, or use another Redis with --redis")
        }
    }

    static func spawnError(_ program: String, _ error: ChildProcess.SpawnError) -> StartError {
        guard error.code == ENOENT else {
            return StartError("\(program) cannot be started: \(File.reason(error.code))")
        }
        return StartError(
            "\(program) is not installed (apt-get install redis-server); install it, or use another Redis with --redis")
    }

    /// The whole configuration of a private server. Its working folder, where the data goes, is that of the process.
    static func arguments(socket: String, appendfsync: ServeSettings.Appendfsync) -> [String] {
        [
            ("port", "0"), ("unixsocket", socket), ("unixsocketperm", "700"), ("daemonize", "no"), ("supervised", "no"),
            ("logfile", ""), ("appendonly", "yes"), ("appendfsync", appendfsync.rawValue), ("save", ""),
            ("maxmemory-policy", "noeviction"),
        ].flatMap { ["--" + $0.0, $0.1] }
    }

    /// Of the node's variables those that a program needs; never the keys of the node.
    static func harmless(_ environment: [String: String]) -> [String: String] {
        let names: Set = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"]
        return environment.filter { names.contains($0.key) }
    }

    /// The last lines of a log, as one line.
    static func lastWords(_ path: String) -> String {
        (File.text(path) ?? "").split { $0.isNewline }.suffix(3).joined(separator: " / ")
    }
}
