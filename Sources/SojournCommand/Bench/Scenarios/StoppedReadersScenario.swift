import Glibc
import SojournLoop

/// What readers that stopped reading do to the others.
struct StoppedReadersScenario: Scenario {
    let name = "stopped-readers"
    let summary = "messages to one session with --subscribers SSE clients, then with 1 % more that do not read"
    let isLong = true

    func run(_ bench: Bench) async throws -> BenchReport {
        var report = BenchReport(self.name)
        let ids = try await bench.createSessions(1)
        var stopped: [CInt] = []
        defer { for descriptor in stopped { close(descriptor) } }
        var latencies: [LatencyHistogram] = []
        // Once to warm up, then without and with readers that are stopped.
        for round in 0..<3 {
            if round == 2 {
                for _ in 0..<max(1, bench.options.subscribers / 100) {
                    if let descriptor = Self.stoppedReader(bench.endpoint, of: ids[0]) { stopped.append(descriptor) }
                }
            }
            let (seen, lost) = try await self.deliver(bench, ids[0])
            if lost > 0 { report.fault = "\(lost) deliveries are missing" }
            latencies.append(seen)
        }
        report["subscribers"] = Double(bench.options.subscribers)
        report["stopped"] = Double(stopped.count)
        report.add(latencies[1], prefix: "without.")
        report.add(latencies[2], prefix: "with.")
        if report.fault == nil {
            report["p99Ratio"] = Double(latencies[2].percentile(99)) / Double(max(1, latencies[1].percentile(99)))
        }
        return report
    }

    private func deliver(_ bench: Bench, _ id: String) async throws -> (LatencyHistogram, lost: Int) {
        var (open, deliveries, latencies) = (0, 0, LatencyHistogram())
        let readers = (0..<bench.options.subscribers).map { _ in
            EventReader(
                loop: bench.loop, endpoint: bench.endpoint, path: "\(BenchRequest.base)/\(id)/stream",
                onOpen: { open += 1 },
                onStamp: { due in
                    deliveries += 1
                    latencies.record(OpenLoop.now() - due)
                })
        }
        defer { for reader in readers { reader.close() } }
        await FanOutScenario.wait(bench, "opening streams", limit: 60_000) { (open, readers.count) }
        guard open == readers.count else { throw StartError("only \(open) of \(readers.count) streams opened") }
        let rate = bench.options.rate ?? 5
        let total = Int(rate * bench.options.seconds)
        let padding = String(repeating: "m", count: 3900)
        let outcome = await bench.load(self.name, rate: rate, total: total, connections: 4) { _, due in
            RequestScenario.message(id, EventReader.stamp(due) + padding)
        }
        let expected = outcome.answered * readers.count
        await FanOutScenario.wait(bench, "waiting for deliveries", limit: 20_000) { (deliveries, expected) }
        return (latencies, expected - deliveries)
    }

    /// A client that asks for a stream and never reads it.
    private static func stoppedReader(_ endpoint: Endpoint, of id: String) -> CInt? {
        guard case .tcp(_, let port) = endpoint else { return nil }
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var size: CInt = 4096
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let code = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        let request = BenchRequest.get("\(BenchRequest.base)/\(id)/stream")
        guard code == 0, unsafe send(descriptor, request, request.count, CInt(MSG_NOSIGNAL)) == request.count else {
            close(descriptor)
            return nil
        }
        return descriptor
    }
}
