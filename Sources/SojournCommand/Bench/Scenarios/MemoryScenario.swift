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
        let filled = try await bench.usage()
        report["sessions"] = Double(sessions)
        if let after = filled.redis?.memory, let before = before.redis?.memory {
            report["redisBytesPerSession"] = Double(after - before) / Double(sessions)
        }
        var open = 0
        let readers = watched.map { id in
            EventReader(
                loop: bench.loop, endpoint: bench.endpoint, path: "\(BenchRequest.base)/\(id)/stream",
                onOpen: { open += 1 }, onStamp: { _ in })
        }
        defer { for reader in readers { reader.close() } }
        await FanOutScenario.wait(bench, "opening streams", limit: 60_000) { (open, readers.count) }
        if open < readers.count { report.fault = "only \(open) of \(readers.count) streams opened" }
        let watching = try await bench.usage()
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
}
