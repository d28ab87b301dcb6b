import Synchronization

/// How urgent a log line is; the names and the order are those of swift-log.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
    case trace
    case debug
    case info
    case notice
    case warning
    case error
    case critical

    /// The level with this lower-case name, or nil.
    public init?(name: String) {
        guard let level = Self.allCases.first(where: { "\($0)" == name }) else { return nil }
        self = level
    }

    /// The order.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// The least urgent level that is logged; it may change while the process runs, for all logs that share it.
public final class LogThreshold: Sendable {
    private let value: Atomic<Int>

    /// A threshold at a level.
    public init(_ level: LogLevel) { self.value = Atomic(level.rawValue) }

    /// The level.
    public var level: LogLevel {
        get { LogLevel(rawValue: self.value.load(ordering: .relaxed)) ?? .critical }
        set { self.value.store(newValue.rawValue, ordering: .relaxed) }
    }
}

/// One thing worth telling the person on call: a constant message and its variables as metadata.
public struct LogEvent: Sendable {
    /// How urgent it is.
    public let level: LogLevel
    /// What happened and what happens next, as a constant sentence; no variable part.
    public let message: String
    /// The variables, in order; keys are dotted lower-case words such as `session.id`.
    public let metadata: [(key: String, value: String)]
    /// The file that logged it.
    public let file: String
    /// The line that logged it.
    public let line: UInt
}

/// Where log events go. The library is silent unless it is given one.
public struct Log: Sendable {
    private let threshold: LogThreshold
    private let sink: @Sendable (LogEvent) -> Void

    /// A log that hands each event of at least `minimum` to `sink`, which must return quickly and may be
    /// called from any thread.
    public init(minimum: LogLevel, sink: @escaping @Sendable (LogEvent) -> Void) {
        self.init(threshold: LogThreshold(minimum), sink: sink)
    }

    /// A log whose least urgent level may change.
    public init(threshold: LogThreshold, sink: @escaping @Sendable (LogEvent) -> Void) {
        self.threshold = threshold
        self.sink = sink
    }

    /// Events below this level are not built.
    public var minimum: LogLevel { self.threshold.level }

    /// A log that says nothing.
    public static let silent = Log(minimum: .critical) { _ in }

    /// Logs one event; `metadata` is built only when the level counts.
    public func callAsFunction(
        _ level: LogLevel, _ message: @autoclosure () -> String,
        _ metadata: @autoclosure () -> KeyValuePairs<String, String> = [:],
        file: String = #fileID, line: UInt = #line
    ) {
        guard level >= self.minimum else { return }
        self.sink(
            LogEvent(
                level: level, message: message(), metadata: metadata().map { (key: $0.key, value: $0.value) },
                file: file, line: line))
    }
}
