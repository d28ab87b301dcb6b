/// One thing to measure.
protocol Scenario: Sendable {
    /// What it is called on the command line.
    var name: String { get }
    /// What it does, in one line.
    var summary: String { get }
    /// Whether it takes so long that it runs only when it is named.
    var isLong: Bool { get }
    /// Runs it against the node of the bench.
    func run(_ bench: Bench) async throws -> BenchReport
}

extension Scenario {
    var isLong: Bool { false }
}

/// All scenarios, in the order in which they run.
enum Scenarios {
    static let all: [any Scenario] =
        RequestScenario.all + FanOutScenario.all + StoppedReadersScenario.all + [
            MemoryScenario(), SocketMemoryScenario(), ArchiveScenario(), ExpiryScenario(),
        ]
}
