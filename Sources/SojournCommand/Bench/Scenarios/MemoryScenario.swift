import SojournLoop

/// What an idle session and an idle stream hold.
struct MemoryScenario: Scenario {
    let name = "memory"
    let summary = "bytes of Redis per idle session, bytes of the node per idle SSE client"

    func run(_ bench: Bench) async throws -> BenchReport {
        var report = BenchReport(self.name)
        let sessions = bench.options.sessions ?? 50_000
        // The first ones pay for what is there once: dictionaries, scripts, buffers.
        let watched = try await bench.createSessions(bench.options.subscribers)
        _ = try await bench.createSessions(1000)
        let before = try await bench.usage()
        _ = try await bench.createSessions(sessions)
        await Self.untilFollowed(bench)
        let filled = try await bench.usage()
        report["sessions"] = Double(sessions)
        if let after = filled.redis?.memory, let before = before.redis?.memory {
            let each = Double(after - before) / Double(sessions)
            report["redisBytesPerSession"] = each
            try await Self.breakDown(each, over: sessions + 1000 + watched.count, bench, &report)
        }
        let (readers, watching) = try await Self.open(watched, in: bench, &report) { id, onOpen in
            EventReader(
                loop: bench.loop, endpoint: bench.endpoint, path: "\(BenchRequest.base)/\(id)/stream", onOpen: onOpen,
                onStamp: { _ in })
        }
        defer { for reader in readers { reader.close() } }
        report["streams"] = Double(readers.count)
        if let after = watching.node?.residentBytes, let before = filled.node?.residentBytes {
            report["nodeBytesPerStream"] = Double(after - before) / Double(readers.count)
            report["nodeResidentMiB"] = Double(after) / 1_048_576
        }
        if let after = watching.redis?.memory, let before = filled.redis?.memory {
            report["redisBytesPerStream"] = Double(after - before) / Double(readers.count)
        }
        if let milliseconds = bench.startMilliseconds { report["startMs"] = Double(milliseconds) }
        return report
    }

    /// Waits until the node's archive has all events, if it has one (`-- --archive archive.sqlite`): what is not archived
    /// yet is no idle session.
    private static func untilFollowed(_ bench: Bench) async {
        guard let redis = bench.redis, bench.options.nodeArguments.contains("--archive") else { return }
        let limit = EventLoop.now + 60_000
        while EventLoop.now < limit, (try? await ArchiveScenario.waiting(redis, bench.loop, in: "wb")) ?? 0 > 0 {
            await bench.loop.sleep(milliseconds: 50)
        }
    }

    /// Reports how much of that each kind of key has; the rest is Redis' table of keys and what its allocator keeps.
    private static func breakDown(
        _ each: Double, over sessions: Int, _ bench: Bench, _ report: inout BenchReport
    ) async throws {
        guard let redis = bench.redis else { return }
        let families = try await KeyFamilies.read(redis) { bench.tell("looking at keys", $0, of: sessions * 4) }
        var rest = each
        for (name, bytes) in families.bytes.sorted(by: { $0.value > $1.value }) {
            let part = Double(bytes) / Double(sessions)
            report["redisBytes.\(name)"] = part
            rest -= part
        }
        report["redisBytes.rest"] = rest
    }

    /// Opens readers, each of a session of its own, `--opening` at a time.
    static func open(
        _ ids: [String], in bench: Bench, _ report: inout BenchReport,
        connect: (_ id: String, _ onOpen: @escaping () -> Void) -> EventReader
    ) async throws -> (readers: [EventReader], usage: Bench.Usage) {
        var (open, readers) = (0, [EventReader]())
        for id in ids {
            readers.append(connect(id) { open += 1 })
            guard readers.count % bench.options.opening == 0 || readers.count == ids.count else { continue }
            await FanOutScenario.wait(bench, "opening readers", limit: 60_000) { (open, readers.count) }
            guard open == readers.count else {
                report.fault = "only \(open) of \(ids.count) readers opened"
                break
            }
        }
        return (readers, try await bench.usage())
    }
}

/// What an idle WebSocket holds.
struct SocketMemoryScenario: Scenario {
    let name = "memory-websocket"
    let summary = "bytes of the node per idle WebSocket with one subscription"

    func run(_ bench: Bench) async throws -> BenchReport {
        var report = BenchReport(self.name)
        let watched = try await bench.createSessions(bench.options.subscribers)
        let before = try await bench.usage()
        let (readers, after) = try await MemoryScenario.open(watched, in: bench, &report) { id, onOpen in
            EventReader(loop: bench.loop, endpoint: bench.endpoint, session: id, onOpen: onOpen)
        }
        defer { for reader in readers { reader.close() } }
        report["webSockets"] = Double(readers.count)
        if let after = after.node?.residentBytes, let before = before.node?.residentBytes {
            report["nodeBytesPerWebSocket"] = Double(after - before) / Double(readers.count)
            report["nodeResidentMiB"] = Double(after) / 1_048_576
        }
        return report
    }
}
