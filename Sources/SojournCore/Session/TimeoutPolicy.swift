/// How long a session lives and when it is warned. All durations are milliseconds.
public struct TimeoutPolicy: Sendable, Hashable {
    /// How long the session outlives its base (its last renewal).
    public var timeout: Int64
    /// Whether messages and heartbeats renew the session.
    public var autoRenew: Bool
    /// How long the session may live in all, from its creation.
    public var maxDuration: Int64
    /// How long before the deadline the warning comes, if the timeout is long enough.
    public var warning: Int64

    /// A policy; nothing is clamped here.
    public init(timeout: Int64, autoRenew: Bool, maxDuration: Int64, warning: Int64) {
        self.timeout = timeout
        self.autoRenew = autoRenew
        self.maxDuration = maxDuration
        self.warning = warning
    }

    /// How long before the deadline the warning really comes: never more than half of the timeout, so that
    /// a renewal always leaves the warning zone.
    public var effectiveLead: Int64 { min(self.warning, self.timeout / 2) }

    /// The deadline (law 1): `min(max(base + timeout, lease end, interaction deadline), createdAt + maxDuration)`.
    public func expiresAt(
        createdAt: Instant, base: Instant, leaseEnd: Instant? = nil, interactionDeadline: Instant? = nil
    ) -> Instant {
        let wanted = [leaseEnd, interactionDeadline].compactMap { $0 }.reduce(base + self.timeout) { max($0, $1) }
        return min(wanted, createdAt + self.maxDuration)
    }
}

/// A partial change of a policy; nil keeps the current value.
public struct TimeoutPatch: Sendable, Hashable {
    /// The new timeout in milliseconds, within the bounds already.
    public var timeout: Int64?
    /// The new auto-renewal.
    public var autoRenew: Bool?
    /// The new maximum duration in milliseconds; clamped where the current timeout is known.
    public var maxDuration: Int64?
    /// The new warning threshold in milliseconds, at least a minute already.
    public var warning: Int64?

    /// A change.
    public init(timeout: Int64? = nil, autoRenew: Bool? = nil, maxDuration: Int64? = nil, warning: Int64? = nil) {
        self.timeout = timeout
        self.autoRenew = autoRenew
        self.maxDuration = maxDuration
        self.warning = warning
    }
}
