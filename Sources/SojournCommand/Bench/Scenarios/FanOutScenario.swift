import SojournLoop

/// Messages to sessions that many clients watch.
struct FanOutScenario: Scenario {
    let name: String
    let summary: String
    /// Whether the clients read over WebSockets, each over its own, or as Server-Sent Events.
    let overWebSockets: Bool
    /// Whether the server is another one (--url): clients read `/sub/<name>`, messages are posted to `/pub/<name>`.
    var isPeer = false

    static let all: [any Scenario] = [
        FanOutScenario(
            name: "fan-out", summary: "messages to --streams sessions with --subscribers SSE clients each",
            overWebSockets: false),
        FanOutScenario(
            name: "fan-out-websocket", summary: "the same with a WebSocket each", overWebSockets: true),
        FanOutScenario(
            name: "peer-fan-out", summary: "the same of another server: POST /pub/<name>, SSE on /sub/<name>",
            overWebSockets: false, isPeer: true),
        FanOutScenario(
            name: "peer-fan-out-websocket", summary: "the same of another server with a WebSocket each",
            overWebSockets: true, isPeer: true),
    ]

    var isLong: Bool { self.isPeer }

    /// What the subscribers saw.
    private final class Seen {
        var open = 0
        var deliveries = 0
        var latencies = LatencyHistogram()
    }

    func run(_ bench: Bench) async throws -> BenchReport {
        let (subscribers, rate) = (bench.options.subscribers, bench.options.rate ?? 20)
        let ids =
            self.isPeer
            ? (0..<bench.options.streams).map { "bench\($0)" }
            : try await bench.createSessions(bench.options.streams)
        let seen = Seen()
        let readers = ids.flatMap { id in (0..<subscribers).map { _ in self.reader(of: id, bench, seen) } }
        defer { for reader in readers { reader.close() } }
        await Self.wait(bench, "opening streams", limit: 60_000) { (seen.open, readers.count) }
        guard seen.open == readers.count else {
            throw StartError("only \(seen.open) of \(readers.count) streams opened")
        }
        // Another server may still be on its way to its Redis.
        if self.isPeer { await bench.loop.sleep(milliseconds: 1000) }
        let traffic = LoadConnection.Traffic()
        let padding = String(repeating: "m", count: max(0, bench.options.payload - 17))
        let before = try await bench.usage()
        let total = Int(rate * bench.options.seconds) * ids.count
        let outcome = await bench.load(
            self.name, rate: rate * Double(ids.count), total: total, connections: 16, traffic: traffic
        ) { number, due in
            let (id, content) = (ids[number % ids.count], EventReader.stamp(due) + padding)
            return self.isPeer
                ? BenchRequest.post("/pub/\(id)", #"{"content":"\#(content)"}"#) : RequestScenario.message(id, content)
        }
        let expected = outcome.answered * subscribers
        await Self.wait(bench, "waiting for deliveries", limit: 10_000) { (seen.deliveries, expected) }
        let after = try await bench.usage()
        var report = bench.report(
            self.name, outcome, operations: subscribers, rate: rate * Double(ids.count), from: before, to: after,
            traffic: traffic)
        report["subscribers"] = Double(readers.count)
        report["deliveries"] = Double(seen.deliveries)
        report["deliveriesLost"] = Double(expected - seen.deliveries)
        if seen.deliveries != expected {
            report.fault = "\(expected - seen.deliveries) of \(expected) deliveries are missing"
            for name in ["p50Us", "p90Us", "p99Us", "p999Us", "maxUs"] { report[name] = nil }
        }
        report.add(seen.latencies, prefix: "delivery.")
        return report
    }

    private func reader(of id: String, _ bench: Bench, _ seen: Seen) -> EventReader {
        let onOpen = { seen.open += 1 }
        let onStamp: (Int) -> Void = { due in
            seen.deliveries += 1
            seen.latencies.record(OpenLoop.now() - due)
        }
        if self.isPeer {
            return EventReader(
                loop: bench.loop, endpoint: bench.endpoint, peer: "/sub/\(id)", overWebSocket: self.overWebSockets,
                onOpen: onOpen, onStamp: onStamp)
        }
        if self.overWebSockets {
            return EventReader(
                loop: bench.loop, endpoint: bench.endpoint, session: id, onOpen: onOpen, onStamp: onStamp)
        }
        return EventReader(
            loop: bench.loop, endpoint: bench.endpoint, path: "\(BenchRequest.base)/\(id)/stream", onOpen: onOpen,
            onStamp: onStamp)
    }

    static func wait(
        _ bench: Bench, _ what: String, limit: Int, until state: () -> (done: Int, total: Int)
    ) async {
        let end = EventLoop.now + limit
        while state().done < state().total, EventLoop.now < end {
            bench.tell(what, state().done, of: state().total)
            await bench.loop.sleep(milliseconds: 20)
        }
    }
}
