import Foundation

extension NodeProcess {
    /// Lets its files grow no further than a SQLite file that it writes is now, and a little; as on a full disk.
    public func fillDisk(of file: String) throws {
        let sizes = [file, file + "-wal"].map { path in
            (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
        }
        try self.limitFiles(to: "\((sizes.max() ?? 0) + 24_000)")
    }

    /// Lets them grow again.
    public func freeDisk() throws { try self.limitFiles(to: "unlimited") }

    private func limitFiles(to size: String) throws {
        guard TestProcess.succeeds("prlimit", "--pid", "\(self.pid)", "--fsize=\(size):") else {
            throw Unanswered(description: "prlimit did not limit the files of \(self.name)")
        }
    }
}
