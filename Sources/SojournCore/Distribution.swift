/// How often a quantity was how large, in classes: what a histogram is made of. A plain value; whoever owns it adds to it
/// on one thread.
public struct Distribution: Sendable, Equatable {
    /// The upper ends of the classes, ascending; each value belongs to the first class whose end it does not exceed, and
    /// what exceeds all to one more.
    public let bounds: [Int]
    /// How many values are in each class: one more than there are ends.
    public private(set) var counts: [Int]
    /// All values together.
    public private(set) var sum = 0

    /// No values yet, in these classes.
    public init(_ bounds: [Int]) {
        self.bounds = bounds
        self.counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// How many values there are.
    public var count: Int { self.counts.reduce(0, +) }

    /// Adds a value; one below 0 counts as 0.
    public mutating func record(_ value: Int) {
        var place = 0
        while place < self.bounds.count, value > self.bounds[place] { place += 1 }
        self.counts[place] += 1
        self.sum += max(0, value)
    }

    /// The values of two, which must have the same classes.
    public static func + (left: Self, right: Self) -> Self {
        precondition(left.bounds == right.bounds, "distributions with different classes cannot be added")
        var both = left
        for place in both.counts.indices { both.counts[place] += right.counts[place] }
        both.sum += right.sum
        return both
    }

    /// Classes for what should take milliseconds at the most: 0.25 ms to 5 s, in microseconds.
    public static let quick = [
        250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    ]
    /// Classes for what may wait: 5 ms to 10 minutes, in microseconds.
    public static let waits = [
        5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 15_000_000,
        60_000_000, 600_000_000,
    ]
}
