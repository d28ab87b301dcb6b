import Glibc
import SojournArchive
import SojournCore

extension ArchiveVerb {
    static let verify = ArchiveVerb(
        name: "verify", summary: "checks every session against the hash chain it was archived with",
        options: [Option(name: "resume", placeholder: nil, help: "go on where an interrupted check stopped")],
        details: """
            Reads every event. Sessions that are damaged are named, one a line; then the exit code is 1. How far it is stands
            in <archive>.verify until it is done.
            """
    ) { arguments in
        try await Self.reading(arguments) { archive in
            let note = VerifyNote(path: archive.path + ".verify")
            var state = arguments.has("resume") ? note.read(archive: archive.id) ?? VerifyNote.State() : .init()
            if state.position > 0 { Console.complain("going on after \(state.sessions) sessions") }
            let progress = Progress("checking")
            while true {
                let page = try await archive.verify(after: state.position)
                for damage in page.damaged { Console.say("\(damage.id): \(damage.flaws.joined(separator: "; "))") }
                state.position = page.position
                state.sessions += page.sessions
                state.events += page.events
                state.unsealed += page.unsealed
                state.damaged += page.damaged.count
                if !page.hasMore { break }
                note.write(state, archive: archive.id)
                let (done, total) = try await archive.progress(at: state.position)
                progress.tell(done, of: total, "sessions")
            }
            note.remove()
            progress.end()
            let unsealed = state.unsealed > 0 ? "; \(state.unsealed) have no hash yet, a running node makes them" : ""
            Console.say(
                "\(state.sessions) sessions with \(state.events) events checked: "
                    + (state.damaged == 0 ? "all are as they were archived" : "\(state.damaged) are damaged") + unsealed
            )
            return state.damaged == 0 ? 0 : 1
        }
    }
}

/// How far a check is, in a file beside the archive.
struct VerifyNote {
    struct State {
        var position: Int64 = 0
        var sessions = 0
        var events = 0
        var unsealed = 0
        var damaged = 0
    }

    let path: String

    func read(archive: String) -> State? {
        guard let json = File.read(self.path).flatMap({ try? JSON.parse($0) }), json["archive"]?.string == archive,
            let position = json["position"]?.int, let sessions = json["sessions"]?.int,
            let events = json["events"]?.int,
            let unsealed = json["unsealed"]?.int, let damaged = json["damaged"]?.int
        else { return nil }
        return State(
            position: Int64(position), sessions: sessions, events: events, unsealed: unsealed, damaged: damaged)
    }

    /// Writes it, whole or not at all; a folder that cannot be written only costs the resuming.
    func write(_ state: State, archive: String) {
        let json: JSON = [
            "archive": .string(archive), "position": JSON(state.position), "sessions": JSON(state.sessions),
            "events": JSON(state.events), "unsealed": JSON(state.unsealed), "damaged": JSON(state.damaged),
        ]
        let fresh = self.path + ".new"
        let descriptor = unsafe open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        File.write(json.bytes, to: descriptor)
        close(descriptor)
        unsafe rename(fresh, self.path)
    }

    func remove() { unsafe unlink(self.path) }
}
