package import SojournCore
import SojournRedis

extension StoreShard {
    /// How many sessions one script call may touch.
    static let touchBatch = 32

    /// Tells that a session is in use; under auto-renewal that renews it.
    ///
    /// - Returns: the session, and whether its deadline moved. At the cap it does not.
    package func heartbeat(_ id: SessionID) async throws(StoreError) -> (session: Session, extended: Bool) {
        let keys = self.keyspace.keys(of: id)
        let answer = try await self.call(
            self.scripts.beat, keys: [keys.clock, keys.session, keys.blob], args: [.string("1")], timed: true)
        guard let one = answer.dropFirst().first?.array, let state = one.first?.int else {
            throw self.malformed("beat")
        }
        switch state {
        case 1:
            guard one.count == 5, case .bulk(let line) = one[2], case .bulk(let identity) = one[3],
                let session = Session(
                    line: line, id: id, identity: identity, blob: one[4].bytes, asOf: self.note(answer[0]))
            else { throw self.malformed("beat") }
            self.feed.observe(id, head: session.head)
            return (session, self.counted("heartbeat", extended: one[1].int == 1))
        case 4: return try await self.touch(id, cause: "heartbeat")
        default: throw try await self.gone(id)
        }
    }

    /// Renews a session by its user's will.
    ///
    /// - Throws: `SESSION_RENEWAL_FAILED` at the cap.
    package func renew(_ id: SessionID) async throws(StoreError) -> Session {
        try await self.touch(id, cause: "renew").session
    }

    private func touch(_ id: SessionID, cause: String) async throws(StoreError) -> (session: Session, extended: Bool) {
        let keys = self.keyspace.keys(of: id)
        let answer = try await self.call(
            self.scripts.touch,
            keys: [keys.session, keys.clock, keys.blob, keys.log, keys.due, keys.channel, keys.behind],
            args: [.string(id.text), self.replid, .string(cause)], timed: true)
        switch answer.dropFirst().first?.int {
        case 1:
            guard answer.count == 5, let flat = answer[3].array,
                let session = SessionFields(flat: flat).session(
                    id: id, blob: answer[4].bytes, asOf: self.note(answer[0]))
            else { throw self.malformed("touch") }
            self.feed.observe(id, head: session.head)
            return (session, self.counted(cause, extended: answer[2].int == 1))
        case 5: throw .renewalFailed(id.text)
        case nil: throw self.malformed("touch")
        default: throw try await self.gone(id)
        }
    }

    private func counted(_ cause: String, extended: Bool) -> Bool {
        if cause == "heartbeat" { self.counters.heartbeats += 1 }
        if extended { self.counters.renewed[cause == "heartbeat" ? .heartbeat : .request, default: 0] += 1 }
        return extended
    }

    /// Heartbeats many sessions: one script call for up to 32 of a partition, all calls at once.
    ///
    /// - Returns: an outcome for each id, in their order; a lost call is an error in the outcome of its ids.
    package func heartbeat(batch texts: [String]) async -> [HeartbeatOutcome] {
        var outcomes = [HeartbeatOutcome?](repeating: nil, count: texts.count)
        var partitions: [Int: [(place: Int, id: SessionID)]] = [:]
        for (place, text) in texts.enumerated() {
            if let id = self.keyspace.sessionID(text) { partitions[id.partition, default: []].append((place, id)) }
        }
        var calls: [[(place: Int, id: SessionID)]] = []
        for group in partitions.values {
            for start in stride(from: 0, to: group.count, by: Self.touchBatch) {
                calls.append(Array(group[start..<min(start + Self.touchBatch, group.count)]))
            }
        }
        await self.concurrently(calls) { group in
            for (place, outcome) in await self.heartbeat(group: group) { outcomes[place] = outcome }
        }
        return outcomes.enumerated().map { place, outcome in
            // Not an id of this store.
            outcome
                ?? HeartbeatOutcome(
                    error: .sessionNotFound(texts[place]), extended: false, expiresAt: nil, head: nil,
                    asOf: self.clock.now)
        }
    }

    private func heartbeat(group: [(place: Int, id: SessionID)]) async -> [(Int, HeartbeatOutcome)] {
        let partition = group[0].id.partition
        var keys = [self.keyspace.clock(partition)]
        for (_, id) in group {
            let one = self.keyspace.keys(of: id)
            keys += [one.session, one.blob]
        }
        func failed(_ error: StoreError) -> HeartbeatOutcome {
            HeartbeatOutcome(error: error, extended: false, expiresAt: nil, head: nil, asOf: self.clock.now)
        }
        do throws(StoreError) {
            let answer = try await self.call(
                self.scripts.beat, keys: keys, args: [.string("")], timed: true)
            guard answer.count == group.count + 1 else { throw self.malformed("beat") }
            let now = self.note(answer[0])
            var outcomes: [(Int, HeartbeatOutcome)] = []
            var extended = 0
            for (position, (place, id)) in group.enumerated() {
                let one = answer[position + 1].array ?? []
                if one.count == 4, one[0].int == 1, let deadline = one[2].int, let head = one[3].int {
                    self.feed.observe(id, head: head)
                    extended += one[1].int ?? 0
                    self.counters.heartbeats += 1
                    outcomes.append(
                        (
                            place,
                            HeartbeatOutcome(
                                error: nil, extended: one[1].int == 1,
                                expiresAt: Instant(milliseconds: Int64(deadline)), head: head, asOf: now)
                        ))
                } else if one.first?.int == 4 {
                    outcomes.append((place, await self.outcome(of: id)))
                } else {
                    let error = try await self.gone(id)
                    outcomes.append((place, failed(error)))
                }
            }
            self.counters.renewed[.heartbeat, default: 0] += extended
            return outcomes
        } catch {
            return group.map { ($0.place, failed(error)) }
        }
    }

    /// Heartbeats a session that has been warned.
    private func outcome(of id: SessionID) async -> HeartbeatOutcome {
        do throws(StoreError) {
            let (session, extended) = try await self.touch(id, cause: "heartbeat")
            return HeartbeatOutcome(
                error: nil, extended: extended, expiresAt: session.expiresAt, head: session.head, asOf: session.asOf)
        } catch {
            return HeartbeatOutcome(error: error, extended: false, expiresAt: nil, head: nil, asOf: self.clock.now)
        }
    }

    /// Changes a session's timeouts.
    ///
    /// - Throws: `VALIDATION_ERROR` when the deadline would lie in the past.
    package func patch(_ id: SessionID, _ patch: TimeoutPatch) async throws(StoreError) -> Session {
        let keys = self.keyspace.keys(of: id)
        func text(_ value: Int64?) -> RedisArgument { .string(value.map { String($0) } ?? "") }
        let answer = try await self.call(
            self.scripts.patch,
            keys: [keys.session, keys.clock, keys.blob, keys.log, keys.due, keys.channel, keys.behind],
            args: [
                .string(id.text), self.replid, text(patch.timeout),
                .string(patch.autoRenew.map { $0 ? "1" : "0" } ?? ""),
                text(patch.maxDuration), text(patch.warning), .integer(Int(self.configuration.timeouts.maximumTimeout)),
            ])
        switch answer.first?.int {
        case 1:
            guard answer.count == 4, let flat = answer[2].array,
                let session = SessionFields(flat: flat).session(
                    id: id, blob: answer[3].bytes, asOf: self.note(answer[1]))
            else { throw self.malformed("patch") }
            return session
        case 6: throw .invalidTimeout("The new deadline would lie in the past")
        default: throw try await self.gone(id)
        }
    }
}
