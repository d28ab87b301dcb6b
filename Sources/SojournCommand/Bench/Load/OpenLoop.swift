import Dispatch
import Glibc
import SojournLoop

/// Sends requests at set times, whether or not earlier ones are answered, and measures each from its set time.
///
/// A server that stops for a second is thereby charged with all the requests that fell into that second; a
/// generator that waits for answers would have left them out. Loop-confined.
final class OpenLoop {
    /// What a run came to.
    struct Outcome {
        var latencies = LatencyHistogram()
        var answered = 0
        /// Answers other than 2xx, and broken connections, by status.
        var errors: [Int: Int] = [:]
        /// Requests without an answer at the end.
        var lost = 0
        /// From the first set time to the last answer, in seconds.
        var seconds = 0.0
        /// The first answer that was an error.
        var firstError = ""
    }

    private let loop: EventLoop
    private let rate: Double
    private let total: Int
    private let make: (_ number: Int, _ due: Int) -> [UInt8]
    private let taken: ((_ number: Int, LoadConnection.Reply) -> Void)?
    private var idle: [any LoadLink]
    private var backlog: [(number: Int, due: Int)] = []
    private var backlogFront = 0
    private var started = 0
    private var scheduled = 0
    private var outstanding = 0
    /// When the last answer came.
    private var lastAnswer = 0
    private var outcome = Outcome()
    private var finish: (() -> Void)?

    /// - Parameters:
    ///   - rate: requests a second.
    ///   - make: the request with this number; `due` is its set time in microseconds of the monotonic clock.
    ///   - taken: is shown every good answer.
    init(
        loop: EventLoop, connections: [any LoadLink], rate: Double, total: Int,
        make: @escaping (_ number: Int, _ due: Int) -> [UInt8],
        taken: ((_ number: Int, LoadConnection.Reply) -> Void)? = nil
    ) {
        self.loop = loop
        self.idle = connections
        self.rate = rate
        self.total = total
        self.make = make
        self.taken = taken
    }

    /// Microseconds without any answer after which the missing ones are lost.
    private static let patience = 10_000_000

    /// Microseconds of the monotonic clock.
    static func now() -> Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }

    /// Runs to the end; `progress` is called twice a second. It waits for late answers until none has come for ten seconds.
    func run(progress: @escaping (_ answered: Int, _ total: Int) -> Void = { _, _ in }) async -> Outcome {
        guard self.total > 0 else { return self.outcome }
        self.started = Self.now()
        self.lastAnswer = self.started
        var told = self.started
        // Not the loop's own timers: those count in steps of the coarse clock, 4 ms.
        let pacer = DispatchSource.makeTimerSource(flags: .strict, queue: .global(qos: .userInteractive))
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            self.finish = { continuation.resume() }
            let tick = Confined(
                { [weak self] in
                    // The last tick may still be on its way here when the run is over.
                    guard let self, self.finish != nil else { return }
                    let now = Self.now()
                    self.tick(now)
                    if now - told > 500_000 {
                        told = now
                        progress(self.outcome.answered, self.total)
                    }
                    if self.scheduled == self.total, now - self.lastAnswer > Self.patience { self.end() }
                }, to: self.loop)
            pacer.setEventHandler { [loop] in loop.execute { tick.value() } }
            pacer.schedule(deadline: .now(), repeating: .microseconds(250), leeway: .nanoseconds(0))
            pacer.activate()
        }
        pacer.cancel()
        self.outcome.lost = self.total - self.outcome.answered - self.outcome.errors.values.reduce(0, +)
        self.outcome.seconds = Double(Self.now() - self.started) / 1_000_000
        return self.outcome
    }

    private func end() {
        let finish = self.finish
        self.finish = nil
        finish?()
    }

    private func tick(_ now: Int) {
        while self.scheduled < self.total {
            let due = self.started + Int(Double(self.scheduled) / self.rate * 1_000_000)
            guard due <= now else { break }
            if let connection = self.idle.popLast() {
                self.send(self.scheduled, due: due, on: connection)
            } else {
                self.backlog.append((self.scheduled, due))
            }
            self.scheduled += 1
        }
    }

    private func send(_ number: Int, due: Int, on connection: any LoadLink) {
        self.outstanding += 1
        connection.send(self.make(number, due)) { [weak self] reply in
            self?.answered(number, due: due, reply, on: connection)
        }
    }

    private func answered(_ number: Int, due: Int, _ reply: LoadConnection.Reply, on connection: any LoadLink) {
        self.outstanding -= 1
        self.lastAnswer = Self.now()
        if (200..<300).contains(reply.status) {
            self.outcome.answered += 1
            self.outcome.latencies.record(Self.now() - due)
            self.taken?(number, reply)
        } else {
            if self.outcome.errors.isEmpty { self.outcome.firstError = String(decoding: reply.body, as: UTF8.self) }
            self.outcome.errors[reply.status, default: 0] += 1
        }
        if self.backlogFront < self.backlog.count {
            let next = self.backlog[self.backlogFront]
            self.backlogFront += 1
            self.send(next.number, due: next.due, on: connection)
        } else {
            self.idle.append(connection)
            if self.scheduled == self.total, self.outstanding == 0 { self.end() }
        }
    }
}
