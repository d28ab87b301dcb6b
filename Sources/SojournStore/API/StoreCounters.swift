package import SojournCore
import SojournLoop
import SojournRedis

/// What one loop's shard has done since its start. Plain numbers that only its loop touches; whoever wants the sums of a
/// node adds up those of its loops.
package struct StoreCounters: Sendable {
    /// Sessions that were created, those under a conversation key that lived already aside.
    package var created = 0
    /// Renewals, by what caused them.
    package var renewed: [RenewalCause: Int] = [:]
    /// Heartbeats that found their session.
    package var heartbeats = 0
    /// Lives that ended, by how.
    package var ended: [EndReason: Int] = [:]
    /// Messages, by who said them.
    package var messages: [MessageAuthor: Int] = [:]
    /// Deltas that were published; each may hold several pieces.
    package var deltas = 0
    /// Turns that were given to workers.
    package var leased = 0
    /// How long those had waited in their queues, in microseconds.
    package var turnWaits = Distribution(Distribution.waits)
    /// Turns that workers have ended, by what became of them; a turn that is queued again counts too.
    package var finished: [TurnStatus: Int] = [:]
    /// Calls of scripts, by their names.
    package var scripts: [String: CallTally] = [:]

    /// What moves a session's deadline.
    package enum RenewalCause: String, Sendable, CaseIterable {
        case heartbeat
        case message
        case request
    }

    /// What became of the calls of one script.
    package struct CallTally: Sendable {
        /// How long they took, from the call to its answer, in microseconds; waits for a connection included.
        package var times = Distribution(Distribution.quick)
        /// Those without an answer, or with an error as answer, by the code of the error.
        package var errors: [String: Int] = [:]
    }

    mutating func called(_ script: String, since start: Int, error: RedisError? = nil) {
        self.scripts[script, default: CallTally()].times.record(EventLoop.microseconds - start)
        guard let error else { return }
        self.scripts[script]?.errors[error.counted, default: 0] += 1
    }
}

extension RedisError {
    /// A word of a small set that tells errors of servers apart as far as that helps.
    fileprivate var counted: String {
        guard self.code == .server else { return "\(self.code)" }
        let known = [
            "OOM", "READONLY", "LOADING", "MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN", "NOPERM", "BUSY", "MISCONF",
        ]
        return self.serverCode.flatMap { known.contains($0) ? $0 : nil } ?? "server"
    }
}
