import Glibc
import SojournCore

/// An estimate of the time that sessions see: the last Redis time that an answer carried, plus what has
/// passed since on this machine's monotonic clock. It names things; it never decides anything.
final class ServerClock {
    private var seen = Instant(milliseconds: 0)
    private var seenAt: Int64 = 0

    /// Takes the time from an answer.
    func note(_ now: Instant) {
        self.seen = now
        self.seenAt = Self.monotonic()
    }

    /// The time now, or 1970 before the first answer.
    var now: Instant { self.seenAt == 0 ? self.seen : self.seen + (Self.monotonic() - self.seenAt) }

    /// Milliseconds of the monotonic clock.
    static func monotonic() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
