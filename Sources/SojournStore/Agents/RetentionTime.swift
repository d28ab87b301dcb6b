/// For how long something is kept: a whole number of days, hours, minutes or seconds, such as `90d`; or `forever`.
public struct RetentionTime: Sendable, Hashable {
    /// As it was written.
    public let text: String
    /// In ms; nil is for ever.
    public let milliseconds: Int64?

    /// Keeps for ever.
    public static let forever = RetentionTime(text: "forever", milliseconds: nil)

    private init(text: String, milliseconds: Int64?) {
        (self.text, self.milliseconds) = (text, milliseconds)
    }

    /// Reads a time; nil when it is none, or longer than a thousand years.
    public init?(_ text: String) {
        if text == "forever" {
            self = .forever
            return
        }
        let units: [Character: Int64] = ["d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()), count > 0,
            count <= 365_000 * 86_400_000 / unit
        else { return nil }
        self.init(text: text, milliseconds: count * unit)
    }
}
