import Foundation
public import SojournLoop

/// A listening socket on a free TCP port of 127.0.0.1 or on a Unix path, with one accepting thread.
public final class TestListener: Sendable {
    /// Where to connect.
    public let endpoint: Endpoint
    private let fd: CInt

    /// Listens; hands each accepted descriptor to `accepted`, which owns it, on the accepting thread.
    public init(unixPath: String? = nil, accepted: @escaping @Sendable (CInt) -> Void) {
        let fd: CInt
        if let unixPath {
            fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
            precondition(Self.withUnix(unixPath) { bind(fd, $0, $1) } == 0, "bind \(unixPath): errno \(errno)")
            self.endpoint = .unix(path: unixPath)
        } else {
            fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
            guard let port = Self.bindLoopback(fd) else { preconditionFailure("bind: errno \(errno)") }
            self.endpoint = .tcp(host: "127.0.0.1", port: port)
        }
        precondition(listen(fd, 128) == 0, "listen: errno \(errno)")
        self.fd = fd
        Thread.detachNewThread {
            while true {
                let client = accept(fd, nil, nil)
                if client < 0 { break }
                _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                accepted(client)
            }
            Glibc.close(fd)
        }
    }

    deinit { self.stop() }

    /// Stops accepting. Idempotent while the listener is held.
    public func stop() { shutdown(self.fd, CInt(SHUT_RDWR)) }

    /// Binds a socket to this port, or to one that is free now, and returns it; nil when it is taken.
    @discardableResult
    public static func bindLoopback(_ fd: CInt, port: Int = 0) -> Int? {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, length) == 0 && getsockname(fd, $0, &length) == 0
            }
        }
        return isBound ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }

    /// Lends the socket address of a Unix path.
    static func withUnix<Result>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Below the ports that the system gives to those who connect, so that none of them takes one that was found free.
    private static let nextPort = Locked(Int.random(in: 12_000..<32_000))

    /// A TCP port of 127.0.0.1 that is free at the moment, and that nobody else in this process is told of soon.
    public static func freePort() -> Int {
        while true {
            let port = Self.nextPort.withLock { next in
                next = next < 32_000 ? next + 1 : 12_000
                return next
            }
            let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            defer { Glibc.close(fd) }
            if Self.bindLoopback(fd, port: port) != nil { return port }
        }
    }

    /// A non-blocking socket that began to connect to a port of 127.0.0.1.
    public static func startConnecting(port: Int) -> CInt {
        let flags = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let fd = socket(AF_INET, flags, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return fd
    }

    /// A blocking socket connected to `endpoint` (numeric IPv4 or Unix), or nil when it is refused.
    public static func connect(to endpoint: Endpoint) -> CInt? {
        let fd: CInt
        let code: CInt
        switch endpoint {
        case .unix(let path):
            fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
            code = Self.withUnix(path) { Glibc.connect(fd, $0, $1) }
        case .tcp(let host, let port):
            fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = inet_addr(host)
            code = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        if code == 0 { return fd }
        Glibc.close(fd)
        return nil
    }
}
