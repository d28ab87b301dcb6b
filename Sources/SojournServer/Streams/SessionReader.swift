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
/// when there is room again. It is made in a place of the server's ``OpeningGate``, and leaves it when it has caught up.
final class SessionReader: FeedReader {
    let server: NodeServer
    let id: SessionID
    /// Gone when the client is.
    private weak var outlet: (any ReaderOutlet)?
    private let epoch: String
    let wantsPresence: Bool
    /// What its caller must be allowed to do.
    var needs: Rights { self.wantsPresence ? [.read, .presence] : .read }
    private var attachment: Attachment?
    /// What comes of presence while the whole list is being read; nil once it was sent.
    private var presenceHeld: [LiveEvent]? = []
    private var subscription: Subscription?
    private(set) var isOver = false
    /// Whether it holds the place in the gate in which it was made.
    private var isOpening = true
    private var position: Int
    /// The branch of the log in which it got there; nil when its client did not say.
    private var branch: String?
    /// Waits for room in the outbox.
    private var waiting: CheckedContinuation<Void, Never>?

    init(server: NodeServer, session: Session, outlet: any ReaderOutlet, wantsPresence: Bool = false) {
        self.server = server
        self.id = session.id
        self.epoch = session.epoch
        self.position = session.head
        self.outlet = outlet
        self.wantsPresence = wantsPresence
    }

    /// Reads from a cursor on, until it is over.
    func start(_ session: Session, after cursor: Cursor) {
        (self.position, self.branch) = (cursor.seq, cursor.epoch)
        self.server.attached(self)
        self.subscription = self.server.shard.feed.subscribe(self, to: self.id, after: cursor)
        guard let connection = self.outlet?.connection else { return self.stop() }
        self.attachment = self.server.shard.attach(
            to: session, connection: connection.id, client: connection.client, transport: connection.transport.rawValue)
    }

    /// There is room again.
    func resume() {
        self.wake()
        if let subscription, !self.isOver { self.server.shard.feed.resume(subscription) }
    }

    // MARK: Feed

    var isReady: Bool {
        if self.isOver { return false }
        if self.outlet?.hasRoom == true { return true }
        // What it waits for is its client, which is to hold nobody else up.
        self.leaveGate()
        return false
    }

    private func leaveGate() {
        guard self.isOpening else { return }
        self.isOpening = false
        self.server.openings.leave()
    }

    func take(_ event: LiveEvent) {
        guard !self.isOver else { return }
        if self.presenceHeld != nil, event.event.type == EventType.presence {
            self.presenceHeld?.append(event)
            return
        }
        if let seq = event.event.seq { (self.position, self.branch) = (seq, event.event.epoch) }
        self.outlet?.write(event)
    }

    func caughtUp(_ cursor: Cursor) {
        self.say(EventType.streamReady, ["cursor": .string(cursor.description)], epoch: cursor.epoch, id: cursor)
        self.leaveGate()
        if self.wantsPresence { self.server.loop.spawn { await self.readPresence() } }
    }

    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor) {
        (self.position, self.branch) = (resumeAt.seq, resumeAt.epoch)
        self.server.counters.gaps += 1
        self.say(
            EventType.streamGap,
            ["from": JSON(missing.lowerBound), "to": JSON(missing.upperBound), "epoch": JSON(resumeAt.epoch)],
            epoch: resumeAt.epoch, id: resumeAt)
    }

    var endsWhenOutrun: Bool { true }
    func demoted() { self.server.counters.demotions += 1 }
    func promoted() {
        self.server.counters.promotions += 1
        self.ephemeralsLost()
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

    // MARK: End of the log

    func finished(_ reason: FeedEnd) {
        guard !self.isOver else { return }
        switch reason {
        case .closed: self.conclude()
        case .outrun:
            self.server.counters.outrun += 1
            self.stop()
            self.outlet?.readerEnded(self, isOutrun: true)
        case .failed: self.server.loop.spawn { await self.readRest() }
        }
    }

    /// The session left Redis before this client had all of it: the archive has the rest, or the client is told.
    private func readRest() async {
        var whole = false
        await self.rejoin()
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
            let missing = from <= to ? from...to : to + 1...max(self.position, to + 1)
            if from <= to || to < self.position { self.gap(missing, resumeAt: Cursor(epoch: self.epoch, seq: to)) }
        }
        self.conclude()
    }

    /// Goes back to where the log that its client has and the one that is kept part, and tells what is no more: Redis may
    /// have lost that, and ended the session anew, before anybody looked. Redis is asked until it answers.
    private func rejoin() async {
        guard self.position > 0, let history = await self.branches() else { return }
        let cursor = Cursor(epoch: self.branch, seq: self.position)
        let shared = history.commonPrefix(with: cursor)
        guard shared < self.position || !history.honours(cursor) else { return }
        let epoch = history.cuts.last?.epoch ?? self.epoch
        self.gap(min(shared + 1, self.position)...self.position, resumeAt: Cursor(epoch: epoch, seq: shared))
    }

    /// The branches of the log; nil when nobody knows them any more.
    private func branches() async -> EpochHistory? {
        var delay = 50
        while !self.isOver {
            do throws(StoreError) {
                return try await self.server.shard.branches(of: self.id)
            } catch {
                guard error.code == .storeUnavailable else { return nil }
                await self.server.loop.sleep(milliseconds: delay)
                delay = min(delay * 2, 1000)
            }
        }
        return nil
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
        self.outlet?.readerEnded(self, isOutrun: false)
    }

    /// Says why nothing more comes, and stops.
    func end(_ reason: String, _ more: JSONObject = [:]) {
        let data: JSONObject = ["reason": .string(reason)]
        self.say(EventType.streamEnd, .object(data.merging(more)), epoch: nil, id: nil)
        self.stop()
    }

    /// Stops without a word.
    func stop() {
        guard !self.isOver else { return }
        self.isOver = true
        self.leaveGate()
        if let subscription = self.subscription { self.server.shard.feed.unsubscribe(subscription) }
        if let attachment = self.attachment { self.server.shard.detach(attachment) }
        self.wake()
        self.server.detached(self)
    }

    private func say(_ type: String, _ data: JSON, epoch: String?, id: Cursor?) {
        guard !self.isOver,
            let event = Event.ephemeral(
                type: type, sessionID: self.id, epoch: epoch ?? self.epoch, at: self.server.shard.now, data: data)
        else { return }
        self.outlet?.write(LiveEvent(event, cursor: id))
    }
}
