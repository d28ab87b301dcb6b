/// Lets only so many streams of a loop be opened at a time; the others wait in line. Loop-confined.
///
/// Who opens a stream reads its session and its log. After a drain elsewhere thousands come at once, and what they
/// all need for that moment would stay in the heap, between what is kept, for as long as the streams live.
final class OpeningGate {
    private static let limit = 32
    private var inside = 0
    private var line: [() -> Void] = []
    /// How many of the line are inside.
    private var served = 0

    /// Runs `body` when there is room; it must ``leave()`` once. Those in line have no task yet.
    func enter(_ body: @escaping () -> Void) {
        if self.inside < Self.limit {
            self.inside += 1
            body()
        } else {
            self.line.append(body)
        }
    }

    /// Makes room for the next one.
    func leave() {
        guard self.served < self.line.count else {
            self.inside -= 1
            return
        }
        let next = self.line[self.served]
        self.line[self.served] = {}
        self.served += 1
        if self.served == self.line.count {
            self.line = []
            self.served = 0
        }
        next()
    }
}
