import SojournCore
import SojournLoop
import SojournStore

/// Who reads: one SSE answer, or one WebSocket with all its sessions.
struct ReaderConnection: Sendable {
    /// How the events reach the client.
    enum Transport: String, Sendable {
        case sse
        case websocket
    }

    /// Random, unique over all nodes.
    let id = "c" + String(UInt64.random(in: .min ... .max), radix: 36)
    let transport: Transport
    /// What the client calls itself; at most 64 characters.
    let client: String?

    init(_ transport: Transport, client: String?) {
        self.transport = transport
        self.client = client.flatMap { $0.isEmpty ? nil : String($0.prefix(64)) }
    }
}

/// What carries events to a client. Loop-confined.
protocol ReaderOutlet: AnyObject {
    var connection: ReaderConnection { get }
    /// Whether the outbox takes more.
    var hasRoom: Bool { get }
    /// Writes an event of the log, a delta, or one about the stream itself.
    func write(_ event: LiveEvent)
    /// The reader has written its last event, or could not keep up with the log.
    func readerEnded(_ reader: SessionReader, isOutrun: Bool)
}

/// One client's reading of one session, whatever carries it. Loop-confined.
///
/// A slow client holds nobody up: when its outbox is full the feed stops giving it events and goes on from the log
/// when there is room again.
final class SessionReader: FeedReader {
    let server: NodeServer
    let id: SessionID
    /// Lives at least until this reader is over.
    unowned let outlet: any ReaderOutlet
    private let epoch: String
    private var subscription: Subscription?
    private(set) var isOver = false
    private var position: Int
    /// Waits for room in the outbox.
    private var waiting: CheckedContinuation<Void, Never>?

    init(server: NodeServer, session: Session, outlet: any ReaderOutlet) {
        self.server = server
        self.id = session.id
        self.epoch = session.epoch
        self.position = session.head
        self.outlet = outlet
    }

    /// Reads from a cursor on, until it is over.
    func start(after cursor: Cursor) {
        self.position = cursor.seq
        self.server.attached(self)
        self.subscription = self.server.shard.feed.subscribe(self, to: self.id, after: cursor)
    }

    /// There is room again.
    func resume() {
        self.wake()
        if let subscription, !self.isOver { self.server.shard.feed.resume(subscription) }
    }

    // MARK: Feed

    var isReady: Bool { !self.isOver && self.outlet.hasRoom }

    func take(_ event: LiveEvent) {
        guard !self.isOver else { return }
        self.position = event.event.seq ?? self.position
        self.outlet.write(event)
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

    var endsWhenOutrun: Bool { true }
    func demoted() { self.server.counters.demotions += 1 }
    func promoted() { self.server.counters.promotions += 1 }

    func finished(_ reason: FeedEnd) {
        guard !self.isOver else { return }
        switch reason {
        case .closed: self.conclude()
        case .outrun:
            self.server.counters.outrun += 1
            self.stop()
            self.outlet.readerEnded(self, isOutrun: true)
        case .failed: self.server.loop.spawn { await self.readRest() }
        }
    }

    /// The session left Redis before this client had all of it: the archive has the rest, or the client is told.
    private func readRest() async {
        var whole = false
        while let page = try? await self.server.shard.anyEvents(
            of: self.id, after: self.position, before: nil, limit: 100, types: nil)
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
            let to = (try? await self.server.shard.endedHead(self.id)) ?? from
            if from <= to { self.gap(from...to, resumeAt: Cursor(epoch: self.epoch, seq: to)) }
        }
        self.conclude()
    }

    /// Waits until the outbox has room, or the reader is over.
    private func room() async {
        while !self.isOver, !self.isReady { await withCheckedContinuation { self.waiting = $0 } }
    }

    private func wake() {
        self.waiting?.resume()
        self.waiting = nil
    }

    // MARK: End

    /// The client has the whole log, which is closed.
    private func conclude() {
        guard !self.isOver else { return }
        self.end("closed")
        self.outlet.readerEnded(self, isOutrun: false)
    }

    /// Says why nothing more comes, and stops.
    func end(_ reason: String) {
        self.say(EventType.streamEnd, ["reason": .string(reason)], epoch: nil, id: nil)
        self.stop()
    }

    /// Stops without a word.
    func stop() {
        guard !self.isOver else { return }
        self.isOver = true
        if let subscription = self.subscription { self.server.shard.feed.unsubscribe(subscription) }
        self.wake()
        self.server.detached(self)
    }

    private func say(_ type: String, _ data: JSON, epoch: String?, id: Cursor?) {
        guard !self.isOver,
            let event = Event.ephemeral(
                type: type, sessionID: self.id, epoch: epoch ?? self.epoch, at: self.server.shard.now, data: data)
        else { return }
        self.outlet.write(LiveEvent(event, cursor: id))
    }
}
