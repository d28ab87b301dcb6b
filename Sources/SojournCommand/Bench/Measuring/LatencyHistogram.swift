/// Durations in microseconds, counted in classes that are at most 1/64 wide, so that a percentile is that exact.
struct LatencyHistogram {
    private static let bits = 6
    private var classes = [Int](repeating: 0, count: 64 << LatencyHistogram.bits)
    /// How many durations were recorded.
    private(set) var count = 0
    /// The longest one.
    private(set) var maximum = 0

    mutating func record(_ microseconds: Int) {
        let value = max(0, microseconds)
        self.classes[Self.place(of: value)] += 1
        self.count += 1
        self.maximum = max(self.maximum, value)
    }

    /// The duration that this share of all does not exceed; 0 when nothing was recorded.
    func percentile(_ percent: Double) -> Int {
        let wanted = max(1, Int((Double(self.count) * percent / 100).rounded(.up)))
        var seen = 0
        for (place, number) in self.classes.enumerated() where number > 0 {
            seen += number
            if seen >= wanted { return min(self.maximum, Self.upperEnd(of: place)) }
        }
        return 0
    }

    /// Values below 128 have a class each; above, the six bits behind the first one choose it.
    private static func place(of value: Int) -> Int {
        let shift = max(0, Int.bitWidth - value.leadingZeroBitCount - Self.bits - 1)
        return shift << Self.bits + value >> shift
    }

    private static func upperEnd(of place: Int) -> Int {
        let shift = max(0, place >> Self.bits - 1)
        // The last class ends at Int.max, and what follows it does not exist.
        return (place - shift << Self.bits + 1) << shift &- 1
    }
}
