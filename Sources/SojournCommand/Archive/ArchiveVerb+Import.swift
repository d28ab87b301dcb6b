import Glibc
import SojournArchive
import SojournCore

extension ArchiveVerb {
    static let `import` = ArchiveVerb(
        name: "import", summary: "takes in what export has written; the node must be stopped", words: "<file>",
        wordCount: 1...1,
        details: """
            <file> may be - for standard input. A session is taken in whole or not at all, and its hash must be the one it
            was exported with. Sessions that are there already are passed over, so an import that was interrupted is simply
            begun again. Creates the archive if there is none.
            """
    ) { arguments in
        let path = arguments.words[0]
        let input = path == "-" ? 0 : unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw StartError("\(path) cannot be read: \(File.reason(errno))") }
        defer { if input > 2 { close(input) } }
        let total = path == "-" ? 0 : Shown.path(path)
        let archive = try await Archive.open(path: arguments.archivePath, log: .silent)
        do {
            let code = try await Self.take(input, total: total, into: archive)
            await archive.close()
            return code
        } catch {
            await archive.close()
            throw (error as? ImportError).map { StartError("\(path), \($0)") } ?? error
        }
    }

    private static func take(_ input: CInt, total: Int, into archive: Archive) async throws -> CInt {
        let progress = Progress("importing")
        var importer = Importer(into: archive)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var (done, told) = (0, 0)
        while true {
            let count = unsafe read(input, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StartError("the export cannot be read: \(File.reason(errno))") }
            if count == 0 { break }
            done += count
            try await importer.take(Array(buffer.prefix(count)))
            progress.tell {
                let share = total > 0 ? " of \(Shown.bytes(total)) (\(done * 100 / total) %)" : ""
                return "\(Shown.bytes(done))\(share), \(importer.taken + importer.present) sessions"
            }
            for refused in importer.refused[told...] {
                Console.complain("session \(refused.id) (up to line \(refused.line)) was not taken: \(refused.reason)")
            }
            told = importer.refused.count
        }
        try await importer.finish()
        for refused in importer.refused[told...] {
            Console.complain("session \(refused.id) (up to line \(refused.line)) was not taken: \(refused.reason)")
        }
        let waiting = try await archive.unindexed()
        try await archive.index { left in progress.tell(waiting - left, of: waiting, "events indexed") }
        progress.end()
        Console.complain(
            "imported \(importer.taken) sessions; \(importer.present) were there already, "
                + "\(importer.refused.count) were refused")
        return importer.refused.isEmpty ? 0 : 1
    }
}
