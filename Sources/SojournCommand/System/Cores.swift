import CSojournSystem
import Glibc

/// How many cores this process may use.
enum Cores {
    /// The cores it may run on, or the quota of its control group where that is less; at least one.
    static var available: Int {
        let affinity = Int(sojourn_affinity())
        let cores = affinity > 0 ? affinity : sysconf(Int32(_SC_NPROCESSORS_ONLN))
        return max(1, min(cores, self.quota ?? cores))
    }

    /// The quota of cgroup v2, rounded up; that of v1 has two files in a place of its own.
    private static var quota: Int? {
        let group =
            File.text("/proc/self/cgroup")?.split(separator: "\n").first { $0.hasPrefix("0::") }?.dropFirst(3) ?? "/"
        for path in ["/sys/fs/cgroup\(group)/cpu.max", "/sys/fs/cgroup/cpu.max"] {
            if let text = File.text(path) { return self.cores(cpuMax: text) }
        }
        guard let quota = File.text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
            let period = File.text("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
        else { return nil }
        return self.cores(cpuMax: quota.trimmed + " " + period.trimmed)
    }

    /// The cores of a line `quota period` in microseconds; nil when the quota is `max` or -1.
    static func cores(cpuMax line: String) -> Int? {
        let numbers = line.split { $0.isWhitespace }.map { Int($0) }
        guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0 else {
            return nil
        }
        return (quota + period - 1) / period
    }
}
