import SojournCore
import SojournLoop

/// How late a loop comes to what is due: a timer that looks four times a second. What it measures is what every request
/// and every event waits for at the least. Loop-confined.
final class LoopLag {
    private static let interval = 250

    /// How late it was, in microseconds.
    private(set) var times = Distribution(Distribution.quick)
    private var timer: LoopTimer?
    private var due = 0

    init(loop: EventLoop) {
        self.timer = LoopTimer(loop: loop) { [weak self] in self?.look() }
        self.wait()
    }

    private func wait() {
        self.due = EventLoop.microseconds + Self.interval * 1000
        self.timer?.start(afterMilliseconds: Self.interval)
    }

    private func look() {
        self.times.record(EventLoop.microseconds - self.due)
        self.wait()
    }
}
