package import SojournCore

/// An event on its way to readers, and its encodings, each made once however many readers there are.
package final class LiveEvent {
    /// The event.
    package let event: Event
    /// Where a reader that has it stands; nil for what cannot be resumed from.
    package let cursor: Cursor?
    /// The frame for Server-Sent Events, once somebody made it.
    package var serverSentEvent: [UInt8]?
    /// The frame for WebSockets, once somebody made it.
    package var webSocketFrame: [UInt8]?

    /// An event that nobody has encoded yet.
    package init(_ event: Event, cursor: Cursor? = nil) {
        self.event = event
        self.cursor = cursor ?? event.cursor
    }
}

/// A reader of one session's live events. Loop-confined; the feed calls it on its loop.
package protocol FeedReader: AnyObject {
    /// Takes the next event. Events come in order of seq, each once.
    func take(_ event: LiveEvent)
    /// Whether it wants `presence` events, too.
    var wantsPresence: Bool { get }
    /// Ephemeral events may have been lost on their way to it.
    func ephemeralsLost()
    /// Whether it can take more now; when not, the feed stops and goes on from the log after `Feed.resume`.
    var isReady: Bool { get }
    /// The log goes on at `resumeAt` + 1 in this epoch; what the reader expected or had in `missing` is not there.
    func gap(_ missing: ClosedRange<Int>, resumeAt: Cursor)
    /// It has everything up to this cursor, and gets what comes as it comes. Said once.
    func caughtUp(_ cursor: Cursor)
    /// It was not ready for an event that came, and is fed from the log from now on.
    func demoted()
    /// It has caught up after that.
    func promoted()
    /// Whether it would rather end than be told of a gap, when it was demoted and the log moves on without it.
    var endsWhenOutrun: Bool { get }
    /// There will be nothing more: the session's log is frozen and delivered, or it cannot be read.
    func finished(_ reason: FeedEnd)
}

extension FeedReader {
    package var wantsPresence: Bool { false }
    package func ephemeralsLost() {}
    package func demoted() {}
    package func promoted() {}
    package var endsWhenOutrun: Bool { false }
}

/// Why a feed has nothing more for a reader.
package enum FeedEnd {
    /// The log is closed, and the reader has all of it.
    case closed
    /// It was too slow: the log no longer has what it lacks. It may come back with its cursor.
    case outrun
    /// The session cannot be read.
    case failed(StoreError)
}

/// One reader's place in a session's log.
package final class Subscription {
    let id: SessionID
    weak var reader: (any FeedReader)?
    /// The last event it was given; in the branch `epoch`.
    var position: Int
    var epoch: String?
    /// The number of the last delta it was given, in the branch `epoch`.
    var delta: Int
    /// The newest delta of the last answer that was behind the topic.
    var triedDelta: Int?
    /// Whether it gets events as they come; else it is being fed from the log, or waits.
    var isJoined = false
    var isReading = false
    /// Whether it is being fed from the log because it was not ready.
    var isDemoted = false
    var isOver = false
    var saidCaughtUp = false

    init(id: SessionID, reader: any FeedReader, after cursor: Cursor) {
        self.id = id
        self.reader = reader
        self.position = cursor.seq
        self.epoch = cursor.epoch
        self.delta = cursor.delta ?? 0
    }

    /// Its reader is not ready: it goes on from the log when it is again.
    func demote() {
        guard self.isJoined else { return }
        self.isJoined = false
        guard !self.isDemoted else { return }
        self.isDemoted = true
        self.reader?.demoted()
    }

    /// It has what the topic has.
    func join() {
        self.isJoined = true
        guard self.isDemoted else { return }
        self.isDemoted = false
        self.reader?.promoted()
    }
}
