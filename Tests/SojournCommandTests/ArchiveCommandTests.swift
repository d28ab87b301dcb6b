import Foundation
import SojournArchive
import SojournCore
import SojournTesting
import Testing

@testable import SojournCommand

/// `sojourn archive`, as a process of its own.
@Suite struct ArchiveCommandTests {
    private typealias Folder = SojournTesting.TemporaryFolder

    private struct Outcome {
        let status: TestProcess.Ending
        let output: String
        let errors: String
    }

    private func run(_ folder: Folder, _ arguments: String...) async throws -> Outcome {
        let (output, errors) = (folder.file("out"), folder.file("err"))
        let process = try TestProcess(
            TestProcess.built("sojourn"), ["archive"] + arguments, folder: folder.path, output: output, errors: errors)
        try await eventually(within: 120, arguments.joined(separator: " ")) { !process.isRunning }
        return Outcome(status: process.wait(), output: File.text(output) ?? "", errors: File.text(errors) ?? "")
    }

    /// An archive of 500 made-up sessions.
    private func filled(_ body: (Folder) async throws -> Void) async throws {
        let folder = Folder()
        let made = try await self.run(
            folder, "bench", "--archive", folder.file("a.sqlite"), "--messages", "4000", "--searches", "120", "--json")
        try #require(made.status == .exited(0), "\(made.output) \(made.errors)")
        #expect(made.output.contains(#""countsChecked":11"#))
        try await body(folder)
    }

    @Test func `every command has its help, and a wrong word or option is told`() async throws {
        let folder = Folder()
        for verb in ArchiveCommand.verbs {
            let help = try await self.run(folder, verb.name, "--help")
            #expect(help.status == .exited(0) && help.output.hasPrefix("usage: sojourn archive \(verb.name)"))
            let wrong = try await self.run(folder, verb.name, "--archiv", "x")
            #expect(wrong.status == .exited(64) && wrong.errors.contains("has no option --archiv"), "\(verb.name)")
        }
        let unknown = try await self.run(folder, "exprot")
        #expect(unknown.status == .exited(64) && unknown.errors.contains("did you mean export?"))
        let missing = try await self.run(folder, "stats", "--archive", folder.file("none.sqlite"))
        #expect(missing.status == .exited(1) && missing.errors.contains("There is no archive"))
        let syntax = try await self.run(folder, "search", "--archive", folder.file("none.sqlite"), "a OR")
        #expect(syntax.status == .exited(64) && syntax.errors.contains("OR needs something after it"))
    }

