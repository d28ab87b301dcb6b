import Glibc

/// A bare connection of an attacker, of whom there are thousands: nothing is waited for, and nothing that comes is kept.
struct RawSocket {
    private let descriptor: CInt
    private(set) var isOpen: Bool

    init(port: Int) {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        self.descriptor = descriptor
        self.isOpen = descriptor >= 0 && code == 0
        var on: CInt = 1
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    /// Sends what the kernel takes.
    mutating func send(_ bytes: [UInt8]) {
        guard self.isOpen, !bytes.isEmpty else { return }
        let count = Glibc.send(self.descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
        if count < 0, errno != EAGAIN { self.isOpen = false }
    }

    /// Takes what has come, and notices the end of the connection; how many bytes there were.
    @discardableResult mutating func drain() -> Int {
        var all = 0
        while self.isOpen {
            let count = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) {
                recv(self.descriptor, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT))
            }
            if count < 0, errno == EAGAIN { break }
            if count <= 0 { self.isOpen = false } else { all += count }
            if count < 4096 { break }
        }
        return all
    }

    /// Leaves with a reset, so that nothing of it stays in the kernel.
    func close() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        Glibc.close(self.descriptor)
    }
}
