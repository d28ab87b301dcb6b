import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// Lets a worker wait for news of its turn: that it must stop, or that a message was sent. Loop-confined.
final class TurnNews: FeedReader {
    private let server: NodeServer
    private let turn: TurnID
    private var subscription: Subscription?
    private var timer: LoopTimer?
    private var resolve: (() -> Void)?

    private init(server: NodeServer, turn: TurnID, resolve: @escaping () -> Void) {
        self.server = server
        self.turn = turn
        self.resolve = resolve
    }

    /// Returns at the next message or the end of the turn, when time is up, or when the worker has left.
    ///
    /// - Parameter head: the end of the log when the lease was extended.
    static func wait(
        _ server: NodeServer, _ turn: TurnID, after head: Int, milliseconds: Int, exchange: HTTPExchange
    ) async {
        var news: TurnNews?
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let reader = TurnNews(server: server, turn: turn) { continuation.resume() }
            news = reader
            reader.timer = LoopTimer(loop: server.loop) { [weak reader] in reader?.settle() }
            reader.timer?.start(afterMilliseconds: milliseconds)
            exchange.onClosed { [weak reader] in reader?.settle() }
            reader.subscription = server.shard.feed.subscribe(
                reader, to: turn.session, after: Cursor(epoch: nil, seq: head))
        }
        news?.settle()
    }

    var isReady: Bool { self.resolve != nil }

    func take(_ event: LiveEvent) {
        switch event.event.type {
        case EventType.userMessage: self.settle()
        case EventType.turnCancelled, EventType.turnQueued, EventType.turnFailed, EventType.turnCompleted:
            if (try? event.event.json())?["turnId"]?.string == self.turn.text { self.settle() }
        default: break
        }
    }

    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor) { self.settle() }
    func caughtUp(_ cursor: Cursor) {}
    func finished(_ reason: FeedEnd) { self.settle() }

    private func settle() {
        guard let resolve = self.resolve else { return }
        self.resolve = nil
        self.timer?.stop()
        if let subscription = self.subscription { self.server.shard.feed.unsubscribe(subscription) }
        resolve()
    }
}
