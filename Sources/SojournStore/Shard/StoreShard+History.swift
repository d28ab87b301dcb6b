package import SojournCore

extension StoreShard {
    /// Pages a live session's messages, newest first.
    ///
    /// Without `after` a page holds the newest messages before `before`; with `after` alone the oldest ones after it.
    package func messages(
        of id: SessionID, limit: Int, before: PageBound? = nil, after: PageBound? = nil
    ) async throws(StoreError) -> MessagePage {
        let session = try await self.session(id)
        let source = LiveLog(shard: self, id: id)
        return try await MessagePager(limit: limit, before: before, after: after).page(of: session, in: source)
    }

    /// Pages a live session's log in order.
    ///
    /// With `before` alone the page holds the last events before it, else the first ones after `after`.
    package func events(
        of id: SessionID, after: Int?, before: Int?, limit: Int, types: Set<String>? = nil
    ) async throws(StoreError) -> EventPage {
        let source = LiveLog(shard: self, id: id)
        return try await EventPager(after: after, before: before, limit: limit, types: types).page(of: source)
    }
}

/// A log that can be read in stretches.
protocol LogSource {
    /// Events within `from...to`, in order or newest first, and the log's head and epoch. At most `limit` of them and
    /// ``StoreShard/stretch``; one at least, if there is one.
    func read(from: Int, to: Int, limit: Int, newestFirst: Bool) async throws(StoreError) -> LogPage
}

/// A stretch, and where the log stands.
struct LogPage {
    let events: [Event]
    let oldest: Int
    let head: Int
    let epoch: String
}

/// The log of a live session.
struct LiveLog: LogSource {
    let shard: StoreShard
    let id: SessionID

    func read(from: Int, to: Int, limit: Int, newestFirst: Bool) async throws(StoreError) -> LogPage {
        let stretch = try await self.shard.stretch(
            self.id, from: from, to: to, limit: limit, newestFirst: newestFirst
        ).get()
        guard stretch.state == .live else { throw try await self.shard.gone(self.id) }
        return LogPage(
            events: stretch.events, oldest: stretch.oldest, head: stretch.history.head, epoch: stretch.epoch)
    }
}

/// Picks a page of messages from a log.
struct MessagePager {
    let limit: Int
    let before: PageBound?
    let after: PageBound?

    /// The page, and where the next one begins on either side.
    func page(of session: Session, in source: some LogSource) async throws(StoreError) -> MessagePage {
        let (messages, beyond) = try await self.read(source)
        var (before, after): (PageBound?, PageBound?)
        if let newest = messages.first, let oldest = messages.last {
            before = self.isOldestApart(oldest, beyond) ? .time(oldest.createdAt) : .seq(oldest.seq)
            after = self.isNewestApart(newest, beyond, in: session) ? .time(newest.createdAt) : .seq(newest.seq)
        }
        return MessagePage(
            messages: messages, hasMore: beyond != nil, before: before, after: after, session: session)
    }

    /// With `after` alone a page is the oldest of what is asked for.
    private var isForward: Bool { self.before == nil && self.after != nil }

    private var isInTime: Bool { self.before?.isTime == true || self.after?.isTime == true }

    /// Whether it is known that no older message outside the page has the time of its oldest one, which then says where
    /// the page ends; within one millisecond only a seq does.
    private func isOldestApart(_ oldest: Message, _ beyond: Message?) -> Bool {
        guard self.isInTime else { return false }
        if !self.isForward, let beyond { return beyond.createdAt < oldest.createdAt }
        return self.after?.isTime ?? true
    }

    /// The same of newer messages than the newest one, also of those that are still to come.
    private func isNewestApart(_ newest: Message, _ beyond: Message?, in session: Session) -> Bool {
        guard self.isInTime else { return false }
        if self.isForward, let beyond { return beyond.createdAt > newest.createdAt }
        return (self.before?.isTime ?? true) && (session.ending != nil || session.asOf > newest.createdAt)
    }

    /// Reads until the page is full and it is known what comes next.
    ///
    /// - Returns: the page, newest first, and the next message in its direction.
    func read(_ source: some LogSource) async throws(StoreError) -> (messages: [Message], beyond: Message?) {
        let forward = self.isForward
        var from = 1
        var to = Int.max
        if case .seq(let seq)? = self.after { from = max(0, min(seq, .max - 1)) + 1 }
        if case .seq(let seq)? = self.before { to = max(seq, 1) - 1 }
        var messages: [Message] = []
        // Between messages there are other events: as many again at first, and more with every step.
        var asked = 2 * (self.limit + 1)
        while from <= to, messages.count <= self.limit {
            let page = try await source.read(from: from, to: to, limit: asked, newestFirst: !forward)
            asked = min(2 * asked, StoreShard.stretch)
            for event in page.events where EventType.messages.contains(event.type) && self.contains(event) {
                if let message = Message(event) { messages.append(message) }
                if messages.count > self.limit { break }
            }
            guard let last = page.events.last?.seq else { break }
            if forward { from = last + 1 } else { to = last - 1 }
            if forward ? last >= page.head : last <= page.oldest { break }
        }
        let beyond = messages.count > self.limit ? messages.removeLast() : nil
        return (forward ? messages.reversed() : messages, beyond)
    }

    private func contains(_ event: Event) -> Bool {
        if case .time(let time)? = self.before, event.at >= time { return false }
        if case .time(let time)? = self.after, event.at <= time { return false }
        return true
    }
}

/// Picks a page of events from a log.
struct EventPager {
    let after: Int?
    let before: Int?
    let limit: Int
    let types: Set<String>?

    func page(of source: some LogSource) async throws(StoreError) -> EventPage {
        let backward = self.before != nil && self.after == nil
        var from = max(0, min(self.after ?? 0, .max - 1)) + 1
        var to = self.before.map { max($0, 1) - 1 } ?? Int.max
        var events: [Event] = []
        var log: LogPage?
        repeat {
            // Of a chosen type there may be none for long; without a choice every event counts.
            let asked = self.types == nil ? self.limit + 1 - events.count : StoreShard.stretch
            let page = try await source.read(from: from, to: max(to, from), limit: asked, newestFirst: backward)
            log = page
            guard from <= to else { break }
            for event in page.events where self.types?.contains(event.type) ?? true {
                events.append(event)
                if events.count > self.limit { break }
            }
            guard let last = page.events.last?.seq else { break }
            if backward { to = last - 1 } else { from = last + 1 }
            if backward ? last <= page.oldest : last >= page.head { break }
        } while from <= to && events.count <= self.limit
        let hasMore = events.count > self.limit
        if hasMore { events.removeLast() }
        return EventPage(
            events: backward ? events.reversed() : events, hasMore: hasMore, head: log?.head ?? 0,
            epoch: log?.epoch ?? "")
    }
}
