/// `sojourn archive`: looks into the archive, and takes care of it.
enum ArchiveCommand {
    /// The commands, in the order of the help.
    static let verbs: [ArchiveVerb] = [
        .stats, .list, .show, .search, .export, .import, .verify, .backup, .restore, .compact, .adopt, .bench,
    ]

    /// Runs one of them; returns the exit code: 0 done, 1 not done or something was found, 64 used wrongly.
    static func run(arguments: [String], environment: [String: String]) async -> CInt {
        guard let word = arguments.first, word != "--help", word != "-h", word != "help" else {
            arguments.isEmpty ? Console.complain(self.help) : Console.say(self.help)
            return arguments.isEmpty ? 64 : 0
        }
        guard let verb = self.verbs.first(where: { $0.name == word }) else {
            let hint = Nearest.hint(word, among: self.verbs.map(\.name), prefix: "")
            Console.complain("sojourn: there is no command archive \(word)\(hint)\ntry: sojourn archive --help")
            return 64
        }
        let rest = Array(arguments.dropFirst())
        if rest.contains("--help") || rest.contains("-h") {
            Console.say(verb.help)
            return 0
        }
        do {
            return try await verb.run(ArchiveArguments(rest, of: verb, environment: environment))
        } catch let wrong as ArchiveArguments.Wrong {
            Console.complain("sojourn: \(wrong)\ntry: sojourn archive \(verb.name) --help")
            return 64
        } catch {
            Console.complain("sojourn: \(Console.sentence(for: error))")
            return 1
        }
    }

    static var help: String {
        let width = (self.verbs.map(\.name.count).max() ?? 0) + 2
        let lines = self.verbs.map {
            "  " + $0.name + String(repeating: " ", count: width - $0.name.count) + $0.summary
        }
        return """
            Looks into the archive of ended sessions, and takes care of it.

            usage: sojourn archive <command> [option…]

            \(lines.joined(separator: "\n"))

            Those that only read work beside a running node; for the others the node must be stopped, and they say so.
            sojourn archive <command> --help says more.
            """
    }
}
