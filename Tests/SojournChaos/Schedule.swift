import SojournTesting

/// When which harm is done: the same for the same seed and options.
enum Schedule {
    /// Each kind comes once before any comes again, in an order of its own.
    static func make(_ options: Options) -> [Fault] {
        var random = SeededGenerator(seed: options.seed)
        let kinds = Fault.Kind.allCases.filter { $0.happens(in: options) }
        var faults: [Fault] = []
        var bag: [Fault.Kind] = []
        var at = Double.random(in: 1...2, using: &random)
        while at < Double(options.seconds) - 2 {
            if bag.isEmpty { bag = kinds.shuffled(using: &random) }
            let kind = bag.removeLast()
            faults.append(
                Fault(
                    at: at, kind: kind, place: Int.random(in: 0..<3, using: &random),
                    length: Double.random(in: kind.lengths(in: options), using: &random), in: options))
            at += Double.random(in: 0.8...3.6, using: &random)
        }
        return faults
    }
}