    @Test func `the reading commands show what is there`() async throws {
        try await self.filled { folder in
            let stats = try await self.run(folder, "stats", "--json", "--archive", "a.sqlite")
            #expect(stats.output.contains(#""sessions":500,"live":0"#) && stats.output.contains(#""events":5000"#))
            let list = try await self.run(folder, "list", "--limit", "7", "--json", "--archive", "a.sqlite")
            #expect(list.output.split(separator: "\n").count == 7)
            let id = try #require(
                (try? JSONSerialization.jsonObject(with: Data(list.output.split(separator: "\n")[0].utf8))
                    as? [String: Any])?[
                        "sessionId"] as? String)
            let show = try await self.run(folder, "show", id, "--archive", "a.sqlite")
            #expect(show.output.contains("\nhash ") && show.output.split(separator: "\n").count == 10)
            let events = try await self.run(folder, "show", id, "--events", "--archive=a.sqlite")
            #expect(events.output.split(separator: "\n").count == 10 && events.output.hasPrefix(#"{"v":1,"#))
            let search = try await self.run(folder, "search", "東京", "--limit", "3", "--archive", "a.sqlite")
            #expect(search.output.split(separator: "\n").count == 6 && search.output.contains("[東京]"))
            let nothing = try await self.run(folder, "search", "xyzzy", "--archive", "a.sqlite")
            #expect(nothing.status == .exited(1) && nothing.output.isEmpty)
            let nobody = try await self.run(folder, "show", "x", "--archive", "a.sqlite")
            #expect(nobody.status == .exited(1) && nobody.errors.contains("has no session x"))
        }
    }

    @Test func `an export that was killed goes on, and an import gives the same hashes`() async throws {
        try await self.filled { folder in
            let place = ["--archive", folder.file("a.sqlite")]
            let whole = try await self.run(folder, "export", "--to", "whole.jsonl", place[0], place[1])
            #expect(whole.status == .exited(0) && whole.errors.contains("exported 500 sessions with 5000 events"))
            let bytes = try #require(File.read(folder.file("whole.jsonl")))
            let again = try await self.run(folder, "export", "--to", "whole.jsonl", place[0], place[1])
            #expect(again.status == .exited(1) && again.errors.contains("--resume"))
            // Wherever it was killed, what follows is the same file.
            for share in [0.0001, 0.3, 0.5, 0.77, 0.999999, 1] {
                let cut = Array(bytes.prefix(max(60, Int(Double(bytes.count) * share))))
                try Data(cut).write(to: URL(fileURLWithPath: folder.file("cut.jsonl")))
                let rest = try await self.run(folder, "export", "--to", "cut.jsonl", "--resume", place[0], place[1])
                #expect(rest.status == .exited(0), "\(rest.errors)")
                #expect(File.read(folder.file("cut.jsonl")) == bytes, "cut at \(share)")
            }
            let other = try await self.run(
                folder, "export", "--to", "cut.jsonl", "--resume", "--user", "x", place[0], place[1])
            #expect(other.status == .exited(1) && other.errors.contains("is no export of this archive"))

            try Data(bytes.prefix(bytes.count / 2)).write(to: URL(fileURLWithPath: folder.file("half.jsonl")))
            let half = try await self.run(folder, "import", "half.jsonl", "--archive", "b.sqlite")
            #expect(half.status == .exited(1) && half.errors.contains("ends within a session"))
            let full = try await self.run(folder, "import", "whole.jsonl", "--archive", "b.sqlite")
            #expect(full.status == .exited(0) && full.errors.contains("0 were refused"), "\(full.errors)")
            let back = try await self.run(folder, "export", "--to", "back.jsonl", "--archive", "b.sqlite")
            #expect(back.status == .exited(0))
            func lines(_ name: String) -> [Substring]? {
                File.text(folder.file(name))?.split(separator: "\n").dropFirst().map { $0 }
            }
            #expect(lines("back.jsonl") == lines("whole.jsonl"))
            let verify = try await self.run(folder, "verify", "--archive", "b.sqlite")
            #expect(verify.output.contains("500 sessions with 5000 events checked: all are as they were archived"))
        }
    }

    @Test func `copies are whole, and what needs the file for itself says who has it`() async throws {
        try await self.filled { folder in
            let holder = try await Archive.open(path: folder.file("a.sqlite"), log: .silent)
            for arguments in [["import", "/dev/null"], ["restore", "c.sqlite"], ["compact"]] {
                if arguments[0] == "restore" {
                    let backup = try await self.run(folder, "backup", "c.sqlite", "--archive", "a.sqlite")
                    #expect(backup.status == .exited(0), "\(backup.errors)")
                }
                let refused = try await self.run(
                    folder, arguments[0], arguments.dropFirst().first ?? "--archive=a.sqlite", "--archive=a.sqlite")
                #expect(refused.status == .exited(1), "\(arguments)")
                #expect(refused.errors.contains("is in use by process \(getpid())"), "\(refused.errors)")
                #expect(!refused.errors.contains(".swift"), "\(refused.errors)")
            }
            await holder.close()
            let compact = try await self.run(folder, "compact", "--archive", "a.sqlite")
            #expect(compact.status == .exited(0) && compact.output.contains("and has"), "\(compact.errors)")
            let restore = try await self.run(folder, "restore", "c.sqlite", "--archive", "a.sqlite")
            #expect(restore.status == .exited(0) && restore.output.contains("before-restore"), "\(restore.errors)")
            let verify = try await self.run(folder, "verify", "--archive", "a.sqlite")
            #expect(verify.status == .exited(0) && verify.output.hasPrefix("500 sessions"))
        }
    }
}
