/// Where each value of a session's policy comes from: the session wins over its agent, the agent over the environment.
public struct TimeoutSources: Sendable, Hashable {
    /// A place where timeouts are set.
    public enum Source: String, Sendable, CaseIterable {
        /// The create request, or a change since.
        case session
        /// The agent's settings.
        case agent
        /// The variables of the node.
        case environment

        var letter: Character {
            switch self {
            case .session: "s"
            case .agent: "a"
            case .environment: "e"
            }
        }

        init?(_ letter: UInt8?) {
            switch letter {
            case UInt8(ascii: "s"): self = .session
            case UInt8(ascii: "a"): self = .agent
            case UInt8(ascii: "e"): self = .environment
            default: return nil
            }
        }
    }

    /// Where the timeout comes from.
    public var timeout: Source
    /// Where the auto-renewal comes from.
    public var autoRenew: Source
    /// Where the maximum duration comes from.
    public var maxDuration: Source
    /// Where the warning threshold comes from.
    public var warning: Source

    /// All from one place.
    public init(_ source: Source) {
        self.timeout = source
        self.autoRenew = source
        self.maxDuration = source
        self.warning = source
    }

    /// Reads what ``letters`` wrote; nil for anything else.
    public init?(letters: String) {
        var rest = letters.utf8[...]
        guard rest.count == 4, let timeout = Source(rest.popFirst()), let autoRenew = Source(rest.popFirst()),
            let maxDuration = Source(rest.popFirst()), let warning = Source(rest.popFirst())
        else { return nil }
        self.timeout = timeout
        self.autoRenew = autoRenew
        self.maxDuration = maxDuration
        self.warning = warning
    }

    /// One letter each: timeout, auto-renewal, maximum duration, warning.
    public var letters: String {
        String([self.timeout, self.autoRenew, self.maxDuration, self.warning].map(\.letter))
    }

    /// Notes that these values of a `timeoutConfig` come from `source`: those that would count in a create.
    public mutating func take(_ source: Source, _ config: JSON?) {
        func isNumber(_ name: String) -> Bool {
            switch config?[name] {
            case .number?: true
            case .string(let text)?: Double(text.filter { !$0.isWhitespace })?.isFinite ?? false
            default: false
            }
        }
        if isNumber("timeoutMinutes") { self.timeout = source }
        if config?["autoRenew"]?.bool != nil { self.autoRenew = source }
        if isNumber("maxDurationMinutes") { self.maxDuration = source }
        if isNumber("warningThresholdMinutes") { self.warning = source }
    }
}
