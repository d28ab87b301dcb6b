import Glibc
import SojournArchive
import SojournCore

extension ArchiveVerb {
    static let backup = ArchiveVerb(
        name: "backup", summary: "copies the archive as it is now to a file", words: "<file>", wordCount: 1...1,
        details: "The copy is a whole archive of its own. The node goes on working meanwhile."
    ) { arguments in
        try await Self.reading(arguments) { archive in
            let progress = Progress("copying")
            let path = arguments.words[0]
            try await archive.backup(to: path) { done, total in
                progress.tell { "\(Shown.bytes(done)) of \(Shown.bytes(total))" }
            }
            progress.end()
            Console.say("\(path) is a copy of \(archive.path) (\(Shown.bytes(Shown.path(path))))")
            return 0
        }
    }

    static let restore = ArchiveVerb(
        name: "restore", summary: "puts a backup in the place of the archive; the node must be stopped",
        words: "<backup>", wordCount: 1...1,
        details:
            "What was there is kept as <archive>.before-restore. Sessions archived after the backup are only there."
    ) { arguments in
        let progress = Progress("copying")
        let (backup, path) = (arguments.words[0], arguments.archivePath)
        let isReplaced = unsafe access(path, F_OK) == 0
        try await Archive.restore(backup, to: path) { done, total in
            progress.tell { "\(Shown.bytes(done)) of \(Shown.bytes(total))" }
        }
        progress.end()
        Console.say("\(path) is what \(backup) is" + (isReplaced ? "; what it was is \(path).before-restore" : ""))
        return 0
    }

    static let compact = ArchiveVerb(
        name: "compact", summary: "writes the file anew, as small as it can be; the node must be stopped",
        details:
            "Needs as much free space as the file has. The search index becomes one piece, and as fast as it can be."
    ) { arguments in
        let path = arguments.archivePath
        guard unsafe access(path, F_OK) == 0 else { throw StartError("there is no archive \(path)") }
        let before = Shown.path(path)
        let archive = try await Archive.open(path: path, log: .silent)
        let progress = Progress("writing")
        do {
            try await progress.during({ try await archive.compact() }) { "\(Shown.bytes(before)) to write anew" }
        } catch {
            await archive.close()
            throw error
        }
        await archive.close()
        Console.say("\(path) had \(Shown.bytes(before)) and has \(Shown.bytes(Shown.path(path)))")
        return 0
    }
}
