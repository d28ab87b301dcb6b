import SojournRedis

/// What a Redis server has done so far, from INFO.
struct RedisUsage: Sendable {
    /// Its process.
    let process: Int
    /// Microseconds of CPU, user and system, of all its threads.
    let cpuMicroseconds: Int
    /// Calls by command; those that scripts make count, too.
    let calls: [String: Int]
    /// Microseconds in calls of scripts.
    let scriptMicroseconds: Int
    /// How often it read from a socket; commands that came in one read were sent together.
    let reads: Int
    let bytesIn: Int
    let bytesOut: Int
    /// What its allocator has given out.
    let memory: Int

    static func read(_ redis: RedisConnection) async throws -> RedisUsage {
        let text = try await redis.send(["INFO", "everything"], kind: .read).string ?? ""
        return RedisUsage(info: text)
    }

    init(info: String) {
        var fields: [Substring: Substring] = [:]
        for line in info.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = line[line.index(after: colon)...]
        }
        func number(_ name: Substring) -> Int { fields[name].flatMap { Int($0) } ?? 0 }
        func seconds(_ name: Substring) -> Double { fields[name].flatMap { Double($0) } ?? 0 }
        self.process = number("process_id")
        self.cpuMicroseconds = Int((seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1_000_000)
        self.reads = number("total_reads_processed")
        self.bytesIn = number("total_net_input_bytes")
        self.bytesOut = number("total_net_output_bytes")
        self.memory = number("used_memory")
        var calls: [String: Int] = [:]
        var inScripts = 0
        for (name, value) in fields where name.hasPrefix("cmdstat_") {
            let command = String(name.dropFirst("cmdstat_".count))
            calls[command] = Self.part("calls", of: value)
            if Self.scriptCommands.contains(command) { inScripts += Self.part("usec", of: value) }
        }
        self.calls = calls
        self.scriptMicroseconds = inScripts
    }

    /// Calls of scripts.
    var scripts: Int { Self.scriptCommands.reduce(0) { $0 + (self.calls[$1] ?? 0) } }
    /// All calls, also those in scripts; without the INFO that measuring takes.
    var commands: Int { self.calls.filter { $0.key != "info" }.values.reduce(0, +) }

    private static let scriptCommands = ["evalsha", "eval", "evalsha_ro", "eval_ro"]

    /// A number of `calls=1,usec=2,…`.
    private static func part(_ name: String, of text: Substring) -> Int {
        text.split(separator: ",").first { $0.hasPrefix(name + "=") }.flatMap { Int($0.dropFirst(name.count + 1)) } ?? 0
    }
}
