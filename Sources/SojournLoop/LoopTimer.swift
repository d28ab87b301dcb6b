import CEvent
import Glibc

/// A one-shot timer of a loop, on the monotonic clock. Loop only.
///
/// Starting it again moves it. It holds its handler until it is stopped or gone; a handler that captures
/// the timer's owner must do so weakly or stop the timer.
@safe public final class LoopTimer {
    private let loop: EventLoop
    private let handler: () -> Void
    private var event: OpaquePointer?

    /// A timer that is not started yet.
    public init(loop: EventLoop, handler: @escaping () -> Void) {
        self.loop = loop
        self.handler = handler
        unsafe self.event = event_new(
            loop.base, -1, 0,
            { _, _, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<LoopTimer>.fromOpaque(context).takeUnretainedValue().handler()
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit { unsafe event_free(self.event) }

    /// Fires once, `milliseconds` from now; an earlier start is forgotten.
    public func start(afterMilliseconds milliseconds: Int) {
        self.loop.checkIsolated()
        let bounded = max(0, milliseconds)
        var time = timeval(tv_sec: bounded / 1000, tv_usec: bounded % 1000 * 1000)
        unsafe event_add(self.event, &time)
    }

    /// Forgets the start, if any.
    public func stop() {
        self.loop.checkIsolated()
        unsafe event_del(self.event)
    }
}

extension EventLoop {
    /// Suspends the task for `milliseconds`, on the loop's own timers. Loop only.
    public func sleep(milliseconds: Int) async {
        self.checkIsolated()
        var timer: LoopTimer?
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            timer = LoopTimer(loop: self) { continuation.resume() }
            timer?.start(afterMilliseconds: milliseconds)
        }
        timer?.stop()
    }
}
