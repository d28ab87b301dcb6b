import Glibc

/// An aid for tests, never for production: the step at which this process kills itself.
///
/// What a crash leaves behind can only be tested by crashing, and only inside is it known how far a step has come.
public struct CrashPoint: Sendable {
    /// What was done last when the process dies.
    public enum Step: String, Sendable, CaseIterable {
        /// A message is in the log, and nobody was rung for its turn.
        case accepted
        /// Redis says that the session is this archivist's.
        case claimed
        /// The transcript is in memory.
        case read
        /// The transcript is in the file, and not served.
        case prepared
        /// Redis has let go of the session.
        case acknowledged
        /// The transcript is served.
        case settled
        /// What a live session has that the archive has not is in memory.
        case behindRead
        /// It is in the file.
        case behindWritten
        /// Redis knows that, and has trimmed the log.
        case behindTold
    }

    private let step: Step
    private let signal: CInt
    private var countdown: Int

    /// Reads `step`, `step:n` for the nth session that comes to that step, or `step:n:stop`, which pauses the process
    /// (SIGSTOP) instead; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard let step = Step(rawValue: parts[0]), parts.count <= 3, parts.count < 3 || parts[2] == "stop",
            let countdown = parts.count < 2 ? 1 : Int(parts[1])
        else { return nil }
        (self.step, self.countdown, self.signal) = (step, countdown, parts.count == 3 ? SIGSTOP : SIGKILL)
    }

    /// Notes that a session came to this step.
    mutating func reached(_ step: Step) {
        guard step == self.step else { return }
        self.countdown -= 1
        // Not kill(2): a signal for the process may reach another thread first, and this one would go on meanwhile.
        if self.countdown == 0 { raise(self.signal) }
    }
}
