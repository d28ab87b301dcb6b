import SojournCore

/// The requests of one route on one loop since its start.
struct RequestTally: Sendable {
    /// Answers by the first digit of their status.
    private(set) var answers = [Int](repeating: 0, count: 6)
    /// How long the answers took that did not wait for something outside, in microseconds.
    private(set) var times = Distribution(Distribution.quick)

    mutating func record(_ status: Int, _ microseconds: Int?) {
        self.answers[min(max(status / 100, 0), 5)] += 1
        if let microseconds { self.times.record(microseconds) }
    }

    static func + (left: Self, right: Self) -> Self {
        var both = left
        for place in both.answers.indices { both.answers[place] += right.answers[place] }
        both.times = left.times + right.times
        return both
    }
}
