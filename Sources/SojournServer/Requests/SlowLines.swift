import SojournCore
import SojournLoop

/// Lets some lines about what took long into the log and counts the rest: what holds up one request holds up thousands.
/// Loop-confined.
final class SlowLines {
    /// Lines in one span.
    static let most = 20
    /// Milliseconds of a span.
    static let span = 10_000

    private let loop: EventLoop
    private let log: Log
    private var end = Int.min
    private var told = 0
    private var untold = 0

    init(loop: EventLoop, log: Log) {
        self.loop = loop
        self.log = log
    }

    /// Whether one more may be told now; else it is counted, and how many those were is told when the span is over.
    func admit() -> Bool {
        if EventLoop.now >= self.end { (self.end, self.told) = (EventLoop.now + Self.span, 0) }
        if self.told < Self.most {
            self.told += 1
            return true
        }
        self.untold += 1
        if self.untold == 1 {
            self.loop.spawn { [weak self, loop] in
                await loop.sleep(milliseconds: Self.span)
                self?.sum()
            }
        }
        return false
    }

    private func sum() {
        self.log(
            .warning, "more requests and operations took long than are told one by one", ["count": "\(self.untold)"])
        self.untold = 0
    }
}
