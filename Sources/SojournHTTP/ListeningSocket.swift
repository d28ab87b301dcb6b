import CEvent
import Glibc

/// Why a server cannot listen: a sentence that names the address.
public struct HTTPListenError: Error, CustomStringConvertible {
    /// The sentence.
    public let description: String
}

/// Binds a listening TCP socket to a numeric address (or `localhost`, which is 127.0.0.1); port 0 picks one.
///
/// Several sockets that are `sharing` may bind the same port (SO_REUSEPORT): the kernel spreads connections over them.
func bindListeningSocket(
    host: String, port: Int, sharing: Bool = true, backlog: CInt = 1024
) throws(HTTPListenError) -> CInt {
    func failure(_ what: String) -> HTTPListenError {
        HTTPListenError(description: "cannot listen on \(host) port \(port): \(what)")
    }
    guard (0...65535).contains(port) else { throw failure("the port must be between 0 and 65535") }
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
    var list: UnsafeMutablePointer<addrinfo>?
    // Numeric only: a look-up of a name would block the loop.
    let code = unsafe getaddrinfo(host == "localhost" ? "127.0.0.1" : host, String(port), &hints, &list)
    guard code == 0, let address = unsafe list else { throw failure("the host must be a numeric IP address") }
    defer { unsafe freeaddrinfo(list) }

    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let descriptor = unsafe socket(address.pointee.ai_family, type, 0)
    guard descriptor >= 0 else { throw failure(unsafe String(cString: strerror(errno))) }
    var on: CInt = 1
    let size = socklen_t(MemoryLayout<CInt>.size)
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size)
    if sharing { unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, size) }
    // Accepted sockets inherit it: an answer of two writes must not wait for an acknowledgement.
    unsafe setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, size)
    guard unsafe bind(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0,
        listen(descriptor, backlog) == 0
    else {
        let what = unsafe String(cString: strerror(errno))
        Glibc.close(descriptor)
        throw failure(what)
    }
    return descriptor
}

/// The port a bound socket has; 0 for one without ports.
func boundPort(of descriptor: CInt) -> Int {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let code = unsafe withUnsafeMutablePointer(to: &storage) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
    }
    guard code == 0, storage.ss_family == sa_family_t(AF_INET) || storage.ss_family == sa_family_t(AF_INET6) else {
        return 0
    }
    // The port stands at the same place in both address forms.
    let bigEndian = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(fromByteOffset: 2, as: UInt16.self) }
    return Int(UInt16(bigEndian: bigEndian))
}
