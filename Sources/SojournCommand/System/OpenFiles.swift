import Glibc

/// How many files and connections this process may have open.
enum OpenFiles {
    /// Raises the limit as far as the system lets this user, and tells it. What shells set is kept low for the sake of
    /// programs that use select(2).
    static func raiseLimit() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// How many connections each of some loops may have so that files are left for the rest of the node: Redis, the
    /// archive, the listening sockets.
    static func connections(of loops: Int, limit: Int) -> Int { max(1, (limit - 128 - 8 * loops) / loops) }
}
