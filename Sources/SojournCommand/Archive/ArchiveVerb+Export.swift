import Glibc
import SojournArchive
import SojournCore

extension ArchiveVerb {
    static let export = ArchiveVerb(
        name: "export", summary: "writes sessions as JSON Lines",
        options: [
            Option(name: "to", placeholder: "FILE", help: "where to (standard output)"),
            Option(name: "resume", placeholder: nil, help: "go on with a --to FILE that an export left unfinished"),
            Option(
                name: "since", placeholder: "TIME", help: "only sessions that ended at this time (ISO 8601) or later"),
            agent, user,
        ],
        details: """
            A line for each session, one for each of its events, and one that says that it is whole. Sessions come in the
            order in which they were archived; those archived meanwhile come last. Bodies are written byte for byte.
            sojourn archive import reads it.
            """
    ) { arguments in
        var filter = ExportFilter()
        (filter.since, filter.agent, filter.user) = (try arguments.time("since"), arguments["agent"], arguments["user"])
        if arguments.has("resume"), arguments["to"] == nil {
            throw ArchiveArguments.Wrong(description: "--resume needs --to FILE")
        }
        return try await Self.reading(arguments) { [filter] archive in
            let head = Self.head(of: archive, filter)
            let file = try ExportFile(arguments["to"], head: head, resume: arguments.has("resume"))
            let progress = Progress("exporting")
            var (position, sessions, events) = (file.position, 0, 0)
            if file.isResumed {
                Console.complain(
                    "going on after \(try await archive.progress(at: position).done) sessions of the archive")
            }
            while true {
                let page = try await archive.export(after: position, filter)
                try file.write(page.lines)
                position = page.position
                (sessions, events) = (sessions + page.sessions, events + page.events)
                let (done, total) = try await archive.progress(at: position)
                progress.tell(done, of: total, "sessions")
                if !page.hasMore { break }
            }
            try file.finish()
            progress.end()
            Console.complain("exported \(sessions) sessions with \(events) events")
            return 0
        }
    }

    /// The first line of an export: whose it is, and what of it.
    private static func head(of archive: Archive, _ filter: ExportFilter) -> String {
        var head: JSONObject = ["export": 1, "archive": .string(archive.id)]
        if let since = filter.since { head["since"] = JSON(since) }
        if let agent = filter.agent { head["agent"] = .string(agent) }
        if let user = filter.user { head["user"] = .string(user) }
        return JSON.object(head).text
    }
}

/// Where an export goes, and how far an earlier one came there.
final class ExportFile {
    /// Where to go on.
    private(set) var position: Int64 = 0
    private(set) var isResumed = false
    private let descriptor: CInt
    private let name: String

    /// - Parameter head: the first line of the export; a file that begins otherwise is not resumed.
    init(_ path: String?, head: String, resume: Bool) throws {
        self.name = path ?? "standard output"
        guard let path, path != "-" else {
            self.descriptor = 1
            try self.write(Array((head + "\n").utf8))
            return
        }
        if !resume, unsafe access(path, F_OK) == 0 {
            throw StartError("there is a file \(path) already; --resume goes on with it, or give another name")
        }
        self.descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard self.descriptor >= 0 else { throw StartError("\(path) cannot be written: \(File.reason(errno))") }
        if resume, lseek(self.descriptor, 0, SEEK_END) > 0 {
            try self.resume(head)
        } else {
            try self.write(Array((head + "\n").utf8))
        }
    }

    deinit { if self.descriptor > 2 { close(self.descriptor) } }

    func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(self.descriptor, buffer.baseAddress?.advanced(by: sent), bytes.count - sent)
            }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                throw StartError("\(self.name) cannot be written: \(File.reason(errno))")
            }
        }
    }

    /// Has it on disk.
    func finish() throws {
        guard self.descriptor > 2, fsync(self.descriptor) != 0 else { return }
        throw StartError("\(self.name) cannot be written: \(File.reason(errno))")
    }

    /// Finds the last session that is whole, and forgets what stands behind it.
    private func resume(_ head: String) throws {
        let mark = Array("\n{\"end\":".utf8)
        let size = Int(lseek(self.descriptor, 0, SEEK_END))
        let first = self.read(at: 0, head.utf8.count + 1)
        guard String(decoding: first, as: UTF8.self) == head + "\n" else {
            throw StartError("\(self.name) is no export of this archive with these options; give another name")
        }
        var (end, window) = (size, [UInt8]())
        while end > 0 {
            let start = max(0, end - (1 << 20))
            // The window overlaps the one behind it, so that no line is missed between them.
            window = self.read(at: start, end - start) + window.prefix(4_096)
            if let place = self.last(mark, in: window),
                let feed = window[(place + 1)...].firstIndex(of: 10),
                let line = try? JSON.parse(Array(window[(place + 1)..<feed])), let position = line["position"]?.int
            {
                self.position = Int64(position)
                self.isResumed = true
                return try self.cut(to: start + feed + 1)
            }
            end = start
        }
        try self.cut(to: first.count)
    }

    private func last(_ mark: [UInt8], in window: [UInt8]) -> Int? {
        var place = window.count
        while let feed = window[..<place].lastIndex(of: 10) {
            // A line that is not whole does not count.
            if window[feed...].starts(with: mark), window[(feed + 1)...].contains(10) { return feed }
            place = feed
        }
        return nil
    }

    private func cut(to size: Int) throws {
        guard ftruncate(self.descriptor, size) == 0, lseek(self.descriptor, 0, SEEK_END) == size else {
            throw StartError("\(self.name) cannot be shortened: \(File.reason(errno))")
        }
    }

    private func read(at offset: Int, _ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        while got < count {
            let more = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe pread(self.descriptor, buffer.baseAddress?.advanced(by: got), count - got, off_t(offset + got))
            }
            if more <= 0 { break }
            got += more
        }
        return Array(bytes.prefix(got))
    }
}
