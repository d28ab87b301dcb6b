import Glibc

/// Why a node cannot start; one sentence for the person who starts it.
struct StartError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// The folder of one node, locked against a second one.
///
///     <data>/lock             held by flock, says the process
///     <data>/archive.sqlite   the default archive
///     <data>/redis/           working folder of the private redis-server
///
/// The lock goes with the process, however that ends; it is not inherited by redis-server, which may outlive it.
final class DataFolder: Sendable {
    /// Its absolute path.
    let path: String
    private let lock: CInt

    /// Creates the folder if need be, for this user only, and locks it.
    init(_ path: String) throws(StartError) {
        try Self.create(path)
        guard let absolute = File.absolute(path) else {
            throw StartError("the data folder \(path) cannot be used: \(File.reason(errno))")
        }
        self.path = absolute
        let file = absolute + "/lock"
        let lock = unsafe open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw StartError("\(file) cannot be opened: \(File.reason(errno))") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(lock)
            guard code == EWOULDBLOCK else { throw StartError("\(file) cannot be locked: \(File.reason(code))") }
            let holder = File.text(file)?.trimmed ?? ""
            throw StartError(
                "another node (process \(holder)) uses the data folder \(absolute); stop it, or give this one its own "
                    + "folder with --data")
        }
        ftruncate(lock, 0)
        File.write(Array("\(getpid())\n".utf8), to: lock)
        self.lock = lock
    }

    deinit { close(self.lock) }

    /// The working folder of the private redis-server.
    var redis: String { self.path + "/redis" }
    /// The archive, unless another one is named.
    var archive: String { self.path + "/archive.sqlite" }

    /// Creates a folder with those above it, for this user only.
    static func create(_ path: String) throws(StartError) {
        var partial = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: false) {
            partial += partial.isEmpty && !path.hasPrefix("/") ? String(part) : "/" + part
            if part.isEmpty || part == "." { continue }
            guard unsafe mkdir(partial, 0o700) == 0 || errno == EEXIST || errno == EISDIR else {
                throw StartError("the folder \(path) cannot be created: \(partial): \(File.reason(errno))")
            }
        }
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw StartError("\(path) is not a folder")
        }
    }
}
