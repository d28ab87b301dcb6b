import SojournCore

/// What a command of `sojourn archive` was told.
struct ArchiveArguments: Sendable {
    /// The words that are no options, in order.
    private(set) var words: [String] = []
    private var values: [String: String] = [:]
    private let environment: [String: String]

    /// The sentence that says what is wrong with the command line.
    struct Wrong: Error, CustomStringConvertible { let description: String }

    /// Reads `--name value`, `--name=value`, switches and words; `--` ends the options.
    init(_ arguments: [String], of verb: ArchiveVerb, environment: [String: String]) throws(Wrong) {
        self.environment = environment
        var rest = arguments[...]
        while let word = rest.popFirst() {
            if word == "--" {
                self.words += rest
                break
            }
            guard word.hasPrefix("--") else {
                self.words.append(word)
                continue
            }
            let halves = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(halves[0])
            guard let option = verb.allOptions.first(where: { $0.name == name }) else {
                let hint = Nearest.hint(name, among: verb.allOptions.map(\.name), prefix: "--")
                throw Wrong(description: "sojourn archive \(verb.name) has no option --\(name)\(hint)")
            }
            if option.placeholder == nil {
                guard halves.count == 1 else { throw Wrong(description: "--\(name) takes no value") }
                self.values[name] = "true"
            } else if halves.count == 2 {
                self.values[name] = String(halves[1])
            } else if let next = rest.popFirst() {
                self.values[name] = next
            } else {
                throw Wrong(description: "--\(name) needs a value")
            }
        }
        guard verb.wordCount.contains(self.words.count) else {
            let given = self.words.isEmpty ? "nothing" : self.words.joined(separator: " ")
            let taken = verb.words.isEmpty ? "takes no words" : "takes \(verb.words)"
            throw Wrong(description: "sojourn archive \(verb.name) \(taken), but was given \(given)")
        }
    }

    /// The value of an option; nil when it was not given.
    subscript(name: String) -> String? { self.values[name] }

    /// Whether a switch was given.
    func has(_ name: String) -> Bool { self.values[name] != nil }

    /// A whole number in a range.
    func number(_ name: String, _ range: ClosedRange<Int>, default standard: Int) throws(Wrong) -> Int {
        guard let text = self.values[name] else { return standard }
        guard let number = Int(text), range.contains(number) else {
            throw Wrong(
                description: "--\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound), "
                    + "but is \(text)")
        }
        return number
    }

    /// A time in ms: ISO 8601, or ms since 1970.
    func time(_ name: String) throws(Wrong) -> Int64? {
        guard let text = self.values[name] else { return nil }
        if let milliseconds = Int64(text) { return milliseconds }
        guard let instant = Instant(iso8601: text) else {
            throw Wrong(description: "--\(name) must be a time such as 2026-11-20 or 2026-11-20T08:30Z, but is \(text)")
        }
        return instant.milliseconds
    }

    /// The file that is meant, which need not exist.
    var archivePath: String {
        if let path = self.values["archive"] { return path }
        if let folder = self.values["data"] { return folder + "/archive.sqlite" }
        if let path = self.environment["SOJOURN_ARCHIVE"].nonEmpty, path != "none" { return path }
        return (self.environment["SOJOURN_DATA"].nonEmpty ?? "./sojourn-data") + "/archive.sqlite"
    }
}
