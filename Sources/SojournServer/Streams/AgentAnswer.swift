import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// Waits for the next message of the agent after a place in the log. Loop-confined.
final class AgentAnswer: FeedReader {
    private let shard: StoreShard
    private var subscription: Subscription?
    private var timer: LoopTimer?
    private var isOver = false
    private var resolve: ((Message?) -> Void)?

    private init(shard: StoreShard, resolve: @escaping (Message?) -> Void) {
        self.shard = shard
        self.resolve = resolve
    }

    /// Calls `resolve` once: with the answer, or with nil when the session ended or `limit` ms have passed.
    static func next(
        _ shard: StoreShard, _ id: SessionID, after cursor: Cursor, limit: Int, resolve: @escaping (Message?) -> Void
    ) -> AgentAnswer {
        let waiter = AgentAnswer(shard: shard, resolve: resolve)
        waiter.timer = LoopTimer(loop: shard.loop) { [weak waiter] in waiter?.settle(nil) }
        waiter.timer?.start(afterMilliseconds: limit)
        waiter.subscription = shard.feed.subscribe(waiter, to: id, after: cursor)
        return waiter
    }

    /// Waits; nil too when the client left.
    static func wait(
        _ shard: StoreShard, _ id: SessionID, after cursor: Cursor, limit: Int, exchange: HTTPExchange
    ) async -> Message? {
        var waiter: AgentAnswer?
        let answer = await withCheckedContinuation { (continuation: CheckedContinuation<Message?, Never>) in
            waiter = Self.next(shard, id, after: cursor, limit: limit) { continuation.resume(returning: $0) }
            exchange.onClosed { [weak waiter] in waiter?.settle(nil) }
        }
        waiter?.settle(nil)
        return answer
    }

    /// Gives up.
    func cancel() { self.settle(nil) }

    var isReady: Bool { !self.isOver }

    func take(_ event: LiveEvent) {
        if event.event.type == EventType.agentMessage, let message = Message(event.event) { self.settle(message) }
    }

    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor) {}
    func caughtUp(_ cursor: Cursor) {}
    func finished(_ reason: FeedEnd) { self.settle(nil) }

    private func settle(_ message: Message?) {
        guard let resolve = self.resolve else { return }
        self.resolve = nil
        self.isOver = true
        self.timer?.stop()
        if let subscription = self.subscription { self.shard.feed.unsubscribe(subscription) }
        resolve(message)
    }
}

/// The answer to a message with transport `sse`: `user_message`, `chunk`, `done` or `error`.
final class AnswerStream {
    private let server: NodeServer
    private let stream: HTTPStream
    private var waiter: AgentAnswer?
    private var heartbeat: LoopTimer?
    private var isOver = false

    init(exchange: HTTPExchange, server: NodeServer, sent: JSONObject) {
        self.server = server
        self.stream = exchange.startStream(status: 200, headers: EventStream.headers)
        self.say("user_message", .object(sent))
    }

    func start(_ id: SessionID, after cursor: Cursor) {
        // The waiter holds this object until it is settled; a client that leaves settles it.
        self.stream.onClosed { [weak self] in self?.waiter?.cancel() }
        self.heartbeat = LoopTimer(loop: self.server.loop) { [weak self] in self?.beat() }
        self.heartbeat?.start(afterMilliseconds: self.server.configuration.streamHeartbeat)
        self.waiter = AgentAnswer.next(
            self.server.shard, id, after: cursor, limit: self.server.configuration.answerLimit
        ) { answer in self.finish(answer) }
    }

    private func finish(_ answer: Message?) {
        guard !self.isOver else { return }
        self.isOver = true
        self.heartbeat?.stop()
        if let answer {
            self.say("chunk", ["messageId": .string(answer.id), "chunk": .string(answer.content), "index": 0])
            self.say("done", ["text": .string(answer.content), "messageId": .string(answer.id)])
        } else {
            self.say("error", ["error": "The agent did not answer in time; the message is kept"])
        }
        self.stream.end()
        self.waiter = nil
    }

    private func beat() {
        guard !self.isOver else { return }
        self.stream.write(EventFrame.heartbeat)
        self.heartbeat?.start(afterMilliseconds: self.server.configuration.streamHeartbeat)
    }

    private func say(_ name: String, _ data: JSON) {
        guard !self.stream.isClosed else { return }
        self.stream.write(EventFrame.bytes(name: name, id: nil, data: data.bytes))
    }
}
