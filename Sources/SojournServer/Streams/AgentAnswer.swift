import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// Waits for the next message of the agent after a place in the log. Loop-confined.
final class AgentAnswer: FeedReader {
    private let server: NodeServer
    private var subscription: Subscription?
    private var timer: LoopTimer?
    private var isOver = false
    private var resolve: ((Message?) -> Void)?
    /// The turn whose message it waits for; nil takes any.
    private var turn: String?
    /// The place of the message that it waits for an answer to.
    private var place = 0
    /// How the turn ended, if it did so without a message.
    private(set) var ending: String?
    /// The turn's newest message; the last one before its end is the answer.
    private var last: Message?

    /// Gets the pieces of the message while it is being written.
    var onDelta: ((JSON) -> Void)?

    private init(server: NodeServer, resolve: @escaping (Message?) -> Void) {
        self.server = server
        self.resolve = resolve
    }

    /// Calls `resolve` once: with the answer, or with nil when the session ended or the limit has passed.
    static func next(
        _ server: NodeServer, _ id: SessionID, after cursor: Cursor, turn: String?,
        resolve: @escaping (Message?) -> Void
    ) -> AgentAnswer {
        let waiter = AgentAnswer(server: server, resolve: resolve)
        waiter.turn = turn
        waiter.place = cursor.seq
        server.remember(waiter)
        waiter.timer = LoopTimer(loop: server.loop) { [weak waiter] in waiter?.settle(nil) }
        waiter.timer?.start(afterMilliseconds: server.configuration.answerLimit)
        waiter.subscription = server.shard.feed.subscribe(waiter, to: id, after: cursor)
        return waiter
    }

    /// Waits; no message too when the client left. `ending` says how the turn ended, if it did so without one.
    static func wait(
        _ server: NodeServer, _ id: SessionID, after cursor: Cursor, turn: String?, exchange: HTTPExchange
    ) async -> (message: Message?, ending: String?) {
        var waiter: AgentAnswer?
        let answer = await withCheckedContinuation { (continuation: CheckedContinuation<Message?, Never>) in
            waiter = Self.next(server, id, after: cursor, turn: turn) { continuation.resume(returning: $0) }
            exchange.onClosed { [weak waiter] in waiter?.settle(nil) }
        }
        waiter?.settle(nil)
        return (answer, waiter?.ending)
    }

    /// Gives up.
    func cancel() { self.settle(nil) }

    var isReady: Bool { !self.isOver }

    func take(_ event: LiveEvent) {
        let type = event.event.type
        if type == EventType.agentMessageDelta {
            if let onDelta, let json = try? event.event.json(), self.turn == nil || json["turnId"]?.string == self.turn,
                let data = json["data"]
            {
                onDelta(data)
            }
            return
        }
        let news = [
            EventType.turnQueued, EventType.agentMessage, EventType.turnCompleted, EventType.turnFailed,
            EventType.turnCancelled,
        ]
        guard news.contains(type), let json = try? event.event.json() else { return }
        let own = json["turnId"]?.string
        switch type {
        case EventType.turnQueued:
            // The message has got a turn of its own: the first worker has come, or the turn that it was handed to
            // ended without it.
            guard json["data"]?["input"]?.array == [JSON(self.place)] else { return }
            self.turn = own
            self.last = nil
        case EventType.agentMessage:
            guard let message = Message(event.event) else { return }
            // An agent may also speak outside of turns.
            if own == nil || self.turn == nil { self.settle(message) } else if own == self.turn { self.last = message }
        default:
            guard own == self.turn, own != nil else { return }
            if self.last == nil || type != EventType.turnCompleted { self.ending = String(type.dropFirst(5)) }
            self.settle(type == EventType.turnCompleted ? self.last : nil)
        }
    }

    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor) {}
    func caughtUp(_ cursor: Cursor) {}
    func finished(_ reason: FeedEnd) { self.settle(nil) }

    private func settle(_ message: Message?) {
        guard let resolve = self.resolve else { return }
        self.resolve = nil
        self.isOver = true
        self.timer?.stop()
        if let subscription = self.subscription { self.server.shard.feed.unsubscribe(subscription) }
        self.server.forget(self)
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
    /// How many pieces of which message were passed on.
    private var chunks: [String: Int] = [:]

    init(exchange: HTTPExchange, server: NodeServer, sent: [UInt8]) {
        self.server = server
        self.stream = exchange.startStream(status: 200, headers: EventStream.headers)
        self.say("user_message", sent)
    }

    func start(_ id: SessionID, after cursor: Cursor, turn: String?) {
        // The waiter holds this object until it is settled; a client that leaves settles it.
        self.stream.onClosed { [weak self] in self?.waiter?.cancel() }
        self.heartbeat = LoopTimer(loop: self.server.loop) { [weak self] in self?.beat() }
        self.heartbeat?.start(afterMilliseconds: self.server.configuration.streamHeartbeat)
        self.waiter = AgentAnswer.next(self.server, id, after: cursor, turn: turn) { answer in self.finish(answer) }
        self.waiter?.onDelta = { [weak self] data in self?.chunk(data) }
    }

    private func chunk(_ data: JSON) {
        guard !self.isOver, let message = data["messageId"], let text = data["text"] else { return }
        self.say(
            "chunk",
            ["messageId": message, "chunk": text, "index": JSON(self.chunks[message.string ?? "", default: 0])])
        self.chunks[message.string ?? "", default: 0] += 1
    }

    private func finish(_ answer: Message?) {
        guard !self.isOver else { return }
        self.isOver = true
        self.heartbeat?.stop()
        if let answer {
            if self.chunks[answer.id] == nil {
                self.say("chunk", ["messageId": .string(answer.id), "chunk": .string(answer.content), "index": 0])
            }
            self.say("done", ["text": .string(answer.content), "messageId": .string(answer.id)])
        } else {
            let reason = self.waiter?.ending.map { "The turn was \($0) without an answer" }
            self.say("error", ["error": .string(reason ?? "The agent did not answer in time; the message is kept")])
        }
        self.stream.end()
        self.waiter = nil
    }

    private func beat() {
        guard !self.isOver else { return }
        self.stream.write(EventFrame.heartbeat)
        self.heartbeat?.start(afterMilliseconds: self.server.configuration.streamHeartbeat)
    }

    private func say(_ name: String, _ data: JSON) { self.say(name, data.bytes) }

    private func say(_ name: String, _ data: [UInt8]) {
        guard !self.stream.isClosed else { return }
        self.stream.write(EventFrame.bytes(name: name, id: nil, data: data))
    }
}
