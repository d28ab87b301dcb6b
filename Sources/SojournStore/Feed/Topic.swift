import SojournCore

/// One session's channel on this loop: who reads it, and how far it has come.
///
///     subscribing -> live <-> repairing
///          \           |
///           `-> lingering (no readers) -> gone
final class Topic {
    enum State {
        /// SSUBSCRIBE is on its way.
        case subscribing
        /// Subscribed; events are passed on as they come.
        case live
        /// Something may be missing; the log is being read, and what comes waits.
        case repairing
    }

    let id: SessionID
    var state = State.subscribing
    var subscriptions: [ObjectIdentifier: Subscription] = [:]
    /// The newest event that was passed on, once the log was read for the first time.
    var last: Cursor?
    /// The number of the newest delta that was passed on.
    var lastDelta = 0
    /// Whether a message is being written whose deltas were passed on.
    var isWriting = false
    /// Whether the log must be read again after the present repair.
    var isDirty = false
    /// Whether the event after which nothing comes was passed on.
    var isClosed = false
    /// Goes up whenever the topic is kept alive; a lingering timer with an older count does nothing.
    var generation = 0

    init(id: SessionID) { self.id = id }

    /// What to do with an event from the channel.
    enum Arrival {
        case pass
        case ignore
        case repair
    }

    /// Decides by seq and epoch: the next one is passed on, an old one ignored, anything else settled from the log.
    func arrival(of event: Event) -> Arrival {
        if let delta = event.delta {
            guard self.state == .live, let last, event.epoch == last.epoch else { return .repair }
            if delta <= self.lastDelta { return .ignore }
            return delta == self.lastDelta + 1 && !event.isDoorbell ? .pass : .repair
        }
        guard let seq = event.seq else { return .pass }
        guard self.state == .live, let last else { return .repair }
        if event.epoch == last.epoch, seq <= last.seq { return .ignore }
        if event.epoch == last.epoch, seq == last.seq + 1, !event.isDoorbell { return .pass }
        return .repair
    }
}
