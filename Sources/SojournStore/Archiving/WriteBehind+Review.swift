import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

/// What becomes of the sessions in the archive that were followed, when they are another archivist's by now, or Redis has
/// lost a part of them.
extension WriteBehind {
    /// A session is another archivist's: what is here of it goes, unless it may be the only copy.
    func leave(_ id: SessionID) async {
        self.strangers[id] = EventLoop.now + Self.patience
        if (try? await self.archive.open(id.text)) != nil { _ = await self.review([id.text]) }
    }

    /// Asks Redis about every session that is followed here, at the start and when others may have taken over since or
    /// Redis may have lost what is written here; then also about those that were handed over last.
    ///
    /// - Returns: whether all are settled.
    func reviewIfNeeded() async -> Bool {
        let (absences, replid) = (self.registry.absences, self.shard.redis.replid)
        if !self.undecided.isEmpty, self.askAgain <= EventLoop.now {
            self.askAgain = EventLoop.now + Self.patience
            // What is not open any more has been handed over.
            for text in self.undecided where await self.isGone(text) { self.undecided.remove(text) }
            _ = await self.review(Array(self.undecided))
        }
        guard self.absences != absences || self.replid != replid || self.wantsReview else { return true }
        let isAsked = self.wantsReview
        self.wantsReview = false
        guard await self.reviewAll(andServed: self.replid != replid || isAsked) else {
            self.wantsReview = true
            return false
        }
        (self.absences, self.replid) = (absences, replid)
        return true
    }

    private func reviewAll(andServed: Bool) async -> Bool {
        if andServed { guard await self.archivist.reviewServed() else { return false } }
        var last: Int64 = 0
        while true {
            guard let page = try? await self.archive.open(after: last) else { return false }
            guard let end = page.last else { break }
            guard await self.review(page.map(\.id)) else { return false }
            last = end.handover
        }
        return true
    }

    private func review(_ ids: [String]) async -> Bool {
        var superfluous: [String] = []
        var unexplained: [String] = []
        var isWhole = true
        await self.shard.concurrently(ids) { text in
            guard let id = self.shard.keyspace.sessionID(text) else { return unexplained.append(text) }
            let fate = await self.fate(of: id)
            if fate != nil { self.undecided.remove(text) }
            switch fate {
            case .followed: self.partitions.insert(id.partition)
            case .undecided:
                self.partitions.insert(id.partition)
                self.undecided.insert(text)
            case .superfluous: superfluous.append(text)
            case .unexplained: unexplained.append(text)
            case nil: isWhole = false
            }
        }
        if !superfluous.isEmpty, (try? await self.archive.forget(superfluous)) == nil { isWhole = false }
        if !unexplained.isEmpty, (try? await self.archive.quarantine(unexplained)) == nil { isWhole = false }
        return isWhole
    }

    private func isGone(_ text: String) async -> Bool {
        do { return try await self.archive.open(text) == nil } catch { return false }
    }

    private enum Fate {
        case followed
        /// Nobody follows it, or it has ended: whoever follows or archives it has all of it in Redis.
        case undecided
        /// Another archivist has all of it.
        case superfluous
        /// What is here may be the only copy.
        case unexplained
    }

    /// What became of a session that was followed here; nil when Redis does not answer.
    private func fate(of id: SessionID) async -> Fate? {
        func taken(by archivist: String?, from first: Int) -> Fate {
            archivist == nil || archivist == self.archive.id || first > 1 ? .unexplained : .superfluous
        }
        do throws(StoreError) {
            if case .success(let stretch) = try await self.shard.keptStretch(id, from: .max) {
                guard let follower = stretch.follower, follower.archivist != self.archive.id else {
                    await self.dropLostTail(of: id, behind: stretch)
                    // One that has ended may be archived by another one, if it does not see this one.
                    return stretch.follower == nil || stretch.state == .closed ? .undecided : .followed
                }
                return taken(by: follower.archivist, from: follower.first)
            }
            switch try await self.shard.read(id) {
            case .live, .due, .closed: return .followed
            case .nothing: return .unexplained
            case .tombstone(let tombstone) where tombstone.isPurged: return .superfluous
            case .tombstone(let tombstone): return taken(by: tombstone.archivist, from: tombstone.first)
            }
        } catch {
            return nil
        }
    }

    /// A failover may have lost events that are written here, and nothing need have been logged since.
    private func dropLostTail(of id: SessionID, behind stretch: LogStretch) async {
        guard stretch.state == .live, let open = try? await self.archive.open(id.text),
            open.head > stretch.history.head
        else { return }
        if let reading = await self.read(id, from: stretch.history.head + 1) {
            _ = try? await self.archive.follow([reading.stretch])
        }
    }
}
