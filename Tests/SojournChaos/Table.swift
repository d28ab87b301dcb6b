import Foundation

/// What a run comes to, as it is printed.
enum Table {
    static func text(_ options: Options, _ history: History) -> String {
        let (counts, violations) = (history.counts, history.violations)
        func broken(_ law: History.Violation.Law) -> Int { violations.count { $0.law == law } }
        let faults = history.faults
        var lines = [
            "",
            options.title,
            "",
        ]
        func row(_ name: String, _ value: some CustomStringConvertible, _ note: String = "") {
            let left = name.padding(toLength: 32, withPad: " ", startingAt: 0)
            let number = value.description
            let right = String(repeating: " ", count: max(0, 8 - number.count)) + number
            lines.append("  \(left)\(right)\(note.isEmpty ? "" : "   " + note)")
        }
        row("faults injected", faults.values.reduce(0, +))
        for kind in Fault.Kind.allCases where faults[kind, default: 0] > 0 {
            row("  " + kind.rawValue, faults[kind, default: 0])
        }
        if options.hasReplicas { row("failovers", counts.failovers) }
        row("operations", counts.operations, "\(counts.retries) times again on another node")
        row("  acknowledged", counts.acknowledged)
        if options.hasReplicas { row("  of them not promised", counts.notPromised, "fewer replicas than asked for") }
        row("  outcome unknown", counts.unknown)
        row("sessions", history.sessions.count, "\(counts.readBack) read back by HTTP")
        row("turns ended", counts.completedTurns)
        row(
            "deliveries", counts.deliveries,
            "over \(counts.connections) connections; \(counts.slowEvents) to slow readers")
        row("lost", broken(.lost))
        if counts.lostAndTold > 0 || options.promisesNothing {
            row("  lost and told", counts.lostAndTold, "not promised")
        }
        row("duplicated", broken(.duplicated))
        row(
            "early", broken(.early),
            counts.earlyAndTold > 0 ? "\(counts.earlyAndTold) more lost an unpromised renewal, told" : "")
        row(
            "late", broken(.late),
            "\(counts.lateExplained) more explained by faults; at the most \(Int(counts.latest)) ms")
        row("warned twice", broken(.warnedTwice), "\(counts.unwarned) not warned because of faults")
        row(
            "gaps told", counts.gapsTold,
            counts.leftBefore > 0 ? "\(counts.leftBefore) events of readers that had left before" : "")
        row("gaps silent", broken(.silentGap))
        row("keys leaked", broken(.leaked))
        if counts.bytesCut > 0 { row("bytes lost in power cuts", counts.bytesCut) }
        if counts.replaced > 0 { row("events replaced in archives", counts.replaced) }
        let rest = broken(.strange) + broken(.crash) + broken(.unsettled)
        row("anything else that was wrong", rest)
        return lines.joined(separator: "\n")
    }

    /// A line for each violation.
    static func complaints(_ history: History) -> [String] {
        history.violations.prefix(200).map { violation in
            let place = (violation.session.map { " session \($0)" } ?? "") + (violation.seq.map { " seq \($0)" } ?? "")
            return "\(violation.law.rawValue):\(place): \(violation.sentence)"
        }
    }
}
