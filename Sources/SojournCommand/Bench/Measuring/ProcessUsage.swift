import Glibc

/// What a process has used so far, from /proc.
struct ProcessUsage: Sendable {
    /// Microseconds of CPU, user and system, all threads. The kernel counts in ticks of 10 ms.
    let cpuMicroseconds: Int
    /// Resident bytes.
    let residentBytes: Int

    /// Nil when there is no such process, or it is not ours to look at.
    init?(of process: pid_t) {
        guard let stat = File.text("/proc/\(process)/stat"), let name = stat.lastIndex(of: ")"),
            let memory = File.text("/proc/\(process)/statm")?.split(separator: " ")
        else { return nil }
        // The name may hold spaces; behind it come state, and then what proc(5) counts from 4 on.
        let fields = stat[name...].split(separator: " ")
        guard fields.count > 22, memory.count > 1, let user = Int(fields[12]), let system = Int(fields[13]),
            let pages = Int(memory[1])
        else { return nil }
        self.cpuMicroseconds = (user + system) * 1_000_000 / sysconf(Int32(_SC_CLK_TCK))
        self.residentBytes = pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
