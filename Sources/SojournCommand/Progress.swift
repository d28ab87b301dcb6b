import Glibc
import SojournLoop

/// Tells on standard error how far a long piece of work is: nothing during the first two seconds, then once a second on a
/// terminal, in one line, and every ten seconds elsewhere.
final class Progress: Sendable {
    private struct State {
        var next: Int
        var hasTold = false
    }

    private let what: String
    private let begin = EventLoop.now
    private let isTerminal = isatty(2) == 1
    private let state: Locked<State>

    init(_ what: String) {
        self.what = what
        self.state = Locked(State(next: EventLoop.now + 2_000))
    }

    /// Seconds since the beginning.
    var seconds: Double { Double(EventLoop.now - self.begin) / 1_000 }

    /// Tells how much of how much is done, if it is time to.
    func tell(_ done: Int, of total: Int, _ unit: String) {
        self.tell { "\(done) of \(total) \(unit)" + (total > 0 ? " (\(min(100, done * 100 / total)) %)" : "") }
    }

    /// Tells something, if it is time to.
    func tell(_ text: () -> String) {
        let now = EventLoop.now
        let isDue = self.state.withLock { state -> Bool in
            guard now >= state.next else { return false }
            state.next = now + (self.isTerminal ? 1_000 : 10_000)
            state.hasTold = true
            return true
        }
        guard isDue else { return }
        let line = "\(self.what): \(text()), \((now - self.begin) / 1_000) s"
        File.write(Array((self.isTerminal ? "\r\u{1B}[K\(line)" : line + "\n").utf8), to: 2)
    }

    /// Clears the line.
    func end() {
        if self.isTerminal, self.state.withLock({ $0.hasTold }) { File.write(Array("\r\u{1B}[K".utf8), to: 2) }
    }

    /// Runs something that cannot say how far it is, and tells that it still runs.
    func during<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result, _ text: @escaping @Sendable () -> String
    ) async throws -> Result {
        let ticker = Task { [self] in
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(500))
                self.tell(text)
            }
        }
        defer {
            ticker.cancel()
            self.end()
        }
        return try await body()
    }
}

/// Sizes and times for people.
enum Shown {
    static func bytes(_ count: Int) -> String {
        var (size, unit) = (Double(count), 0)
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
        while size >= 1_024, unit < units.count - 1 {
            size /= 1_024
            unit += 1
        }
        return BenchReport.text((size * 10).rounded() / 10) + " " + units[unit]
    }

    static func path(_ path: String) -> Int {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
