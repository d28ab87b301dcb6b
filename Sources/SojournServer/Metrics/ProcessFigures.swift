import Glibc

/// What the system knows of this process; proc(5).
struct ProcessFigures {
    /// Resident memory in bytes.
    let residentBytes: Int
    /// Processor time, of user and system, in microseconds.
    let processorMicroseconds: Int
    /// When it started, in seconds since 1970.
    let startedAt: Int
    /// The most descriptors that it may have open.
    let descriptorLimit: Int

    /// The figures now; those that cannot be read are 0.
    static var now: ProcessFigures {
        let pages = Self.words("/proc/self/statm").dropFirst().first.flatMap { Int($0) } ?? 0
        var usage = rusage()
        unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let times = [usage.ru_utime, usage.ru_stime]
        return ProcessFigures(
            residentBytes: pages * sysconf(CInt(_SC_PAGESIZE)),
            processorMicroseconds: times.reduce(0) { $0 + $1.tv_sec * 1_000_000 + $1.tv_usec },
            startedAt: Self.start, descriptorLimit: Int(limit.rlim_cur))
    }

    /// The start as ticks since the machine's own start: the 22nd word of `stat`, 20th behind the name in parentheses.
    private static let start: Int = {
        let ticks = Self.text("/proc/self/stat").split(separator: ")").last?.split(separator: " ")
            .dropFirst(19).first.flatMap { Int($0) }
        let boot = Self.text("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
            .flatMap { Int($0.dropFirst(6)) }
        guard let ticks, let boot else { return 0 }
        return boot + ticks / max(1, sysconf(CInt(_SC_CLK_TCK)))
    }()

    private static func words(_ path: String) -> [Substring] { Self.text(path).split(separator: " ") }

    private static func text(_ path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: text, as: UTF8.self) }
            text += buffer[..<count]
        }
    }
}
