import CEvent
import Dispatch
import Glibc

/// One address that a socket can connect to.
@safe struct SocketAddress: Sendable {
    private var storage: sockaddr_storage
    private var length: socklen_t

    /// The address of a Unix domain socket, or nil when the path does not fit.
    init?(path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < room else { return nil }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        self.storage = sockaddr_storage()
        self.length = socklen_t(MemoryLayout<sockaddr_un>.size)
        unsafe withUnsafeMutableBytes(of: &self.storage) { storage in
            unsafe withUnsafeBytes(of: address) { unsafe storage.copyMemory(from: $0) }
        }
    }

    private init(_ info: addrinfo) {
        self.storage = sockaddr_storage()
        self.length = unsafe info.ai_addrlen
        unsafe withUnsafeMutableBytes(of: &self.storage) { storage in
            unsafe storage.copyMemory(from: UnsafeRawBufferPointer(start: info.ai_addr, count: Int(info.ai_addrlen)))
        }
    }

    /// Lends the address to a C call.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, CInt) -> Result) -> Result {
        unsafe withUnsafePointer(to: self.storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, CInt(self.length)) }
        }
    }

    /// What a resolution found: addresses in the order to try, or a sentence that says why there are none.
    enum Resolution: Sendable {
        case found([SocketAddress])
        case failed(String)
    }

    /// Asks the system's resolver. Blocks, unless `numericOnly`.
    static func resolve(host: String, port: Int, numericOnly: Bool) -> Resolution {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_NUMERICSERV | (numericOnly ? AI_NUMERICHOST : AI_ADDRCONFIG)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { return unsafe .failed(String(cString: gai_strerror(code))) }
        defer { unsafe freeaddrinfo(list) }
        var found: [SocketAddress] = []
        while let info = unsafe list {
            unsafe found.append(SocketAddress(info.pointee))
            unsafe list = info.pointee.ai_next
        }
        return .found(found)
    }

    /// Resolves off the loop, unless the endpoint needs no resolver, and answers on the loop.
    static func resolve(
        _ endpoint: Endpoint, loop: EventLoop, then body: @escaping (Resolution) -> Void
    ) {
        let host: String
        let port: Int
        switch endpoint {
        case .unix(let path):
            let address = SocketAddress(path: path)
            loop.atEndOfTick { body(address.map { .found([$0]) } ?? .failed("a socket path has 1 to 107 bytes")) }
            return
        case .tcp(let name, let number): (host, port) = (name, number)
        }
        if case .found(let addresses) = Self.resolve(host: host, port: port, numericOnly: true) {
            loop.atEndOfTick { body(.found(addresses)) }
            return
        }
        let answer = Confined(body, to: loop)
        DispatchQueue.global().async {
            let resolution = Self.resolve(host: host, port: port, numericOnly: false)
            loop.execute { answer.value(resolution) }
        }
    }
}
