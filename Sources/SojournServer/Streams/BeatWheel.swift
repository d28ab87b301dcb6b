import SojournLoop

/// Beats for many streams with one timer: each stream once an interval, and not all at the same moment.
/// Loop-confined.
final class BeatWheel {
    private static let slots = 16
    private var streams: [[ObjectIdentifier: EventStream]] = Array(repeating: [:], count: slots)
    private var hand = 0
    private var count = 0
    private let tick: Int
    private var timer: LoopTimer?

    /// - Parameter interval: milliseconds between two beats of a stream.
    init(loop: EventLoop, interval: Int) {
        self.tick = max(1, interval / Self.slots)
        self.timer = LoopTimer(loop: loop) { [weak self] in self?.turn() }
    }

    /// Adds a stream and returns its slot.
    func add(_ stream: EventStream) -> Int {
        let slot = Int.random(in: 0..<Self.slots)
        self.streams[slot][ObjectIdentifier(stream)] = stream
        self.count += 1
        if self.count == 1 { self.timer?.start(afterMilliseconds: self.tick) }
        return slot
    }

    func remove(_ stream: EventStream, from slot: Int) {
        guard self.streams[slot].removeValue(forKey: ObjectIdentifier(stream)) != nil else { return }
        self.count -= 1
        if self.count == 0 { self.timer?.stop() }
    }

    private func turn() {
        self.hand = (self.hand + 1) % Self.slots
        for stream in self.streams[self.hand].values { stream.beat() }
        if self.count > 0 { self.timer?.start(afterMilliseconds: self.tick) }
    }
}
