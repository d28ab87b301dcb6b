import Glibc

/// Where the private redis-server listens.
enum RedisSocket {
    /// Over this many bytes a path goes elsewhere; the hard limit of unix(7) is 107.
    static let longest = 100

    /// The path of the socket: in the working folder, or, where that is too long, in a folder of the runtime directory
    /// that is named after the data folder.
    ///
    /// - Throws: when that folder belongs to someone else, which in /tmp would let them stand between node and Redis.
    static func path(for folder: DataFolder, environment: [String: String], user: uid_t = getuid()) throws(StartError)
        -> String
    { try self.path(redis: folder.redis, data: folder.path, environment: environment, user: user) }

    /// The same for a folder that somebody else has locked.
    ///
    /// - Parameters:
    ///   - redis: the working folder of the redis-server.
    ///   - data: the absolute path of the data folder.
    static func path(
        redis: String, data: String, environment: [String: String], user: uid_t = getuid()
    ) throws(StartError) -> String {
        let near = redis + "/redis.sock"
        if near.utf8.count <= Self.longest { return near }
        let name = "sojourn-\(self.hash(data))"
        let runtime = [environment["XDG_RUNTIME_DIR"].nonEmpty, "/run/user/\(user)"].compactMap { $0 }
        for base in runtime where self.isPrivate(base, of: user) {
            let socket = "\(base)/\(name)/redis.sock"
            guard socket.utf8.count <= Self.longest else { continue }
            try self.createPrivate("\(base)/\(name)", of: user)
            return socket
        }
        let base = "/tmp/sojourn-\(user)-\(self.hash(data))"
        try self.createPrivate(base, of: user)
        return base + "/redis.sock"
    }

    private static func createPrivate(_ path: String, of user: uid_t) throws(StartError) {
        guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw StartError("the folder \(path) for the Redis socket cannot be created: \(File.reason(errno))")
        }
        guard self.isPrivate(path, of: user) else {
            throw StartError("the folder \(path) for the Redis socket belongs to, or is open to, another user")
        }
    }

    /// A folder, no link, of this user and for this user only.
    private static func isPrivate(_ path: String, of user: uid_t) -> Bool {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return false }
        return status.st_mode & S_IFMT == S_IFDIR && status.st_uid == user && status.st_mode & 0o077 == 0
    }

    /// FNV-1a with 64 bits; it only has to differ for different folders of one user.
    static func hash(_ text: String) -> String {
        let hash = text.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
