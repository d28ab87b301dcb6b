import SojournCore

@testable import SojournStore

/// The reference: what the queue of one session must do, without leases, scripts or Redis.
struct TurnModel: Equatable {
    enum Entry: Equatable {
        case turn(Int)
        case steered(seq: Int)
    }

    struct Record: Equatable {
        var status = TurnStatus.queued
        var input: [Int]
        var attempt = 0
    }

    var turns: [Int: Record] = [:]
    var queue: [Entry] = []
    var running: Int?
    var last = 0
    let attempts: Int
    let bound: Int

    init(attempts: Int, bound: Int) {
        self.attempts = attempts
        self.bound = bound
    }

    private mutating func open(_ seq: Int, atFront: Bool = false) {
        self.last += 1
        self.turns[self.last] = Record(input: [seq])
        self.queue.insert(.turn(self.last), at: atFront ? 0 : self.queue.count)
    }

    /// Nil when the message is accepted, else the code of its refusal.
    mutating func say(_ mode: IfBusy, seq: () -> Int) -> StoreError.Code? {
        if mode == .reject, self.running != nil || !self.queue.isEmpty { return .sessionBusy }
        if self.queue.count >= self.bound { return .rateLimited }
        switch mode {
        case .steer where self.running != nil: self.queue.append(.steered(seq: seq()))
        case .interrupt where self.running != nil:
            self.end(.cancelled)
            self.open(seq(), atFront: true)
        default: self.open(seq())
        }
        return nil
    }

    private mutating func unsteer() {
        for (place, entry) in self.queue.enumerated() {
            guard case .steered(let seq) = entry else { continue }
            self.last += 1
            self.turns[self.last] = Record(input: [seq])
            self.queue[place] = .turn(self.last)
        }
    }

    mutating func end(_ status: TurnStatus) {
        guard let running else { return }
        self.turns[running]?.status = status
        self.running = nil
        self.unsteer()
    }

    mutating func requeue(counted: Bool) {
        guard let running else { return }
        self.turns[running]?.status = .queued
        if !counted { self.turns[running]?.attempt -= 1 }
        self.running = nil
        self.unsteer()
        self.queue.insert(.turn(running), at: 0)
    }

    /// The worker is gone, or failed and may be tried again.
    mutating func retry() {
        guard let running, let attempt = self.turns[running]?.attempt else { return }
        if attempt < self.attempts { self.requeue(counted: true) } else { self.end(.failed) }
    }

    mutating func lease() -> Int? {
        guard self.running == nil, case .turn(let number)? = self.queue.first else { return nil }
        self.queue.removeFirst()
        self.running = number
        self.turns[number]?.status = .running
        self.turns[number]?.attempt += 1
        return number
    }

    mutating func extend() {
        guard let running else { return }
        for case .steered(let seq) in self.queue { self.turns[running]?.input.append(seq) }
        self.queue.removeAll { if case .steered = $0 { true } else { false } }
    }

    mutating func cancel() {
        if self.running != nil {
            self.end(.cancelled)
        } else if case .turn(let number)? = self.queue.first {
            self.queue.removeFirst()
            self.turns[number]?.status = .cancelled
        }
    }

    mutating func cancel(place: Int) {
        if case .turn(let number) = self.queue.remove(at: place) { self.turns[number]?.status = .cancelled }
    }
}
