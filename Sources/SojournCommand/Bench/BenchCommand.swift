import Glibc
import SojournLoop

/// `sojourn bench`: loads a node and measures what its operations cost.
enum BenchCommand {
    /// Runs the scenarios that were named; returns the exit code, 1 when one had a fault.
    static func run(arguments: [String], environment: [String: String]) async -> CInt {
        if arguments.contains("--help") {
            Console.say(BenchOptions.help)
            return 0
        }
        let options: BenchOptions
        let scenarios: [any Scenario]
        do throws(BenchOptions.Wrong) {
            options = try BenchOptions(arguments)
            scenarios = try self.scenarios(options)
        } catch {
            Console.complain("sojourn: \(error)\ntry: sojourn bench --help")
            return 64
        }
        let loop = EventLoop(name: "sojourn-bench")
        defer { loop.stop() }
        var faults = false
        do {
            for scenario in scenarios {
                let report = try await self.run(scenario, options, environment: environment, loop: loop)
                faults = faults || report.fault != nil
                self.show(report, options)
            }
        } catch {
            Console.complain("sojourn: \(error)")
            return 1
        }
        return faults ? 1 : 0
    }

    private static func scenarios(_ options: BenchOptions) throws(BenchOptions.Wrong) -> [any Scenario] {
        if options.scenarios.isEmpty { return Scenarios.all.filter { !$0.isLong } }
        var found: [any Scenario] = []
        for name in options.scenarios {
            guard let scenario = Scenarios.all.first(where: { $0.name == name }) else {
                throw BenchOptions.Wrong(
                    description: "there is no scenario \(name)"
                        + Nearest.hint(name, among: Scenarios.all.map(\.name), prefix: ""))
            }
            found.append(scenario)
        }
        return found
    }

    /// Each scenario gets a Redis and a node of its own, so that none sees what another left behind.
    private static func run(
        _ scenario: any Scenario, _ options: BenchOptions, environment: [String: String], loop: EventLoop
    ) async throws -> BenchReport {
        var rig: BenchRig?
        if options.url == nil { rig = try await BenchRig.start(options, environment: environment) }
        defer { rig?.stop() }
        let signals = Signals()
        // Ended by the process's end; the private processes would outlive a plain Ctrl-C.
        let watch = Task { [rig] in
            let signal = await signals.first()
            rig?.stop()
            _exit(128 + signal)
        }
        defer { watch.cancel() }
        let progress = options.isQuiet ? nil : Progress("bench")
        return try await loop.run { [rig] in
            let bench = Bench(loop: loop, options: options, rig: rig) { text in progress?.tell { text } }
            defer {
                bench.close()
                progress?.end()
            }
            return try await scenario.run(bench)
        }
    }

    private static func show(_ report: BenchReport, _ options: BenchOptions) {
        if options.json != "-" { Console.say(report.table) }
        guard let path = options.json else { return }
        guard path != "-" else { return Console.say(report.json) }
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        File.write(Array((report.json + "\n").utf8), to: file)
        close(file)
    }
}
