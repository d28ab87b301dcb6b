package import SojournCore
import SojournLoop
import SojournRedis

/// The live events of the sessions that somebody reads on this loop.
///
/// Pub/sub is a doorbell, the log is the truth: a reader is fed from the log until it has caught up with its
/// topic, then it gets what the channel brings; whenever the channel may have lost something, the topic is
/// settled from the log, with one read however many readers wait. Loop-confined.
package final class Feed {
    let loop: EventLoop
    let subscriber: any RedisSubscriptions
    let lingering: Int
    let log: Log
    var topics: [SessionID: Topic] = [:]
    private var names: [String: SessionID] = [:]
    /// Doorbells by their channels, with what was published; one also rings, with nothing, when it may have been missed.
    var bells: [String: ([UInt8]) -> Void] = [:]
    /// Reads a log from a seq on, and the deltas after a number once the head is reached.
    var reader: (SessionID, _ from: Int, _ deltasAfter: Int) async -> Result<LogStretch, StoreError> = { id, _, _ in
        .failure(.sessionNotFound(id.text))
    }
    /// The channel of a session.
    var channel: (SessionID) -> String = { $0.text }
    /// How often a topic was settled from the log.
    package private(set) var repairs = 0
    /// Events that came over channels, doorbells for large ones included.
    package private(set) var arrivals = 0
    /// Sessions whose channels are subscribed.
    package var channels: Int { self.topics.count }

    init(loop: EventLoop, subscriber: any RedisSubscriptions, lingering: Int, log: Log) {
        self.loop = loop
        self.subscriber = subscriber
        self.lingering = lingering
        self.log = log
    }

    /// Connects.
    func start() {
        self.subscriber.onMessage = { [weak self] channel, bytes in self?.arrived(channel, bytes) }
        self.subscriber.onRestored = { [weak self] channels in self?.restored(channels) }
        self.subscriber.start()
    }

    func close() { self.subscriber.close() }

    /// Whether what is published arrives.
    package var isHealthy: Bool { self.subscriber.isHealthy }

    // MARK: Readers

    /// Feeds a reader with everything after a cursor, for as long as the subscription is held.
    package func subscribe(_ reader: any FeedReader, to id: SessionID, after cursor: Cursor) -> Subscription {
        let subscription = Subscription(id: id, reader: reader, after: cursor)
        let topic = self.topics[id] ?? self.open(id)
        topic.generation += 1
        topic.subscriptions[ObjectIdentifier(subscription)] = subscription
        if topic.state != .subscribing { self.catchUp(subscription) }
        return subscription
    }

    /// Goes on with a reader that was not ready.
    package func resume(_ subscription: Subscription) { self.catchUp(subscription) }

    /// Ends a subscription. The channel is kept for a while, in case the reader comes back.
    package func unsubscribe(_ subscription: Subscription) {
        subscription.isOver = true
        guard let topic = self.topics[subscription.id] else { return }
        topic.subscriptions[ObjectIdentifier(subscription)] = nil
        guard topic.subscriptions.isEmpty else { return }
        let generation = topic.generation
        self.loop.spawn { [weak self] in
            guard let self else { return }
            await self.loop.sleep(milliseconds: self.lingering)
            guard topic.generation == generation, topic.subscriptions.isEmpty, self.topics[topic.id] === topic else {
                return
            }
            self.topics[topic.id] = nil
            let channel = self.channel(topic.id)
            self.names[channel] = nil
            self.subscriber.unsubscribe(channel)
        }
    }

    private func open(_ id: SessionID) -> Topic {
        let topic = Topic(id: id)
        let channel = self.channel(id)
        self.topics[id] = topic
        self.names[channel] = id
        self.loop.spawn { [weak self] in
            // Redis may be away; the readers wait for it.
            while let self, self.topics[id] === topic {
                if (try? await self.subscriber.subscribe(channel)) != nil { break }
                await self.loop.sleep(milliseconds: 100)
            }
            guard let self, self.topics[id] === topic else { return }
            self.settle(topic)
            for subscription in topic.subscriptions.values { self.catchUp(subscription) }
        }
        return topic
    }

    // MARK: What the channel brings

    private func arrived(_ channel: String, _ bytes: [UInt8]) {
        if let bell = self.bells[channel] { return bell(bytes) }
        guard let id = self.names[channel], let topic = self.topics[id] else { return }
        guard let event = Event(bytes: bytes) else {
            self.log(
                .warning, "something that is no event was published on a session's channel; it is ignored",
                ["session.id": id.text])
            return
        }
        self.arrivals += 1
        switch topic.arrival(of: event) {
        case .pass: self.pass(event, topic)
        case .ignore: break
        case .repair: self.settle(topic)
        }
    }

    /// The newest seq of a session, learnt in passing (a heartbeat's answer): a lost last event is noticed for free.
    func observe(_ id: SessionID, head: Int) {
        guard let topic = self.topics[id], topic.state == .live, let last = topic.last, head != last.seq else { return }
        // More than was passed on: the event may be on its way, so give the channel a moment. Less: an event may
        // have overtaken this answer; if nothing else comes, Redis may have lost what was passed on.
        self.loop.spawn { [weak self] in
            guard let self else { return }
            await self.loop.sleep(milliseconds: 100)
            guard let now = topic.last else { return }
            if head > now.seq || (head < last.seq && now == last) { self.settle(topic) }
        }
    }

    /// These channels were deaf for a while.
    private func restored(_ channels: [String]) {
        for channel in channels {
            self.bells[channel]?([])
            guard let topic = self.names[channel].flatMap({ self.topics[$0] }) else { continue }
            self.settle(topic)
            for subscription in topic.subscriptions.values { subscription.reader?.ephemeralsLost() }
        }
    }

    func pass(_ event: Event, _ topic: Topic) {
        if let cursor = event.cursor { topic.last = cursor }
        if let delta = event.delta { (topic.lastDelta, topic.isWriting) = (delta, true) }
        if event.type == EventType.agentMessage { topic.isWriting = false }
        // While a message is being written a cursor says how much of it a reader has.
        let isPlace = event.seq != nil || event.delta != nil
        let cursor = topic.last.map {
            Cursor(epoch: $0.epoch, seq: $0.seq, delta: topic.isWriting ? topic.lastDelta : nil)
        }
        let live = LiveEvent(event, cursor: isPlace ? cursor : nil)
        let isPresence = event.type == EventType.presence
        for subscription in topic.subscriptions.values
        where subscription.isJoined && (!isPresence || subscription.reader?.wantsPresence == true) {
            self.give(live, to: subscription, topic)
        }
        if EventType.closing.contains(event.type) {
            topic.isClosed = true
            for subscription in topic.subscriptions.values where subscription.isJoined {
                self.finish(subscription, .closed)
            }
        }
    }

    // MARK: Settling from the log

    /// Reads what the topic may have missed; asked again meanwhile, it reads again afterwards.
    func settle(_ topic: Topic) {
        guard topic.state != .repairing else {
            topic.isDirty = true
            return
        }
        topic.state = .repairing
        self.loop.spawn { [weak self] in await self?.repair(topic) }
    }

    private func repair(_ topic: Topic) async {
        var delay = 50
        repeat {
            topic.isDirty = false
            let from = topic.last.map { $0.seq + 1 } ?? Int.max
            self.repairs += topic.last == nil ? 0 : 1
            switch await self.reader(topic.id, from, topic.lastDelta) {
            case .success(let stretch): self.apply(stretch, to: topic)
            case .failure(let error) where error.code == .storeUnavailable || error.code == .internalError:
                // Nothing is known; the readers wait, and the log is asked again.
                topic.isDirty = true
                await self.loop.sleep(milliseconds: delay)
                delay = min(delay * 2, 1000)
            case .failure(let error): self.vanished(topic, error)
            }
            guard self.topics[topic.id] === topic else { return }
        } while topic.isDirty
        topic.state = .live
        for subscription in topic.subscriptions.values where !subscription.isJoined { self.catchUp(subscription) }
    }

    private func apply(_ stretch: LogStretch, to topic: Topic) {
        guard let last = topic.last else {
            topic.last = Cursor(epoch: stretch.epoch, seq: stretch.history.head)
            topic.isClosed = stretch.state == .closed
            topic.lastDelta = stretch.lastDelta
            return
        }
        let shared = stretch.history.commonPrefix(with: last)
        if shared < last.seq {
            // Redis lost events that were delivered already: whoever has them is told, the others go on.
            topic.last = Cursor(epoch: stretch.epoch, seq: shared)
            topic.isDirty = true
        }
        // A reader may be further than its topic; then its own cursor says what it shares with this log.
        for subscription in topic.subscriptions.values where subscription.isJoined {
            let cursor = Cursor(epoch: subscription.epoch, seq: subscription.position)
            if !stretch.history.honours(cursor) { subscription.isJoined = false }
        }
        guard shared == last.seq else { return }
        topic.last = Cursor(epoch: stretch.epoch, seq: last.seq)
        guard stretch.oldest <= last.seq + 1 else {
            // The window has moved on; each reader finds its own way.
            topic.last = Cursor(epoch: stretch.epoch, seq: stretch.history.head)
            for subscription in topic.subscriptions.values { subscription.isJoined = false }
            return
        }
        if last.epoch != stretch.epoch {
            // Deltas are numbered anew where Redis lost some; whoever has a part of a message gets it from its start.
            if topic.isWriting { for subscription in topic.subscriptions.values { subscription.isJoined = false } }
            (topic.lastDelta, topic.isWriting) = (stretch.lastDelta, false)
        }
        for event in stretch.events { self.pass(event, topic) }
        if let passed = topic.last, passed.seq < stretch.history.head {
            topic.isDirty = true
            return
        }
        for event in stretch.deltas where (event.delta ?? 0) > topic.lastDelta { self.pass(event, topic) }
        topic.lastDelta = max(topic.lastDelta, stretch.lastDelta)
    }

    /// Redis has nothing of the session any more: it was archived or deleted.
    private func vanished(_ topic: Topic, _ error: StoreError) {
        for subscription in topic.subscriptions.values {
            self.finish(subscription, topic.isClosed && subscription.isJoined ? .closed : .failed(error))
        }
        topic.last = nil
    }
}
