import Glibc
import SojournCore
import SojournLoop
import SojournRedis

/// The server: version, role, durability, memory, clock, latency.
extension Doctor {
    func examineServer(_ master: RedisConnection) async throws(StoreError) {
        let first = self.findings.count
        defer { self.name(self.findings.indices[first...], self.place(of: master)) }
        guard let text = try await self.ask(["INFO"], at: master)?.string else {
            self.findings.append(.error("the Redis user may not use INFO", "allow it: +info"))
            return
        }
        let info = ServerInfo(text)
        let role = info["role"] ?? "unknown"
        self.findings.append(
            .fine(
                "redis \(info["redis_version"] ?? "of unknown version"), \(role), up \(info["uptime_in_days"] ?? "?") days"
            ))
        if !info.isMaster {
            self.findings.append(
                .error("this Redis is no master: nothing can be written", "point the nodes at the master"))
        }
        if info["loading"] == "1" {
            self.findings.append(.warning("redis is loading its data", "wait, and ask again"))
        }
        self.examineReplicas(info)
        try await self.examineDurability(info, master)
        self.examineMemory(info)
        try await self.examineClock(master)
        try await self.examineLatency(master)
        self.findings.append(
            .fine("\(self.shard.scripts.all.count) scripts are loaded, each under the SHA-1 that it has here"))
    }

    private func name(_ range: Range<Int>, _ place: String) {
        for index in range { self.findings[index].sentence = place + self.findings[index].sentence }
    }

    private func examineReplicas(_ info: ServerInfo) {
        let replicas = Int(info["connected_slaves"] ?? "0") ?? 0
        guard replicas > 0 else {
            self.findings.append(
                .note(
                    "it has no replica: while it is away, nodes answer 503"))
            return
        }
        let late = (0..<replicas).compactMap { number -> String? in
            let words = (info["slave\(number)"] ?? "").split(separator: ",")
            let state = words.first { $0.hasPrefix("state=") }?.dropFirst(6) ?? ""
            let lag = words.first { $0.hasPrefix("lag=") }.flatMap { Int($0.dropFirst(4)) } ?? 0
            return state == "online" && lag <= 5 ? nil : "slave\(number) is \(state), \(lag) s behind"
        }
        self.findings.append(
            late.isEmpty
                ? .fine("\(replicas) replicas are up to date")
                : .warning(
                    late.joined(separator: "; "), "a promotion now would lose what they lack; readers would be told"))
    }

    private func examineDurability(_ info: ServerInfo, _ master: RedisConnection) async throws(StoreError) {
        guard info["aof_enabled"] == "1" else {
            self.findings.append(
                .error(
                    "appendonly is no: what was acknowledged is lost when Redis is restarted",
                    "set appendonly yes (CONFIG SET appendonly yes; and in redis.conf)"))
            return
        }
        let sync = try await self.ask(["CONFIG", "GET", "appendfsync"], at: master)?.array?.last?.string
        switch sync {
        case "always": self.findings.append(.fine("appendonly yes, appendfsync always"))
        case "no":
            self.findings.append(
                .error(
                    "appendfsync is no: a crash of the machine loses up to half a minute",
                    "set it to everysec or always"))
        case let sync?:
            self.findings.append(
                .note("appendfsync is \(sync): a crash of the machine loses up to a second, and readers are told"))
        case nil: self.findings.append(.note("appendonly yes; appendfsync cannot be read by this user"))
        }
        if info["aof_last_write_status"] ?? "ok" != "ok" {
            self.findings.append(
                .error(
                    "the last write to the append-only file failed",
                    "look at the disk: Redis refuses writes until it works"))
        }
    }

    private func examineMemory(_ info: ServerInfo) {
        let used = Int(info["used_memory"] ?? "") ?? 0
        let most = Int(info["maxmemory"] ?? "") ?? 0
        let system = Int(info["total_system_memory"] ?? "") ?? 0
        func mebibytes(_ bytes: Int) -> String { "\(bytes >> 20) MiB" }
        let limit = most > 0 ? most : system
        let share = limit > 0 ? used * 100 / limit : 0
        let sentence =
            "memory: \(mebibytes(used)) of \(mebibytes(limit))" + (most > 0 ? "" : ", no maxmemory set")
            + " (\(share) %)"
        switch share {
        case 95...:
            self.findings.append(.error(sentence, "give it more: at maxmemory new sessions and messages are 503"))
        case 80...: self.findings.append(.warning(sentence, "give it more before it is full"))
        default:
            self.findings.append(
                most > 0
                    ? .fine(sentence)
                    : .note(sentence, "set maxmemory below what the machine can spare, or the kernel may end Redis"))
        }
        if let ratio = Double(info["mem_fragmentation_ratio"] ?? ""), ratio > 1.5, used > 256 << 20 {
            self.findings.append(
                .warning(
                    "memory is fragmented, ratio \(ratio)",
                    "CONFIG SET activedefrag yes, or restart a replica and promote it"))
        }
        let clients = Int(info["connected_clients"] ?? "") ?? 0
        let maximum = Int(info["maxclients"] ?? "") ?? 10_000
        if clients * 10 > maximum * 9 {
            self.findings.append(.warning("\(clients) of \(maximum) connections are used", "raise maxclients"))
        }
    }

    /// Sessions live by the clock of Redis; those of the nodes only stand in logs.
    private func examineClock(_ master: RedisConnection) async throws(StoreError) {
        let before = EventLoop.microseconds
        guard let answer = try await self.ask(["TIME"], at: master)?.array, answer.count == 2,
            let seconds = answer[0].int,
            let rest = answer[1].int
        else { return }
        let half = (EventLoop.microseconds - before) / 2
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        let here = now.tv_sec * 1_000_000 + now.tv_nsec / 1000 - half
        let difference = (seconds * 1_000_000 + rest - here) / 1000
        self.findings.append(
            abs(difference) > 1000
                ? .warning(
                    "the clock of Redis differs from this machine's by \(difference) ms",
                    "nothing depends on it but the times in logs; see that both follow a time server")
                : .fine("the clock of Redis differs from this machine's by \(difference) ms"))
    }

    private func examineLatency(_ master: RedisConnection) async throws(StoreError) {
        var times: [Int] = []
        for _ in 0..<32 {
            let start = EventLoop.microseconds
            _ = try await self.ask(["PING"], at: master)
            times.append(EventLoop.microseconds - start)
        }
        times.sort()
        let (middle, longest) = (times[times.count / 2], times[times.count - 1])
        func milliseconds(_ time: Int) -> String { "\(time / 1000).\(time / 100 % 10) ms" }
        let sentence = "a call takes \(milliseconds(middle)), the longest of 32 took \(milliseconds(longest))"
        self.findings.append(
            middle > 20_000
                ? .warning(sentence, "every request waits for at least one call: put nodes and Redis near each other")
                : .fine(sentence))
    }
}
