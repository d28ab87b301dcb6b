import SojournCore

/// The level of the log, which SIGUSR1 changes: to debug, to trace, and back to what the settings say.
final class LogLevels: Sendable {
    let threshold: LogThreshold
    private let cycle: [LogLevel]

    /// - Parameter level: what the settings say.
    init(_ level: LogLevel) {
        self.threshold = LogThreshold(level)
        self.cycle = [level] + [LogLevel.debug, .trace].filter { $0 != level }
    }

    /// Goes on to the next level, and says so while it can be heard.
    func next(_ log: Log) {
        let place = self.cycle.firstIndex(of: self.threshold.level) ?? 0
        let level = self.cycle[(place + 1) % self.cycle.count]
        if level <= .notice { self.threshold.level = level }
        log(.notice, "the level of the log changes", ["level": "\(level)"])
        self.threshold.level = level
    }
}
