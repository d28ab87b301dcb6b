import Glibc

extension EventLoop {
    /// Milliseconds of the monotonic clock (`CLOCK_MONOTONIC`): for deadlines on this machine, never for dates.
    public static var now: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    /// Microseconds of the same clock: for measuring.
    public static var microseconds: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }
}
