/// One command of `sojourn archive`: what it is called, what its help says, and what it does.
struct ArchiveVerb: Sendable {
    /// An option of a command.
    struct Option: Sendable {
        /// Without the two hyphens.
        let name: String
        /// What stands for the value in the help; nil for a switch.
        let placeholder: String?
        let help: String
    }

    /// The word on the command line.
    let name: String
    /// What it does, in one line that starts with a lower-case letter.
    let summary: String
    /// The words it takes beside options, as the help shows them.
    var words = ""
    /// How many of those words it needs at least and takes at most.
    var wordCount = 0...0
    var options: [Option] = []
    /// What else a person must know; lines of at most 100 characters.
    var details = ""
    /// Whether it works on a file at all; adds the options that say which.
    var needsArchive = true
    /// Does it; returns the exit code. An error's description is a sentence for the person at the terminal.
    let run: @Sendable (ArchiveArguments) async throws -> CInt

    /// The options that say which file is meant.
    static let place = [
        Option(name: "archive", placeholder: "FILE", help: "the archive; also SOJOURN_ARCHIVE"),
        Option(
            name: "data", placeholder: "FOLDER",
            help: "the node's data folder, of which the archive is taken (./sojourn-data); also SOJOURN_DATA"),
    ]

    var allOptions: [Option] { self.options + (self.needsArchive ? Self.place : []) }

    var help: String {
        let words = self.words.isEmpty ? "" : " " + self.words
        var text = "usage: sojourn archive \(self.name)\(words) [option…]\n\n\(self.summary)\n"
        if !self.details.isEmpty { text += "\n\(self.details)\n" }
        text += "\noptions:"
        for option in self.allOptions {
            let left = "--" + option.name + (option.placeholder.map { " " + $0 } ?? "")
            text += "\n  " + left + String(repeating: " ", count: max(2, 20 - left.count)) + option.help
        }
        return text
    }
}
