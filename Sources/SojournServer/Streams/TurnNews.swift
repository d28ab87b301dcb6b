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
    static func wait(_ server: NodeServer, _ turn: TurnID, milliseconds: Int, exchange: HTTPExchange) async {
        guard let session = try? await server.shard.session(turn.session), !exchange.isClosed else { return }
        var news: TurnNews?
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let reader = TurnNews(server: server, turn: turn) { continuation.resume() }
            news = reader
            reader.timer = LoopTimer(loop: server.loop) { [weak reader] in reader?.settle() }
            reader.timer?.start(afterMilliseconds: milliseconds)
            exchange.onClosed { [weak reader] in reader?.settle() }
            // From the present end of the log: what came before was in the answer of the extension, or is looked up
            // by the one that follows.
            reader.subscription = server.shard.feed.subscribe(
                reader, to: turn.session, after: Cursor(epoch: session.epoch, seq: session.head))
            if session.status != .running && session.status != .waiting { reader.settle() }
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
