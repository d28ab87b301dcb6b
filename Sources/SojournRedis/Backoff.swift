/// The pauses between attempts: they double from the shortest to the longest, each drawn from its upper half,
/// so that many clients of one server do not come back in step.
struct Backoff {
    let range: ClosedRange<Int>
    private var attempt = 0

    init(_ range: ClosedRange<Int>) { self.range = range }

    /// The next pause in milliseconds.
    mutating func next() -> Int {
        var generator = SystemRandomNumberGenerator()
        return self.next(using: &generator)
    }

    mutating func next(using generator: inout some RandomNumberGenerator) -> Int {
        let full = min(self.range.upperBound, max(1, self.range.lowerBound) << min(self.attempt, 20))
        self.attempt += 1
        return Int.random(in: (full + 1) / 2...full, using: &generator)
    }

    mutating func reset() { self.attempt = 0 }
}
