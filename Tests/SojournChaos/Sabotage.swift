import Foundation
import SojournTesting

/// Breaks the laws on purpose where the check looks, to see that it sees that.
struct Sabotage {
    /// What must be found.
    static let laws: Set<History.Violation.Law> = [.lost, .duplicated, .early, .silentGap, .leaked, .warnedTwice]

    private static let script = """
        import sqlite3, sys
        files = [sqlite3.connect(name) for name in sys.argv[1:]]
        victims = 0
        for place, file in enumerate(files):
            def pick(kind, count):
                return file.execute(
                    "SELECT e.handover, min(e.seq), max(e.seq) FROM events e JOIN sessions s USING (handover) WHERE e.type = ?"
                    " AND s.state = 'committed' AND s.reason = 'expired' AND s.head < 40 GROUP BY e.handover"
                    " HAVING count(*) >= ? ORDER BY e.handover", (kind, count)).fetchall()
            said = pick('user.message', 3)
            warned = pick('session.expiring', 1)
            if len(said) < 2 or not warned:
                continue
            # A message is gone; another one is there twice; a session expired a minute early, and was warned twice.
            file.execute("DELETE FROM events WHERE handover = ? AND seq = ?", said[0][:2])
            file.execute("UPDATE events SET body = (SELECT body FROM events WHERE handover = ? AND seq = ?)"
                         " WHERE handover = ? AND seq = ?", (said[1][0], said[1][1], said[1][0], said[1][2]))
            file.execute("UPDATE events SET at = at - 60000 WHERE handover = ? AND type = 'session.expired'", said[1][:1])
            file.execute("UPDATE events SET type = 'session.expiring', body = (SELECT body FROM events WHERE handover = ?"
                         " AND seq = ?) WHERE handover = ? AND seq = ?", (warned[0][0], warned[0][1], warned[0][0], warned[0][1] - 1))
            file.commit()
            victims += 1
        sys.exit(0 if victims else 1)
        """

    /// Leaves a key in Redis that nobody owns.
    static func litter(_ bed: Bed) throws { _ = try bed.masters[0].client().send("SET", "sj:stray", "1") }

    /// Spoils the archives.
    static func spoil(_ crew: Crew) throws {
        let program = crew.folder.file("sabotage.py")
        try Self.script.write(toFile: program, atomically: true, encoding: .utf8)
        let archives = (0..<Crew.nodes).map { crew.archive($0) }
        let spoiling = try TestProcess("python3", [program] + archives, output: crew.folder.file("sabotage.out"))
        guard spoiling.wait() == .exited(0) else {
            throw NotInTime(description: "no archive has enough in it to be spoiled; give it more --seconds")
        }
    }

    /// Whether all was found; says what was not.
    static func isSeen(by history: History) -> Bool {
        let missed = Self.laws.subtracting(history.violations.map(\.law))
        print(
            missed.isEmpty
                ? "\nwhat was spoiled was found"
                : "\nnot found: \(missed.map(\.rawValue).sorted().joined(separator: ", "))")
        return missed.isEmpty
    }
}
