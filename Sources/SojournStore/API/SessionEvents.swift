public import SojournCore
import SojournLoop

/// The live events of one session, from a cursor on, as an asynchronous sequence.
///
/// Events come in order of seq, each once. A slow consumer holds nobody up: what it has not taken stays in
/// the log. The sequence ends after the event that closes the session, or when its task is cancelled.
public struct SessionEvents: AsyncSequence, Sendable {
    /// What a reader gets.
    public enum Element: Sendable {
        /// An event of the log, or an ephemeral one.
        case event(Event)
        /// The reader has everything that there was when it came; what follows is live.
        case ready(Cursor)
        /// What the reader had, or waited for, between these seqs is not in the log any more.
        case gap(ClosedRange<Int>, resumeAt: Cursor)
    }

    let loop: EventLoop
    let open: @Sendable () -> Confined<EventMailbox>

    /// Starts reading; the iterator belongs to one task.
    public func makeAsyncIterator() -> Iterator { Iterator(loop: self.loop, open: self.open) }

    /// Reads one session's events.
    public struct Iterator: AsyncIteratorProtocol {
        private let loop: EventLoop
        private let open: @Sendable () -> Confined<EventMailbox>
        private var lease: Lease?

        init(loop: EventLoop, open: @escaping @Sendable () -> Confined<EventMailbox>) {
            self.loop = loop
            self.open = open
        }

        /// The next one, or nil at the end.
        ///
        /// - Throws: ``StoreError`` when the session cannot be read.
        public mutating func next() async throws -> Element? {
            let lease: Lease
            if let existing = self.lease {
                lease = existing
            } else {
                let open = self.open
                lease = Lease(loop: self.loop, mailbox: try await self.loop.run { open() })
                self.lease = lease
            }
            let mailbox = lease.mailbox
            return try await withTaskCancellationHandler {
                try await lease.loop.run { try await mailbox.value.next() }
            } onCancel: {
                lease.loop.execute { mailbox.value.close() }
            }
        }
    }

    /// Ends the subscription when the iterator is gone, wherever that happens.
    private final class Lease: Sendable {
        let loop: EventLoop
        let mailbox: Confined<EventMailbox>

        init(loop: EventLoop, mailbox: Confined<EventMailbox>) {
            self.loop = loop
            self.mailbox = mailbox
        }

        deinit { self.loop.execute { [mailbox] in mailbox.value.close() } }
    }
}

/// Holds a few events for one consumer; when it is full the feed goes on from the log later. Loop-confined.
final class EventMailbox: FeedReader {
    private static let capacity = 256

    private let feed: Feed
    private var subscription: Subscription?
    private var waiting: CheckedContinuation<Void, Never>?
    private var elements: [SessionEvents.Element] = []
    private var end: FeedEnd?

    init(feed: Feed, id: SessionID, after cursor: Cursor) {
        self.feed = feed
        self.subscription = feed.subscribe(self, to: id, after: cursor)
    }

    var isReady: Bool { self.elements.count < Self.capacity }

    func take(_ event: LiveEvent) { self.put(.event(event.event)) }
    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor) { self.put(.gap(missing, resumeAt: resumeAt)) }
    func caughtUp(_ cursor: Cursor) { self.put(.ready(cursor)) }

    func finished(_ reason: FeedEnd) {
        self.end = reason
        self.wake()
    }

    func close() {
        if let subscription = self.subscription { self.feed.unsubscribe(subscription) }
        self.finished(.closed)
    }

    func next() async throws(StoreError) -> SessionEvents.Element? {
        while self.elements.isEmpty {
            switch self.end {
            case .closed?, .outrun?: return nil
            case .failed(let error)?: throw error
            case nil: await withCheckedContinuation { self.waiting = $0 }
            }
        }
        let element = self.elements.removeFirst()
        if self.elements.count == Self.capacity / 2, let subscription = self.subscription {
            self.feed.resume(subscription)
        }
        return element
    }

    private func put(_ element: SessionEvents.Element) {
        self.elements.append(element)
        self.wake()
    }

    private func wake() {
        self.waiting?.resume()
        self.waiting = nil
    }
}
