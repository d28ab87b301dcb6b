import SojournCore
import SojournLoop

extension Feed {
    /// Feeds one reader from the log until it has what its topic has passed on; then it is joined.
    func catchUp(_ subscription: Subscription) {
        guard !subscription.isJoined, !subscription.isReading, !subscription.isOver,
            let topic = self.topics[subscription.id],
            topic.state != .subscribing
        else { return }
        subscription.isReading = true
        self.loop.spawn { [weak self] in
            await self?.read(subscription, topic)
            subscription.isReading = false
        }
    }

    private func read(_ subscription: Subscription, _ topic: Topic) async {
        var delay = 50
        while !subscription.isOver, self.topics[topic.id] === topic, let reader = subscription.reader, reader.isReady {
            let from = subscription.position + 1
            switch await self.reader(topic.id, from, subscription.delta) {
            case .failure(let error) where error.code == .storeUnavailable || error.code == .internalError:
                await self.loop.sleep(milliseconds: delay)
                delay = min(delay * 2, 1000)
            case .failure(let error): self.finish(subscription, .failed(error))
            case .success(let stretch):
                if self.advance(subscription, by: stretch, topic) { return }
            }
        }
    }

    /// Gives the reader what a stretch has for it.
    ///
    /// - Returns: whether it is joined or finished.
    private func advance(_ subscription: Subscription, by stretch: LogStretch, _ topic: Topic) -> Bool {
        guard !subscription.isOver, let reader = subscription.reader else { return true }
        let cursor = Cursor(epoch: subscription.epoch, seq: subscription.position)
        let shared = stretch.history.commonPrefix(with: cursor)
        if shared < subscription.position || !stretch.history.honours(cursor) {
            let missing = min(shared + 1, subscription.position)...subscription.position
            (subscription.position, subscription.epoch) = (shared, stretch.epoch)
            reader.gap(missing, resumeAt: Cursor(epoch: stretch.epoch, seq: shared))
            return false
        }
        if let epoch = subscription.epoch, epoch != stretch.epoch, subscription.delta > 0 {
            // What it has of a message counts in another branch: it gets the message from its start.
            (subscription.epoch, subscription.delta) = (stretch.epoch, 0)
            return false
        }
        subscription.epoch = stretch.epoch
        if stretch.oldest > subscription.position + 1 {
            if subscription.isDemoted, reader.endsWhenOutrun {
                self.finish(subscription, .outrun)
                return true
            }
            let missing = (subscription.position + 1)...(stretch.oldest - 1)
            subscription.position = stretch.oldest - 1
            reader.gap(missing, resumeAt: Cursor(epoch: stretch.epoch, seq: subscription.position))
            return false
        }
        for event in stretch.events {
            guard reader.isReady, !subscription.isOver else { return false }
            self.give(LiveEvent(event), to: subscription, topic)
        }
        for event in stretch.deltas {
            guard reader.isReady, !subscription.isOver else { return false }
            let cursor = Cursor(epoch: stretch.epoch, seq: subscription.position, delta: event.delta)
            self.give(LiveEvent(event, cursor: cursor), to: subscription, topic)
        }
        guard subscription.position >= stretch.history.head else { return false }
        if stretch.state == .closed {
            self.finish(subscription, .closed)
            return true
        }
        // The topic may have passed on what this stretch does not have yet, and the other way round: it is joined
        // when it is at least as far, and `give` leaves out what it has.
        if topic.state == .live, topic.lastDelta > max(subscription.delta, stretch.lastDelta),
            subscription.triedDelta != stretch.lastDelta
        {
            // A delta overtook this answer: ask again, as often as that happens. Only when Redis lost it is the next
            // answer the same.
            subscription.triedDelta = stretch.lastDelta
            return false
        }
        guard topic.state == .live, let last = topic.last, subscription.position >= last.seq else {
            // A topic that is further than the log: it was overtaken by an event, or Redis lost what was passed on.
            let isBeyond = topic.last.map { !stretch.history.honours($0) } ?? true
            if topic.state == .live, isBeyond { self.settle(topic) }
            if topic.state != .live {
                // The repair goes on with whoever is not joined when it is done.
                self.sayCaughtUp(subscription, stretch.epoch)
                return true
            }
            return false
        }
        subscription.delta = max(subscription.delta, stretch.lastDelta)
        subscription.triedDelta = nil
        subscription.join()
        self.sayCaughtUp(subscription, stretch.epoch)
        return true
    }

    private func sayCaughtUp(_ subscription: Subscription, _ epoch: String) {
        guard !subscription.saidCaughtUp else { return }
        subscription.saidCaughtUp = true
        subscription.reader?.caughtUp(Cursor(epoch: epoch, seq: subscription.position))
    }

    /// Gives one event to one reader, unless it has it.
    func give(_ live: LiveEvent, to subscription: Subscription, _ topic: Topic) {
        guard !subscription.isOver, let reader = subscription.reader else { return }
        if let seq = live.event.seq {
            guard seq > subscription.position else { return }
            guard reader.isReady else {
                subscription.demote()
                return
            }
            if subscription.epoch != live.event.epoch { subscription.delta = 0 }
            subscription.position = seq
            subscription.epoch = live.event.epoch
        } else if let delta = live.event.delta {
            if subscription.epoch != live.event.epoch {
                (subscription.epoch, subscription.delta) = (live.event.epoch, 0)
            }
            guard delta > subscription.delta else { return }
            guard reader.isReady else {
                subscription.demote()
                return
            }
            subscription.delta = delta
        } else if !reader.isReady {
            return subscription.demote()
        }
        reader.take(live)
    }

    func finish(_ subscription: Subscription, _ reason: FeedEnd) {
        guard !subscription.isOver else { return }
        let reader = subscription.reader
        self.unsubscribe(subscription)
        reader?.finished(reason)
    }
}
