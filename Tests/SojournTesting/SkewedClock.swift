import Foundation

/// A library that puts the wall clock of a process ahead, or behind.
public final class SkewedClock: Sendable {
    private static let source = """
        #define _GNU_SOURCE
        #include <stdlib.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>
        static time_t ahead(void) {
            const char *seconds = getenv("CLOCK_AHEAD");
            return seconds ? atol(seconds) : 0;
        }
        int clock_gettime(clockid_t clock, struct timespec *now) {
            int code = syscall(SYS_clock_gettime, clock, now);
            if (code == 0 && clock == CLOCK_REALTIME) now->tv_sec += ahead();
            return code;
        }
        int gettimeofday(struct timeval *now, void *zone) {
            struct timespec precise;
            (void)zone;
            clock_gettime(CLOCK_REALTIME, &precise);
            now->tv_sec = precise.tv_sec;
            now->tv_usec = precise.tv_nsec / 1000;
            return 0;
        }
        time_t time(time_t *out) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (out) *out = now.tv_sec;
            return now.tv_sec;
        }

        """

    private let folder = TemporaryFolder()

    /// Compiles it, with the C compiler of the Swift toolchain or of the system.
    public init() throws {
        let source = self.folder.file("skew.c")
        try Self.source.write(toFile: source, atomically: true, encoding: .utf8)
        let library = self.folder.file("skew.so")
        let compiler = ["clang", "cc", "/opt/swift/usr/bin/clang"].first {
            TestProcess.succeeds($0, "-shared", "-fPIC", "-o", library, source)
        }
        guard compiler != nil else {
            throw NotInTime(description: "no C compiler, which the Swift toolchain has")
        }
    }

    /// Deletes it before its owner goes.
    public func remove() { self.folder.remove() }

    /// The variables of a process whose clock is so many seconds ahead.
    public func environment(seconds: Int) -> [String: String] {
        ["LD_PRELOAD": self.folder.file("skew.so"), "CLOCK_AHEAD": "\(seconds)"]
    }
}
