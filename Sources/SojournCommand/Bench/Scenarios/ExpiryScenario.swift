import SojournCore
import SojournLoop

/// Many live sessions, of which some expire within ten seconds: how late do warnings and ends come?
///
/// The events say it themselves: `at` is when the script ran, `expiresAt` and the lead when it should have.
struct ExpiryScenario: Scenario {
    let name = "expiry"
    let summary = "--due of --sessions live sessions expire within 10 s: how late warnings and ends come"
    let isLong = true

    private final class Late {
        var warnings = LatencyHistogram()
        var ends = LatencyHistogram()
    }

    func run(_ bench: Bench) async throws -> BenchReport {
        let due = bench.options.due ?? 30_000
        let live = bench.options.sessions ?? 300_000
        _ = try await bench.createSessions(max(0, live - due))
        // Deadlines from 30 to 40 s from now, so warnings (at half of the timeout) and ends fall behind the creating.
        let start = EventLoop.now
        let ids = try await bench.createSessions(due) { number in
            Double(start + 30_000 + number * 10_000 / due - EventLoop.now) / 60_000
        }
        let before = try await bench.usage()
        while EventLoop.now < start + 42_000 {
            bench.tell("waiting for the storm to pass", (EventLoop.now - start) / 1000, of: 42)
            await bench.loop.sleep(milliseconds: 500)
        }
        let after = try await bench.usage()
        let late = Late()
        let read = await bench.load(
            "reading how late they were", rate: 1e6, total: due,
            make: { number, _ in BenchRequest.get("\(BenchRequest.base)/\(ids[number])/events?archived=1") },
            taken: { _, reply in Self.note(reply.body, late) })
        var report = BenchReport(self.name)
        if late.warnings.count < due || late.ends.count < due {
            report.fault =
                "of \(due) sessions \(late.warnings.count) were warned and \(late.ends.count) ended within 2 s; "
                + "\(read.answered) could be read \(read.firstError)"
        }
        report["live"] = Double(live)
        report["due"] = Double(due)
        report.add(late.warnings, prefix: "warning.")
        report.add(late.ends, prefix: "expired.")
        bench.add(to: &report, from: before, to: after, operations: Double(due))
        return report
    }

    private static func note(_ body: ArraySlice<UInt8>, _ late: Late) {
        guard let events = try? JSON.parse(Array(body))["events"]?.array else { return }
        for event in events {
            guard let at = event["at"]?.int, let data = event["data"] else { continue }
            switch event["type"]?.string {
            case "session.expiring"?:
                // The lead is half of the timeout: the warning was due half way from creation to deadline.
                if let created = events.first?["at"]?.int, let deadline = Self.instant(data["expiresAt"]) {
                    late.warnings.record((at - (deadline - (deadline - created) / 2)) * 1000)
                }
            case "session.expired"?:
                if let deadline = Self.instant(data["expiredAt"]) { late.ends.record((at - deadline) * 1000) }
            default: break
            }
        }
    }

    private static func instant(_ value: JSON?) -> Int? {
        value?.string.flatMap { Instant(iso8601: $0) }.map { Int($0.milliseconds) }
    }
}
