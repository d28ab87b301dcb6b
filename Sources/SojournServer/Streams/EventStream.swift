import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// One client that reads a session's events over SSE. Loop-confined.
///
/// A slow client holds nobody up: when its outbox is full the feed stops giving it events and goes on from
/// the log when the socket has drained; when it takes no byte for too long it is closed and may resume.
final class EventStream: FeedReader, LiveConnection {
    private let server: NodeServer
    private let stream: HTTPStream
    private let id: SessionID
    private let epoch: String
    private let dialect: EventFrame.Dialect
    private var subscription: Subscription?
    /// Its slot in the wheel of heartbeats.
    private var slot: Int?
    private var isOver = false
    /// Whether it holds a place in the gate.
    private var isOpening = true
    private var position: Int
    let wantsPresence: Bool
    private var attachment: Attachment?
    /// What comes of presence while the whole list is being read; nil once it was sent.
    private var presenceHeld: [LiveEvent]? = []
    /// Waits for room in the outbox.
    private var waiting: CheckedContinuation<Void, Never>?

    static let headers: HTTPHeaders = [
        ("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"), ("Connection", "keep-alive"),
        ("X-Accel-Buffering", "no"),
    ]

    init(server: NodeServer, exchange: HTTPExchange, session: Session, request: StreamRequest) {
        self.server = server
        self.id = session.id
        self.epoch = session.epoch
        self.dialect = request.dialect
        self.position = request.after.seq
        self.wantsPresence = request.presence
        self.stream = exchange.startStream(status: 200, headers: Self.headers)
        self.stream.onClosed { [weak self] in self?.over() }
        self.stream.onDrained { [weak self] in self?.drained() }
    }

    func start(_ session: Session, _ request: StreamRequest) {
        // The pause before a reconnect, with jitter, so that clients do not come back all at once. No blank line: some
        // clients would see an empty event.
        self.stream.write("retry: \(Int.random(in: 1000...3000))\n")
        self.slot = self.server.beats.add(self)
        self.subscription = self.server.shard.feed.subscribe(self, to: self.id, after: request.after)
        self.attachment = self.server.shard.attach(
            to: session, connection: StoreShard.connectionID(), client: request.client, transport: "sse")
    }

    /// Bytes that the client has not taken yet.
    var pendingBytes: Int { self.stream.pendingBytes }

    // MARK: Feed

    var isReady: Bool { !self.isOver && self.stream.pendingBytes < self.server.configuration.outboxBytes }

    func take(_ event: LiveEvent) {
        guard !self.isOver else { return }
        if self.presenceHeld != nil, event.event.type == EventType.presence {
            self.presenceHeld?.append(event)
            return
        }
        self.position = event.event.seq ?? self.position
        self.stream.write(EventFrame.bytes(of: event, dialect: self.dialect))
    }

    func caughtUp(_ cursor: Cursor) {
        self.opened()
        self.say(EventType.streamReady, ["cursor": .string(cursor.description)], epoch: cursor.epoch, id: cursor)
        if self.wantsPresence { self.server.loop.spawn { await self.readPresence() } }
    }

    // MARK: Presence

    func ephemeralsLost() {
        guard self.wantsPresence, self.presenceHeld == nil else { return }
        self.presenceHeld = []
        self.server.loop.spawn { await self.readPresence() }
    }

    /// Sends who is there, and then the changes that came meanwhile: a change that the list has already does no harm.
    private func readPresence() async {
        var delay = 50
        while !self.isOver {
            do throws(StoreError) {
                let presence = try await self.server.shard.presence(of: self.id)
                let held = self.presenceHeld ?? []
                self.presenceHeld = nil
                self.say(
                    EventType.presence, ["present": .array(presence.connections), "count": JSON(presence.count)],
                    epoch: nil, id: nil)
                for event in held { self.take(event) }
                return
            } catch {
                await self.server.loop.sleep(milliseconds: delay)
                delay = min(delay * 2, 2000)
            }
        }
    }

    // MARK: Gaps and ends

    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor) {
        self.position = resumeAt.seq
        self.server.counters.add(to: \.gaps)
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
        let id = self.id
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
            if from <= to { self.gap(from...to, resumeAt: Cursor(epoch: self.epoch, seq: to)) }
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

    /// Whoever waits to be opened may go on.
    private func opened() {
        guard self.isOpening else { return }
        self.isOpening = false
        self.server.openings.leave()
    }

    func drain(retry: Int) {
        guard !self.isOver else { return }
        self.stream.write("retry: \(retry)\n")
        self.end("drain", ["retry": JSON(retry)])
    }

    /// Ends the stream; `reason` tells the client whether to come back.
    private func end(_ reason: String, _ more: JSONObject = [:]) {
        guard !self.isOver else { return }
        var data: JSONObject = ["reason": .string(reason)]
        for member in more.members { data[member.name] = member.value }
        self.say(EventType.streamEnd, .object(data), epoch: nil, id: nil)
        self.over()
        self.stream.end()
    }

    private func over() {
        guard !self.isOver else { return }
        self.isOver = true
        self.opened()
        if let slot = self.slot { self.server.beats.remove(self, from: slot) }
        if let subscription = self.subscription { self.server.shard.feed.unsubscribe(subscription) }
        if let attachment = self.attachment { self.server.shard.detach(attachment) }
        self.wake()
        self.server.forget(self)
    }

    private func drained() {
        self.wake()
        if let subscription, !self.isOver { self.server.shard.feed.resume(subscription) }
    }

    /// Says that the stream is alive, and looks whether its client is.
    func beat() {
        guard !self.isOver else { return }
        // Redis does not answer; that holds nobody else up.
        self.opened()
        if self.stream.pendingBytes > 0,
            self.stream.millisecondsSinceProgress > self.server.configuration.outboxStall
        {
            self.server.log(
                .info, "a stream took no byte for too long; it is closed and may resume with its cursor",
                ["session.id": self.id.text, "outbox.bytes": String(self.stream.pendingBytes)])
            self.server.counters.add(to: \.stalled)
            self.over()
            self.stream.close()
            return
        }
        if self.stream.pendingBytes == 0 { self.stream.write(EventFrame.heartbeat) }
    }

    private func say(_ type: String, _ data: JSON, epoch: String?, id: Cursor?) {
        guard !self.isOver,
            let event = Event.ephemeral(
                type: type, sessionID: self.id, epoch: epoch ?? self.epoch, at: self.server.shard.now,
                data: data)
        else { return }
        self.stream.write(EventFrame.bytes(of: event, id: id))
    }
}
