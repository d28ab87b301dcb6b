/// What may be wrong with a session or a key: the words of `lua/mend.lua`, and two more.
struct Ailment {
    /// What such cases are called, behind their number.
    let name: String
    /// What the repair does; empty where there is none.
    let repair: String

    /// What to do.
    var advice: String {
        self.repair.isEmpty
            ? "this cannot be repaired without knowing more: see ops/runbook.md" : "--fix \(self.repair)"
    }

    private static let known: [String: (String, String)] = [
        "due": ("timers of sessions that do not live", "takes them off"),
        "arc": ("sessions in the archivists' line that are not there", "takes them off"),
        "wb": ("sessions in the line of new events that do not live", "takes them off"),
        "all": ("entries of the index of all for sessions that do not live", "takes them off"),
        "agent": ("entries of an agent's index for sessions that do not live", "takes them off"),
        "user": ("entries of a user's index for sessions that do not live", "takes them off"),
        "key": ("conversation keys held by sessions that do not live", "frees them"),
        "no-timer": ("live sessions without a timer, which would never expire", "gives them one"),
        "late-timer": ("timers behind the deadline of their session", "moves them to it"),
        "no-wb": ("live sessions with events that no archive would be told of", "tells of them"),
        "no-all": ("live sessions that are not in the index of all", "lists them"),
        "no-agent": ("live sessions that are not in their agent's index", "lists them"),
        "no-user": ("live sessions that are not in their user's index", "lists them"),
        "no-key": ("live sessions whose conversation key is free", "gives it back to them"),
        "no-arc": ("ended sessions that no archivist would take", "puts them in line"),
        "orphan": ("keys without an owner or a time to live", "lets them lapse after a day"),
        "key-taken": ("live sessions whose conversation key another one holds", ""),
        "no-log": ("sessions without a log", ""),
        "broken-log": ("logs with a gap, or another end than their session says", ""),
        "lost-events": ("logs without a beginning that any archive has", ""),
        "stranger": ("sets with entries that are no session of this keyspace", ""),
    ]

    /// All words.
    static var words: [String] { Array(self.known.keys) }

    init(_ word: String) { (self.name, self.repair) = Self.known[word] ?? (word, "") }
}
