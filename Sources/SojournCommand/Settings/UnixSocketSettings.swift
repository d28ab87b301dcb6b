import Glibc
import SojournHTTP

/// A unix socket to listen on, as people write it.
enum UnixSocketSettings {
    /// The path in `unix:/path`.
    static func path(_ text: String) throws -> String {
        let path = text.hasPrefix("unix://") ? text.dropFirst(7) : text.dropFirst(5)
        guard text.hasPrefix("unix:"), path.hasPrefix("/"), !path.hasSuffix("/"), !path.utf8.contains(0) else {
            throw Rule("unix:/path; an address and its port have settings of their own, host and port")
        }
        guard path.utf8.count <= UnixSocket.longestPath else {
            throw Rule("the path of a unix socket, which has at most \(UnixSocket.longestPath) bytes")
        }
        return String(path)
    }

    /// Sets the permissions, which are octal digits.
    static func setMode(_ access: inout UnixSocket.Access, _ text: String) throws {
        guard (3...4).contains(text.utf8.count), let mode = UInt32(text, radix: 8), mode <= 0o777 else {
            throw Rule("three octal digits such as 660")
        }
        access.mode = mode
    }

    /// `user`, `user:group` or `:group`, each by name or number. They are looked up now.
    static func setOwner(_ access: inout UnixSocket.Access, _ text: String) throws {
        let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard halves.contains(where: { !$0.isEmpty }), halves.count == 1 || !halves[1].isEmpty else {
            throw Rule("a user, USER:GROUP or :GROUP")
        }
        if !halves[0].isEmpty {
            guard let user = unsafe UInt32(halves[0]) ?? getpwnam(halves[0])?.pointee.pw_uid else {
                throw Rule("a user of this machine")
            }
            access.user = user
        }
        if halves.count == 2 {
            guard let group = unsafe UInt32(halves[1]) ?? getgrnam(halves[1])?.pointee.gr_gid else {
                throw Rule("with a group of this machine")
            }
            access.group = group
        }
    }
}
