/// What an idle session and an idle stream hold.
struct MemoryScenario: Scenario {
    let name = "memory"
    let summary = "bytes of Redis per idle session, bytes of the node per idle SSE and WebSocket client"

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
        let (streams, watching) = try await self.open(watched, "streams", in: bench, &report) { id, onOpen in
            EventReader(
                loop: bench.loop, endpoint: bench.endpoint, path: "\(BenchRequest.base)/\(id)/stream", onOpen: onOpen,
                onStamp: { _ in })
        }
        defer { for reader in streams { reader.close() } }
        if let after = watching.node?.residentBytes, let before = filled.node?.residentBytes {
            report["nodeBytesPerStream"] = Double(after - before) / Double(streams.count)
            report["nodeResidentMiB"] = Double(after) / 1_048_576
        }
        if let after = watching.redis?.memory, let before = filled.redis?.memory {
            report["redisBytesPerStream"] = Double(after - before) / Double(streams.count)
        }
        // Other sessions than the streams', so that each pays for its channel, too.
        let others = try await bench.createSessions(bench.options.subscribers)
        let quiet = try await bench.usage()
        let (sockets, talking) = try await self.open(others, "webSockets", in: bench, &report) { id, onOpen in
            EventReader(loop: bench.loop, endpoint: bench.endpoint, session: id, onOpen: onOpen)
        }
        defer { for reader in sockets { reader.close() } }
        if let after = talking.node?.residentBytes, let before = quiet.node?.residentBytes {
            report["nodeBytesPerWebSocket"] = Double(after - before) / Double(sockets.count)
        }
        if let milliseconds = bench.startMilliseconds { report["startMs"] = Double(milliseconds) }
        return report
    }

    private func open(
        _ ids: [String], _ what: String, in bench: Bench, _ report: inout BenchReport,
        connect: (_ id: String, _ onOpen: @escaping () -> Void) -> EventReader
    ) async throws -> (readers: [EventReader], usage: Bench.Usage) {
        var open = 0
        let readers = ids.map { connect($0) { open += 1 } }
        await FanOutScenario.wait(bench, "opening \(what)", limit: 60_000) { (open, readers.count) }
        if open < readers.count { report.fault = "only \(open) of \(readers.count) \(what) opened" }
        report[what] = Double(readers.count)
        return (readers, try await bench.usage())
    }
}
