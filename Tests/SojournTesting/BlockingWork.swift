import Foundation
import SojournLoop

/// Work that blocks, on a thread of its own: the few threads of Swift's tasks must not wait for sockets.
public final class BlockingWork: Sendable {
    private let isDone = Locked(false)

    /// Starts it.
    public init(_ body: @escaping @Sendable () -> Void) {
        Thread.detachNewThread {
            body()
            self.isDone.withLock { $0 = true }
        }
    }

    /// Waits until it has come to its end.
    public func finish(within limit: Double = 10) async throws {
        try await eventually(within: limit, "the work ends") { self.isDone.withLock { $0 } }
    }
}
