import Foundation
import SojournLoop
import SojournTesting

/// Everybody who reads a session's stream.
final class Readers: Sendable {
    private let all = Locked<[Reader]>([])
    private let ports: [Int]
    private let history: History
    private let isOver = Locked(false)

    init(_ crew: Crew, _ history: History) {
        self.ports = crew.ports
        self.history = history
    }

    var everyone: [Reader] { self.all.withLock { $0 } }
    var open: Int { self.everyone.count { !$0.isDone } }

    /// Reads a session until its end, on a thread of its own.
    func read(_ session: String, seed: UInt64) {
        let reader = Reader(session, ports: self.ports, history: self.history, seed: seed)
        self.all.withLock { $0.append(reader) }
        Thread.detachNewThread { reader.run { self.isOver.withLock { $0 } } }
    }

    /// Whoever still reads gives up.
    func stop() { self.isOver.withLock { $0 = true } }
}
