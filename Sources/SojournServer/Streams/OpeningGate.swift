import SojournLoop

/// Lets only so many streams and subscriptions of a loop be opened at a time; the others wait in line. Loop-confined.
///
/// Who opens a stream reads its session and its log. After a drain elsewhere thousands come at once, and what they
/// all need for that moment would stay in the heap, between what is kept, for as long as the streams live.
final class OpeningGate {
    private static let limit = 32
    /// Milliseconds after which those in line go in though nobody has left: while Redis does not answer, say.
    private static let patience = 2000
    private(set) var inside = 0
    /// How many wait.
    var waiting: Int { self.line.count - self.served }
    private var line: [() -> Void] = []
    /// How many of the line are inside.
    private var served = 0
    private var hasMoved = false
    private var isTiming = false
    private var timer: LoopTimer?

    init(loop: EventLoop) {
        self.timer = LoopTimer(loop: loop) { [weak self] in self?.look() }
    }

    /// Runs `body` when there is room; it must ``leave()`` once. Those in line have no task yet.
    func enter(_ body: @escaping () -> Void) {
        guard self.inside >= Self.limit else {
            self.inside += 1
            return body()
        }
        self.line.append(body)
        self.wait()
    }

    /// Makes room for the next one.
    func leave() {
        self.inside -= 1
        self.hasMoved = true
        if self.inside < Self.limit { self.admit() }
    }

    private func admit() {
        guard self.served < self.line.count else { return }
        let next = self.line[self.served]
        self.line[self.served] = {}
        self.served += 1
        if self.served == self.line.count {
            self.line = []
            self.served = 0
        }
        self.inside += 1
        next()
    }

    private func wait() {
        guard !self.isTiming else { return }
        self.isTiming = true
        self.hasMoved = false
        self.timer?.start(afterMilliseconds: Self.patience)
    }

    private func look() {
        self.isTiming = false
        if !self.hasMoved { for _ in 0..<Self.limit { self.admit() } }
        if !self.line.isEmpty { self.wait() }
    }
}
