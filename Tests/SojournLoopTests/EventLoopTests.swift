import Foundation
import SojournTesting
import Testing

@testable import SojournLoop

/// Something that must only be touched on its loop.
private final class Counter {
    let loop: EventLoop
    private(set) var value = 0
    init(loop: EventLoop) { self.loop = loop }
    func add() {
        self.loop.checkIsolated()
        self.value += 1
    }
}

/// Counts, on any thread.
private final class Tally: Sendable {
    private let locked = Locked(0)
    var count: Int { self.locked.withLock { $0 } }
    func add() { self.locked.withLock { $0 += 1 } }
}

private func helper(_ loop: EventLoop) async -> Bool {
    await Task.yield()
    return loop.isCurrent
}

@Suite struct EventLoopTests {
    @Test func `run hops to the loop and brings the answer back`() async throws {
        let loop = EventLoop(name: "run")
        defer { loop.stop() }
        let answer = try await loop.run { loop.isCurrent ? 42 : 0 }
        #expect(answer == 42)
        #expect(!loop.isCurrent)
    }

    @Test func `run throws what its body throws`() async throws {
        struct Broken: Error {}
        let loop = EventLoop(name: "throws")
        defer { loop.stop() }
        await #expect(throws: Broken.self) { try await loop.run { throw Broken() } }
    }

    @Test func `a spawned task stays on the loop after every kind of await`() async throws {
        let loop = EventLoop(name: "stays")
        defer { loop.stop() }
        let places = Locked<[Bool]>([])
        try await loop.run {
            let counter = Counter(loop: loop)
            let done = AsyncStream<Void>.makeStream()
            loop.spawn {
                counter.add()
                let first = await helper(loop)
                await loop.sleep(milliseconds: 1)
                let second = loop.isCurrent
                await withCheckedContinuation { continuation in
                    DispatchQueue.global().async { continuation.resume() }
                }
                let third = loop.isCurrent
                counter.add()
                async let child = helper(loop)
                let fourth = await child
                let fifth = await withTaskGroup(of: Bool.self) { group in
                    for _ in 0..<10 { group.addTask { await helper(loop) } }
                    var all = true
                    for await one in group { all = all && one }
                    return all && loop.isCurrent
                }
                let result = [first, second, third, fourth, fifth, counter.value == 2]
                places.withLock { $0 = result }
                done.continuation.finish()
            }
            for await _ in done.stream {}
        }
        #expect(places.withLock { $0 } == [true, true, true, true, true, true])
    }

    @Test func `wake-ups from many threads lose no job`() async throws {
        let loop = EventLoop(name: "wakeups")
        defer { loop.stop() }
        let tally = Tally()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { @concurrent in
                    for _ in 0..<500 {
                        loop.execute { tally.add() }
                        try? await loop.run { tally.add() }
                    }
                }
            }
        }
        try await eventually { tally.count == 8_000 }
    }

    @Test func `awaiting what is ready on the loop needs no wake-up`() async throws {
        let loop = EventLoop(name: "hops")
        defer { loop.stop() }
        let hops = try await loop.run {
            let before = loop.jobsRun
            for _ in 0..<1_000 { await ready(loop) }
            return loop.jobsRun - before
        }
        #expect(hops == 0)
    }

    @Test func `timers fire in the order of their deadlines and a stopped one never`() async throws {
        let loop = EventLoop(name: "timers")
        defer { loop.stop() }
        let order = try await loop.run {
            var order: [Int] = []
            let last = AsyncStream<Void>.makeStream()
            let late = LoopTimer(loop: loop) {
                order.append(30)
                last.continuation.finish()
            }
            let early = LoopTimer(loop: loop) { order.append(5) }
            let never = LoopTimer(loop: loop) { order.append(-1) }
            let moved = LoopTimer(loop: loop) { order.append(15) }
            moved.start(afterMilliseconds: 1)
            late.start(afterMilliseconds: 60)
            never.start(afterMilliseconds: 10)
            early.start(afterMilliseconds: 5)
            moved.start(afterMilliseconds: 30)
            never.stop()
            for await _ in last.stream {}
            return order
        }
        #expect(order == [5, 15, 30])
    }

    @Test func `a timer that lets go of itself in its handler is safe`() async throws {
        let loop = EventLoop(name: "selfless")
        defer { loop.stop() }
        let fired = Locked(0)
        try await loop.run {
            final class Holder { var timer: LoopTimer? }
            for _ in 0..<50 {
                let holder = Holder()
                holder.timer = LoopTimer(loop: loop) {
                    holder.timer = nil
                    fired.withLock { $0 += 1 }
                }
                holder.timer?.start(afterMilliseconds: 0)
            }
        }
        try await eventually { fired.withLock { $0 } == 50 }
    }

    @Test func `what is asked for the end of the tick runs once, after the jobs of the pass`() async throws {
        let loop = EventLoop(name: "tick")
        defer { loop.stop() }
        let order = Locked<[String]>([])
        try await loop.run {
            loop.atEndOfTick { order.withLock { $0.append("end") } }
            order.withLock { $0.append("body") }
        }
        try await eventually { order.withLock { $0.count } >= 2 }
        try await loop.run {}
        #expect(order.withLock { $0 } == ["body", "end"])
    }

    @Test func `a busy loop still serves its timers`() async throws {
        let loop = EventLoop(name: "busy")
        defer { loop.stop() }
        let fired = Locked(false)
        try await loop.run {
            let timer = LoopTimer(loop: loop) { fired.withLock { $0 = true } }
            timer.start(afterMilliseconds: 1)
            while !fired.withLock({ $0 }) { await Task.yield() }
            timer.stop()
        }
        #expect(fired.withLock { $0 })
    }

    @Test func `an object of a loop that is touched on another thread stops the process with a sentence`() async throws
    {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let loop = EventLoop(name: "mine")
            let box = try await loop.run { Confined([1], to: loop) }
            _ = box.value
        }
        let words = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
        #expect(words.contains("an object of event loop mine was used on another thread"), "\(words)")
    }

    @Test func `stopping runs what was queued and drops what comes later`() async throws {
        // Many times, because the wake-up of the stop must not be lost behind that of a call.
        for calls in 0..<200 {
            let loop = EventLoop(name: "stop")
            let count = Locked(0)
            for _ in 0..<calls { loop.execute { count.withLock { $0 += 1 } } }
            loop.stop()
            loop.stop()
            #expect(count.withLock { $0 } == calls)
            #expect(!loop.execute { count.withLock { $0 += 1 } })
            #expect(count.withLock { $0 } == calls)
        }
    }

    @Test func `a stopped loop is freed`() async throws {
        weak var gone: EventLoop?
        do {
            let loop = EventLoop(name: "freed")
            gone = loop
            try await loop.run {}
            loop.stop()
        }
        try await eventually { gone == nil }
    }
}

private func ready(_ loop: EventLoop) async {
    loop.checkIsolated()
    await withCheckedContinuation { $0.resume() }
}
