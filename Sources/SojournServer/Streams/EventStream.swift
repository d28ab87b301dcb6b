import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// One client that reads a session's events over SSE. Loop-confined.
///
/// A slow client holds nobody up: when its outbox is full the feed stops giving it events and goes on from
/// the log when the socket has drained; when it takes no byte for too long it is closed and may resume.
final class EventStream: FeedReader {
    private let server: NodeServer
    private let stream: HTTPStream
    private let session: Session
    private let dialect: EventFrame.Dialect
    private var subscription: Subscription?
    private var heartbeat: LoopTimer?
    private var isOver = false
    private let address: String
    private var expiry: ExpiryWatch?
    private var position: Int
    /// Waits for room in the outbox.
    private var waiting: CheckedContinuation<Void, Never>?

    static let headers: HTTPHeaders = [
        ("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"), ("Connection", "keep-alive"),
        ("X-Accel-Buffering", "no"),
    ]

    /// - Throws: when there are too many streams.
    init(
        server: NodeServer, context: RouteContext, session: Session, dialect: EventFrame.Dialect, after: Cursor
    ) throws(StoreError) {
        let exchange = context.exchange
        let address = server.addresses.counted(exchange)
        try server.census.enter(address)
        self.address = address
        self.server = server
        self.session = session
        self.dialect = dialect
        self.position = after.seq
        self.stream = exchange.startStream(status: 200, headers: Self.headers)
        self.stream.onClosed { [weak self] in self?.over() }
        self.stream.onDrained { [weak self] in self?.drained() }
        self.heartbeat = LoopTimer(loop: server.loop) { [weak self] in self?.beat() }
        self.expiry = server.watchExpiry(of: context.caller) { [weak self] in self?.end(ExpiryWatch.reason) }
    }

    func start(after cursor: Cursor) {
        // The pause before a reconnect, with jitter, so that clients do not come back all at once. No blank line: some
        // clients would see an empty event.
        self.stream.write("retry: \(Int.random(in: 1000...3000))\n")
        self.heartbeat?.start(afterMilliseconds: self.server.configuration.streamHeartbeat)
        self.subscription = self.server.shard.feed.subscribe(self, to: self.session.id, after: cursor)
    }

    /// Bytes that the client has not taken yet.
    var pendingBytes: Int { self.stream.pendingBytes }

    // MARK: Feed

    var isReady: Bool { !self.isOver && self.stream.pendingBytes < self.server.configuration.outboxBytes }

    func take(_ event: LiveEvent) {
        guard !self.isOver else { return }
        self.position = event.event.seq ?? self.position
        self.stream.write(EventFrame.bytes(of: event, dialect: self.dialect))
    }

    func caughtUp(_ cursor: Cursor) {
        self.say(EventType.streamReady, ["cursor": .string(cursor.description)], epoch: cursor.epoch, id: cursor)
    }

    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor) {
        self.position = resumeAt.seq
        self.say(
            EventType.streamGap,
            ["from": JSON(missing.lowerBound), "to": JSON(missing.upperBound), "epoch": JSON(resumeAt.epoch)],
            epoch: resumeAt.epoch, id: resumeAt)
    }

    func finished(_ reason: FeedEnd) {
        guard !self.isOver else { return }
        switch reason {
        case .closed: self.end("closed")
        case .failed: self.server.loop.spawn { await self.readRest() }
        }
    }

    /// The session left Redis before this client had all of it: the archive has the rest, or the client is told.
    private func readRest() async {
        let id = self.session.id
        var whole = false
        while let page = try? await self.server.shard.anyEvents(
            of: id, after: self.position, before: nil, limit: 100, types: nil)
        {
            for event in page.events {
                await self.room()
                self.take(LiveEvent(event))
            }
            whole = !page.hasMore
            if whole || self.isOver { break }
        }
        if !whole {
            let from = self.position + 1
            let to = (try? await self.server.shard.endedHead(id)) ?? from
            if from <= to { self.gap(from...to, resumeAt: Cursor(epoch: self.session.epoch, seq: to)) }
        }
        self.end("closed")
    }

    /// Waits until the outbox has room, or the stream is over.
    private func room() async {
        while !self.isOver, !self.isReady { await withCheckedContinuation { self.waiting = $0 } }
    }

    private func wake() {
        self.waiting?.resume()
        self.waiting = nil
    }

    // MARK: Life

    /// Ends the stream; `reason` tells the client whether to come back.
    func end(_ reason: String) {
        guard !self.isOver else { return }
        self.say(EventType.streamEnd, ["reason": .string(reason)], epoch: self.session.epoch, id: nil)
        self.over()
        self.stream.end()
    }

    private func over() {
        guard !self.isOver else { return }
        self.isOver = true
        self.heartbeat?.stop()
        self.expiry = nil
        self.server.census.leave(self.address)
        if let subscription = self.subscription { self.server.shard.feed.unsubscribe(subscription) }
        self.wake()
        self.server.forget(self)
    }

    private func drained() {
        self.wake()
        if let subscription, !self.isOver { self.server.shard.feed.resume(subscription) }
    }

    private func beat() {
        guard !self.isOver else { return }
        if self.stream.pendingBytes > 0,
            self.stream.millisecondsSinceProgress > self.server.configuration.outboxStall
        {
            self.server.log(
                .info, "a stream took no byte for too long; it is closed and may resume with its cursor",
                ["session.id": self.session.id.text, "outbox.bytes": String(self.stream.pendingBytes)])
            self.over()
            self.stream.close()
            return
        }
        if self.server.shard.agents[self.session.agentID]?.aliveWhileWatched == true {
            self.server.loop.spawn { [server, session] in _ = try? await server.shard.heartbeat(session.id) }
        }
        if self.stream.pendingBytes == 0 { self.stream.write(EventFrame.heartbeat) }
        self.heartbeat?.start(afterMilliseconds: self.server.configuration.streamHeartbeat)
    }

    private func say(_ type: String, _ data: JSON, epoch: String?, id: Cursor?) {
        guard !self.isOver,
            let event = Event.ephemeral(
                type: type, sessionID: self.session.id, epoch: epoch ?? self.session.epoch, at: self.server.shard.now,
                data: data)
        else { return }
        self.stream.write(EventFrame.bytes(of: event, id: id))
    }
}

extension NodeServer {
    func stream(_ context: RouteContext) async throws(StoreError) -> Answer {
        let id = try self.shard.sessionID(context.captures[0])
        let session = try await self.shard.session(id)
        var cursor = Cursor(epoch: session.epoch, seq: session.head)
        let asked = context.exchange.header("Last-Event-ID").flatMap { $0.isEmpty ? nil : $0 } ?? context.query("after")
        if let asked, !asked.isEmpty {
            guard let parsed = Cursor(asked) else {
                throw .validation(
                    "Invalid pagination parameter 'after': Must be a cursor such as 1a2b3c4d.1:12, or 0", field: "after"
                )
            }
            cursor = parsed
        }
        var dialect = EventFrame.Dialect.sojourn
        if let word = context.query("dialect"), !word.isEmpty {
            guard let known = EventFrame.Dialect(rawValue: word) else {
                throw .validation("Invalid dialect '\(word)': Must be one of: sojourn, eliza", field: "dialect")
            }
            dialect = known
        }
        guard !context.exchange.isClosed else { return .taken }
        guard context.exchange.method != .head else {
            context.exchange.startStream(status: 200, headers: EventStream.headers).end()
            return .taken
        }
        let stream = try EventStream(
            server: self, context: context, session: session, dialect: dialect, after: cursor)
        self.remember(stream)
        stream.start(after: cursor)
        return .taken
    }
}
