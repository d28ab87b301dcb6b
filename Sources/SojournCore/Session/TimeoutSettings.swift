/// The defaults and the bounds for the timeouts of all sessions, and the rules by which a client's wishes
/// become a policy. All durations are milliseconds.
public struct TimeoutSettings: Sendable, Hashable {
    /// What a session gets that asks for nothing.
    public var defaults: TimeoutPolicy
    /// The shortest timeout a client may ask for.
    public var minimumTimeout: Int64
    /// The longest timeout a client may ask for; a session lives at most twice as long.
    public var maximumTimeout: Int64

    private static let minute: Int64 = 60_000
    private static let shortestWarning = minute

    /// The settings of a store; the defaults here are those of the Sessions API.
    public init(
        defaultTimeout: Int64 = 30 * 60_000, minimumTimeout: Int64 = 5 * 60_000, maximumTimeout: Int64 = 1440 * 60_000,
        maxDuration: Int64 = 720 * 60_000, warning: Int64 = 5 * 60_000, autoRenew: Bool = true
    ) {
        self.minimumTimeout = minimumTimeout
        self.maximumTimeout = maximumTimeout
        self.defaults = TimeoutPolicy(
            timeout: defaultTimeout, autoRenew: autoRenew, maxDuration: maxDuration, warning: warning)
    }

    /// The policy of a new session from the `timeoutConfig` of a create request.
    ///
    /// Numbers and numeric strings are clamped into the bounds; null, the empty string and garbage fall back
    /// on the defaults. So a create never fails for its timeouts.
    public func policy(forCreate config: JSON?) -> TimeoutPolicy {
        func duration(_ name: String) -> Int64? {
            guard case .minutes(let minutes) = Wish(config?[name]) else { return nil }
            return Self.milliseconds(minutes: minutes)
        }
        let timeout = min(
            max(duration("timeoutMinutes") ?? self.defaults.timeout, self.minimumTimeout), self.maximumTimeout)
        let maxDuration = duration("maxDurationMinutes") ?? self.defaults.maxDuration
        return TimeoutPolicy(
            timeout: timeout, autoRenew: config?["autoRenew"]?.bool ?? self.defaults.autoRenew,
            maxDuration: max(timeout, min(maxDuration, 2 * self.maximumTimeout)),
            warning: self.clampedWarning(duration("warningThresholdMinutes") ?? self.defaults.warning))
    }

    /// The change that the body of a PATCH asks for.
    ///
    /// - Throws: `VALIDATION_ERROR` for a timeout outside the bounds, for null and for a wrong JSON type. A
    ///   string that is not a number keeps the current value.
    public func patch(from body: JSON?) throws(StoreError) -> TimeoutPatch {
        guard let object = body?.object else { throw .invalidTimeout(Self.formatRule) }
        func duration(_ name: String) throws(StoreError) -> Double? {
            switch Wish(object[name]) {
            case .absent, .text: return nil
            case .minutes(let minutes): return minutes
            case .other: throw .invalidTimeout(Self.formatRule)
            }
        }
        var patch = TimeoutPatch()
        if let value = object["autoRenew"] {
            guard let truth = value.bool else { throw .invalidTimeout(Self.formatRule) }
            patch.autoRenew = truth
        }
        let timeout = try duration("timeoutMinutes").map(Self.milliseconds)
        patch.maxDuration = try duration("maxDurationMinutes").map(Self.milliseconds)
        patch.warning = try duration("warningThresholdMinutes").map(Self.milliseconds).map(self.clampedWarning)
        if let timeout {
            guard (self.minimumTimeout...self.maximumTimeout).contains(timeout) else {
                throw .invalidTimeout(
                    "Timeout must be between \(Self.minutes(self.minimumTimeout)) and "
                        + "\(Self.minutes(self.maximumTimeout)) minutes")
            }
            patch.timeout = timeout
        }
        return patch
    }

    private static let formatRule = "Invalid timeout configuration format"

    private func clampedWarning(_ warning: Int64) -> Int64 {
        min(max(warning, Self.shortestWarning), 2 * self.maximumTimeout)
    }

    /// Milliseconds from minutes, which may be fractional; bounded so that no sum of instants overflows.
    static func milliseconds(minutes: Double) -> Int64 {
        Int64(min(max(minutes * Double(Self.minute), -1e14), 1e14).rounded())
    }

    /// Minutes as the API writes them: whole where they are whole.
    public static func minutes(_ milliseconds: Int64) -> String {
        milliseconds % Self.minute == 0
            ? String(milliseconds / Self.minute) : String(Double(milliseconds) / Double(Self.minute))
    }

    /// What a client wrote where a number of minutes belongs.
    private enum Wish {
        case absent
        case minutes(Double)
        /// A string that is not a number.
        case text
        /// Null or another JSON type.
        case other

        init(_ value: JSON?) {
            switch value {
            case nil: self = .absent
            case .number(let literal): self = Double(literal).map(Wish.minutes) ?? .other
            case .string(let text):
                let trimmed = text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()
                if let number = Double(String(trimmed)), number.isFinite {
                    self = .minutes(number)
                } else {
                    self = .text
                }
            default: self = .other
            }
        }
    }
}
