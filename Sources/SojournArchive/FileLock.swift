import Glibc

/// The right to be the only archivist of a file, held as a lock on `<path>.lock` until it is released.
///
/// The lock belongs to the open descriptor, so the kernel releases it however the process ends. The lock
/// file itself stays: removing it would let two processes lock two files of the same name.
@safe struct FileLock: ~Copyable {
    private let descriptor: CInt

    init(guarding path: String) throws(ArchiveError) {
        let name = path + ".lock"
        let descriptor = unsafe open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.refusal(of: path, name, errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let holder = Self.read(descriptor)
            close(descriptor)
            guard code == EWOULDBLOCK else { throw Self.refusal(of: path, name, code) }
            throw ArchiveError(
                .locked,
                "The archive \(path) is in use by process \(holder.isEmpty ? "of unknown id" : holder); an archive has "
                    + "one archivist: stop that process or give this one another file",
                path: path)
        }
        self.descriptor = descriptor
        // Only tells people who holds it; the lock counts even when this cannot be written.
        let pid = "\(getpid())\n"
        ftruncate(descriptor, 0)
        _ = unsafe pwrite(descriptor, pid, pid.utf8.count, 0)
    }

    deinit {
        // Said aloud, because a child that is just being started may hold a copy of the descriptor for a moment.
        flock(self.descriptor, LOCK_UN)
        close(self.descriptor)
    }

    /// Keeps the lock up to this place.
    borrowing func hold() {}

    private static func read(_ descriptor: CInt) -> String {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = unsafe pread(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)).prefix { $0 > 32 }, as: UTF8.self)
    }

    private static func refusal(of path: String, _ name: String, _ code: CInt) -> ArchiveError {
        let reason = unsafe String(cString: strerror(code))
        switch code {
        case EACCES, EPERM, EROFS:
            return ArchiveError(
                .readOnly, "The archive \(path) cannot be used because \(name) cannot be written: \(reason)",
                path: path)
        case ENOENT, ENOTDIR:
            return ArchiveError(
                .cannotOpen, "The archive \(path) cannot be created because its folder does not exist", path: path)
        case ENOSPC, EDQUOT:
            return ArchiveError(.full, "The archive \(path) cannot be opened: \(reason)", path: path)
        default:
            return ArchiveError(.cannotOpen, "The archive \(path) cannot be opened: \(name): \(reason)", path: path)
        }
    }
}
