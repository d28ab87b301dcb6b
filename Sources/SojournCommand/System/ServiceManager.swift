import Glibc

/// Tells the service manager that started this process how it is: one datagram a message to the socket that
/// `NOTIFY_SOCKET` names (sd_notify(3)). Without that variable nothing is said.
struct ServiceManager: Sendable {
    /// A path, or with `@` in front a name in the abstract namespace of unix(7).
    private let socketName: String?
    /// How often the manager wants to hear that the process works, in microseconds; nil is never.
    let watchdog: Int?

    init(environment: [String: String], process: pid_t = getpid()) {
        self.socketName = environment["NOTIFY_SOCKET"].nonEmpty
        let isMeant = environment["WATCHDOG_PID"].nonEmpty.map { $0 == String(process) } ?? true
        let time = environment["WATCHDOG_USEC"].nonEmpty.flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
        self.watchdog = isMeant && self.socketName != nil ? time : nil
    }

    /// Says assignments such as `READY=1`, one a line. What cannot be sent is lost: nobody waits for it here.
    func tell(_ state: String) {
        guard let name = self.socketName else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        // The length tells where an abstract name ends.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let message = Array(state.utf8)
        _ = unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(descriptor, message, message.count, CInt(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    /// Says again and again that the process works, for as long as `isWell` returns in time: a process that hangs says
    /// nothing, and is ended and started anew.
    func watch(_ isWell: @escaping @Sendable () async -> Void) -> Task<Void, Never>? {
        guard let watchdog else { return nil }
        return Task {
            while !Task.isCancelled {
                await isWell()
                self.tell("WATCHDOG=1")
                try? await Task.sleep(for: .microseconds(watchdog / 3))
            }
        }
    }
}
