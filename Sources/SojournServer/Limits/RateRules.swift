public import SojournStore

/// Which limits hold for whom. Without a rule there is no limit.
public struct RateRules: Sendable, Hashable {
    /// What is counted together.
    public enum Scope: String, Sendable, CaseIterable {
        /// All requests with one API key.
        case key
        /// All requests for the sessions of one user.
        case user
        /// All requests for one session.
        case session
        /// All requests of one address that come without a valid key or token.
        case address
    }

    /// What is counted apart: a heartbeat is never a write.
    public enum Kind: String, Sendable, CaseIterable {
        case read
        case write
        case heartbeat
    }

    private var limits: [Scope: [Kind: RateLimit]] = [:]

    /// No limits.
    public init() {}

    /// The limit of one scope and kind.
    public subscript(scope: Scope, kind: Kind) -> RateLimit? {
        get { self.limits[scope]?[kind] }
        set { self.limits[scope, default: [:]][kind] = newValue }
    }

    /// Whether there is no limit at all.
    public var isEmpty: Bool { self.limits.isEmpty }

    func has(_ scope: Scope) -> Bool { self.limits[scope] != nil }

    /// Adds the rules of a text such as `user.write=60/m:10, address.read=5/s`: who, what, how many in a second (`s`),
    /// minute (`m`) or hour (`h`), and how many at once, which is as many as in the period unless it is said. False when
    /// the text is none.
    public mutating func add(_ text: String) -> Bool {
        for part in text.split(separator: ",") {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false)
            guard sides.count == 2, let (scope, kind) = Self.subject(Self.trimmed(sides[0])),
                let limit = Self.limit(Self.trimmed(sides[1]))
            else { return false }
            self[scope, kind] = limit
        }
        return true
    }

    private static func subject(_ text: Substring) -> (Scope, Kind)? {
        let words = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 2, let scope = Scope(rawValue: words[0]), let kind = Kind(rawValue: words[1]) else {
            return nil
        }
        return (scope, kind)
    }

    private static func limit(_ text: Substring) -> RateLimit? {
        let halves = text.split(separator: ":", omittingEmptySubsequences: false)
        let rate = halves[0].split(separator: "/", omittingEmptySubsequences: false)
        let periods = ["s": 1000, "m": 60_000, "h": 3_600_000]
        guard halves.count <= 2, rate.count == 2, let count = Int(rate[0]), (1...1_000_000).contains(count),
            let period = periods[String(rate[1])]
        else { return nil }
        guard halves.count == 2 else { return RateLimit(count: count, period: period) }
        guard let burst = Int(halves[1]), (1...1_000_000).contains(burst) else { return nil }
        return RateLimit(count: count, period: period, burst: burst)
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
