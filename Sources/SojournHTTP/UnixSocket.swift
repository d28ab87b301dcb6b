import CEvent
import Glibc

/// A unix socket on which the HTTP servers of all loops listen together, and its file.
///
/// The file is there for whom its owner and mode admit from its first moment on. One that a dead process has left is
/// replaced; one on which somebody listens is not touched.
@safe public final class UnixSocket: Sendable {
    /// What ``HTTPExchange/remoteAddress`` is for those who come over a unix socket.
    public static let peer = "unix"

    /// Most bytes of a path (unix(7)).
    public static let longestPath = 107

    /// Whose the file is, and for whom.
    public struct Access: Sendable, Hashable {
        /// The user; nil is the one who runs this process. Another one takes the rights of root.
        public var user: UInt32?
        /// The group; nil is that of this process.
        public var group: UInt32?
        /// Who may connect: those who may write (unix(7)). 0660 is the user and the group.
        public var mode: UInt32 = 0o660

        /// The defaults above.
        public init() {}
    }

    /// The path of the file.
    public let path: String
    private let descriptor: CInt
    /// What file it is, for the day on which another one has its name.
    private let identity: (device: dev_t, number: ino_t)

    /// Creates the file and listens on it; who connects waits until a server takes it.
    ///
    /// - Throws: an error whose sentence names the path: another process listens there, or something that is no socket is
    ///   there, or the system refuses.
    public init(path: String, access: Access = Access()) throws(HTTPListenError) {
        func failure(_ what: String) -> HTTPListenError {
            HTTPListenError(description: "cannot listen on unix:\(path): \(what)")
        }
        func systemFailure(_ what: String = "") -> HTTPListenError {
            failure(unsafe what + String(cString: strerror(errno)))
        }
        guard path.hasPrefix("/"), path.utf8.count <= Self.longestPath else {
            throw failure("the path must begin with / and have at most \(Self.longestPath) bytes")
        }
        // Two nodes that start at the same time must not both find the file of a dead one and replace it.
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) + "/"
        let lock = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard lock >= 0, flock(lock, LOCK_EX) == 0 else { throw systemFailure("its folder: ") }
        defer { Glibc.close(lock) }

        try Self.makeWay(path, failure)
        let descriptor = try Self.newSocket(systemFailure)
        var status = stat()
        do throws(HTTPListenError) {
            // The mode of the socket is that of the file from its first moment on.
            guard fchmod(descriptor, 0) == 0,
                unsafe Self.withAddress(path, { unsafe bind(descriptor, $0, $1) }) == 0
            else { throw systemFailure() }
            if access.user != nil || access.group != nil {
                guard unsafe lchown(path, access.user ?? .max, access.group ?? .max) == 0 else {
                    throw systemFailure("its owner: ")
                }
            }
            guard unsafe chmod(path, access.mode) == 0 else { throw systemFailure("its mode: ") }
            guard listen(descriptor, 1024) == 0, unsafe lstat(path, &status) == 0 else { throw systemFailure() }
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
        self.identity = (status.st_dev, status.st_ino)
    }

    deinit { Glibc.close(self.descriptor) }

    /// Removes the file, so that nobody comes any more. What is open goes on. Idempotent.
    public func remove() {
        var status = stat()
        guard unsafe lstat(self.path, &status) == 0, status.st_dev == self.identity.device,
            status.st_ino == self.identity.number
        else { return }
        unsafe unlink(self.path)
    }

    /// A descriptor of its own for one more server.
    func share() throws(HTTPListenError) -> CInt {
        let copy = fcntl(self.descriptor, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else {
            throw HTTPListenError(
                description: unsafe "cannot listen on unix:\(self.path): \(String(cString: strerror(errno)))")
        }
        return copy
    }

    /// Removes the file that a dead process has left.
    private static func makeWay(
        _ path: String, _ failure: (String) -> HTTPListenError
    ) throws(HTTPListenError) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw failure("a file that is no socket is there") }
        let probe = try Self.newSocket { _ in failure(unsafe String(cString: strerror(errno))) }
        defer { Glibc.close(probe) }
        let code = unsafe Self.withAddress(path) { unsafe connect(probe, $0, $1) }
        // EAGAIN: so many wait there that no more may.
        if code == 0 || errno == EAGAIN { throw failure("another process listens there") }
        guard errno == ECONNREFUSED, unsafe unlink(path) == 0 || errno == ENOENT else {
            throw failure(unsafe "the file that is there: " + String(cString: strerror(errno)))
        }
    }

    private static func newSocket(_ failure: (String) -> HTTPListenError) throws(HTTPListenError) -> CInt {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw failure("") }
        return descriptor
    }

    private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // The rest is zero, and so ends the path.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        return unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
        }
    }
}
