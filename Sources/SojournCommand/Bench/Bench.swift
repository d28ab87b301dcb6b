import Glibc
import SojournCore
import SojournLoop
import SojournRedis

/// What every scenario works with: the node to load, its Redis, and the means to measure both. Loop-confined.
final class Bench {
    let loop: EventLoop
    let options: BenchOptions
    let endpoint: Endpoint
    let startMilliseconds: Int?
    let redis: RedisConnection?
    private let node: pid_t?
    private let progress: (String) -> Void

    init(loop: EventLoop, options: BenchOptions, rig: BenchRig?, progress: @escaping (String) -> Void) {
        self.loop = loop
        self.options = options
        self.progress = progress
        self.endpoint =
            rig.map { .tcp(host: "127.0.0.1", port: $0.port) } ?? options.url ?? .tcp(host: "127.0.0.1", port: 3000)
        self.node = rig?.node ?? options.nodeProcess
        self.startMilliseconds = rig?.startMilliseconds
        self.redis = (rig?.redis ?? options.redis).flatMap { address in
            guard case .standalone(let endpoint) = address.topology else { return nil }
            var redisOptions = RedisOptions()
            redisOptions.user = address.user
            redisOptions.password = address.password
            redisOptions.database = address.database
            // Its own reading of role and replication id must not stand in the figures.
            redisOptions.refreshIntervalMs = 3_600_000
            return RedisConnection(loop: loop, endpoint: endpoint, options: redisOptions)
        }
        self.redis?.start()
    }

    func close() { self.redis?.close() }

    /// Shows how far a step is.
    func tell(_ what: String, _ done: Int, of total: Int) { self.progress("\(what): \(done) of \(total)") }

    // MARK: Load

    /// Sends requests at set times.
    func load(
        _ what: String, rate: Double, total: Int, connections: Int? = nil, overWebSockets: Bool = false,
        traffic: LoadConnection.Traffic = .init(),
        make: @escaping (_ number: Int, _ due: Int) -> [UInt8],
        taken: ((_ number: Int, LoadConnection.Reply) -> Void)? = nil
    ) async -> OpenLoop.Outcome {
        let links = (0..<(connections ?? self.options.connections)).map { _ -> any LoadLink in
            overWebSockets
                ? SocketConnection(loop: self.loop, endpoint: self.endpoint, traffic: traffic)
                : LoadConnection(loop: self.loop, endpoint: self.endpoint, traffic: traffic)
        }
        let load = OpenLoop(loop: self.loop, connections: links, rate: rate, total: total, make: make, taken: taken)
        let outcome = await load.run { [unowned self] in self.tell(what, $0, of: $1) }
        for link in links { link.close() }
        return outcome
    }

    /// Creates sessions as fast as 64 connections can and returns their ids.
    func createSessions(_ count: Int, timeoutMinutes: @escaping (Int) -> Double? = { _ in nil }) async throws
        -> [String]
    {
        var ids = [String](repeating: "", count: count)
        let outcome = await self.load(
            "creating sessions", rate: 1e6, total: count, connections: 64,
            make: { number, _ in BenchRequest.create(number, timeoutMinutes: timeoutMinutes(number)) },
            taken: { number, reply in ids[number] = BenchRequest.sessionID(reply.body) })
        guard outcome.answered == count else {
            throw StartError("only \(outcome.answered) of \(count) sessions could be created: \(outcome.firstError)")
        }
        return ids
    }

    // MARK: Measuring

    /// What node and Redis have used so far.
    struct Usage {
        let node: ProcessUsage?
        let redis: RedisUsage?
        let redisProcess: ProcessUsage?
        let at: Int
    }

    func usage() async throws -> Usage {
        var redis: RedisUsage?
        if let connection = self.redis { redis = try await RedisUsage.read(connection) }
        return Usage(
            node: self.node.flatMap { ProcessUsage(of: $0) }, redis: redis,
            redisProcess: redis.flatMap { ProcessUsage(of: pid_t($0.process)) }, at: OpenLoop.now())
    }

    /// The report of a run of requests between two readings.
    func report(
        _ scenario: String, _ outcome: OpenLoop.Outcome, operations: Int, rate: Double, from before: Usage,
        to after: Usage, traffic: LoadConnection.Traffic
    ) -> BenchReport {
        var report = BenchReport(scenario)
        let errors = outcome.errors.values.reduce(0, +)
        if errors > 0 || outcome.lost > 0 {
            report.fault = "\(errors) errors \(outcome.errors.map { "\($0.key)" }), \(outcome.lost) lost"
        }
        let done = Double(max(1, outcome.answered * operations))
        report["ratePerSecond"] = rate * Double(operations)
        report["operations"] = done
        report["errors"] = Double(errors)
        report["lost"] = Double(outcome.lost)
        report.add(outcome.latencies)
        self.add(to: &report, from: before, to: after, operations: done)
        report["httpBytesOut"] = Double(traffic.sent) / done
        report["httpBytesIn"] = Double(traffic.received) / done
        return report
    }

    /// What each operation used between two readings. What runs beside the load (polling, refreshing) is in it.
    func add(to report: inout BenchReport, from before: Usage, to after: Usage, operations done: Double) {
        func per(_ after: Int?, _ before: Int?) -> Double? {
            guard let after, let before else { return nil }
            return Double(after - before) / done
        }
        report["nodeCpuUs"] = per(after.node?.cpuMicroseconds, before.node?.cpuMicroseconds)
        report["redisCpuUs"] = per(after.redis?.cpuMicroseconds, before.redis?.cpuMicroseconds)
        report["redisScriptUs"] = per(after.redis?.scriptMicroseconds, before.redis?.scriptMicroseconds)
        report["redisScripts"] = per(after.redis?.scripts, before.redis?.scripts)
        report["redisCommands"] = per(after.redis?.commands, before.redis?.commands)
        report["redisReads"] = per(after.redis?.reads, before.redis?.reads)
        report["redisBytesIn"] = per(after.redis?.bytesIn, before.redis?.bytesIn)
        report["redisBytesOut"] = per(after.redis?.bytesOut, before.redis?.bytesOut)
        report["nodeResidentMiB"] = after.node.map { Double($0.residentBytes) / 1_048_576 }
    }
}
