import SojournCore
import SojournLoop
import SojournRedis

/// Ends sessions and waits until the node's archive has them. The node must be an archivist (`-- --archive FILE`).
struct ArchiveScenario: Scenario {
    let name = "archive"
    let summary = "ends --due sessions of four events and waits for the archive (-- --archive archive.sqlite)"
    let isLong = true

    func run(_ bench: Bench) async throws -> BenchReport {
        guard let redis = bench.redis else { throw StartError("the scenario archive needs --redis") }
        let count = bench.options.due ?? 10_000
        let ids = try await bench.createSessions(count)
        let payload = String(repeating: "m", count: bench.options.payload)
        _ = await bench.load("filling logs", rate: 1e6, total: count * 2) { number, _ in
            RequestScenario.message(ids[number % count], payload)
        }
        let before = try await bench.usage()
        let outcome = await bench.load("ending sessions", rate: bench.options.rate ?? 1e6, total: count) { number, _ in
            BenchRequest.delete("\(BenchRequest.base)/\(ids[number])")
        }
        var report = BenchReport(self.name)
        if outcome.answered < count { report.fault = "only \(outcome.answered) of \(count) sessions were ended" }
        var left = count
        let limit = EventLoop.now + 60_000
        while left > 0, EventLoop.now < limit {
            await bench.loop.sleep(milliseconds: 20)
            left = try await Self.waiting(redis, bench.loop)
            bench.tell("archiving", count - left, of: count)
        }
        let after = try await bench.usage()
        let seconds = Double(after.at - before.at) / 1_000_000
        report["sessions"] = Double(count)
        report["endedPerSecond"] = Double(count) / outcome.seconds
        report["archivedPerSecond"] = Double(count - left) / seconds
        report["left"] = Double(left)
        if left > 0 { report.fault = "\(left) sessions were not archived within a minute" }
        bench.add(to: &report, from: before, to: after, operations: Double(count))
        return report
    }

    /// How many sessions are in this set of all partitions of the default keyspace: those in `arc` have ended and wait for
    /// the archive, those in `wb` have events that it does not have. It asks for all at once, as the node's figures
    /// count what it asks.
    static func waiting(_ redis: RedisConnection, _ loop: EventLoop, in set: String = "arc") async throws -> Int {
        let tags = PartitionTags(count: 256)
        var (waiting, open) = (0, 256)
        var failure: RedisError?
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            for partition in 0..<256 {
                loop.spawn {
                    do throws(RedisError) {
                        let key = "sj:{\(tags[partition])}:\(set)"
                        waiting += try await redis.send(["ZCARD", .string(key)], kind: .read).int ?? 0
                    } catch {
                        failure = error
                    }
                    open -= 1
                    if open == 0 { continuation.resume() }
                }
            }
        }
        if let failure { throw failure }
        return waiting
    }
}
