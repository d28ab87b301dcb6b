public import SojournCore
import SojournLoop

extension SessionStore {
    /// Creates a session, or answers with the live one that holds its conversation key.
    public func create(_ request: SessionRequest) async throws -> CreatedSession {
        guard UUIDBits(request.agentID) != nil else {
            throw StoreError.validation("Invalid UUID format for field 'agentId'")
        }
        guard UUIDBits(request.userID) != nil else {
            throw StoreError.validation("Invalid UUID format for field 'userId'")
        }
        return try await self.onShard { try await $0.create(request) }
    }

    /// Reads a live session.
    ///
    /// - Throws: `SESSION_NOT_FOUND`, `SESSION_EXPIRED`, `SESSION_ARCHIVED`.
    public func session(_ id: String) async throws -> Session {
        try await self.onShard { try await $0.session(try $0.sessionID(id)) }
    }

    /// Appends a message; under auto-renewal that renews the session.
    public func send(_ draft: MessageDraft, to id: String) async throws -> SentMessage {
        try await self.onShard { try await $0.send(draft, to: try $0.sessionID(id)) }
    }

    /// Pages a live session's messages, newest first.
    ///
    /// - Parameter limit: 1 to 100.
    public func messages(
        of id: String, limit: Int = 50, before: PageBound? = nil, after: PageBound? = nil
    ) async throws -> MessagePage {
        let bounded = min(max(limit, 1), 100)
        return try await self.onShard {
            try await $0.messages(of: try $0.sessionID(id), limit: bounded, before: before, after: after)
        }
    }

    /// Pages a live session's log in order of seq.
    ///
    /// - Parameter limit: 1 to 1,000.
    public func events(
        of id: String, after: Int? = nil, before: Int? = nil, limit: Int = 100, types: Set<String>? = nil
    ) async throws -> EventPage {
        let bounded = min(max(limit, 1), 1000)
        return try await self.onShard {
            try await $0.events(of: try $0.sessionID(id), after: after, before: before, limit: bounded, types: types)
        }
    }

    /// Tells that a session is in use; under auto-renewal that renews it.
    ///
    /// - Returns: the session; `extended` is false at the cap.
    @discardableResult
    public func heartbeat(_ id: String) async throws -> (session: Session, extended: Bool) {
        try await self.onShard { try await $0.heartbeat(try $0.sessionID(id)) }
    }

    /// Heartbeats many sessions in few calls.
    ///
    /// - Returns: an outcome for each id, in their order.
    public func heartbeat(batch ids: [String]) async throws -> [HeartbeatOutcome] {
        try await self.onShard { await $0.heartbeat(batch: ids) }
    }

    /// Renews a session by its user's will.
    ///
    /// - Throws: `SESSION_RENEWAL_FAILED` at the maximum duration.
    @discardableResult
    public func renew(_ id: String) async throws -> Session {
        try await self.onShard { try await $0.renew(try $0.sessionID(id)) }
    }

    /// Changes a session's timeouts; its base stays.
    ///
    /// - Throws: `VALIDATION_ERROR` when the deadline would lie in the past.
    @discardableResult
    public func patch(_ id: String, _ patch: TimeoutPatch) async throws -> Session {
        try await self.onShard { try await $0.patch(try $0.sessionID(id), patch) }
    }

    /// Deletes a live session; its transcript goes to the archive.
    public func end(_ id: String) async throws { try await self.onShard { try await $0.delete(try $0.sessionID(id)) } }

    /// Lists live sessions, newest first.
    ///
    /// - Parameters:
    ///   - limit: 1 to 1,000.
    ///   - cursor: ``SessionList/nextCursor`` of the page before.
    public func list(
        agentID: String? = nil, userID: String? = nil, status: SessionStatus? = nil, limit: Int = 50,
        cursor: String? = nil
    ) async throws -> SessionList {
        let filter = SessionFilter(agentID: agentID, userID: userID, status: status)
        let bounded = min(max(limit, 1), 1000)
        return try await self.onShard { try await $0.list(filter, limit: bounded, cursor: cursor) }
    }

    /// The events of a session after a cursor: first those of the log, then live.
    public func watch(_ id: String, after cursor: Cursor = .start) async throws -> SessionEvents {
        let (loop, shard) = self.place()
        let session = try await loop.run { try shard.value.sessionID(id) }
        return SessionEvents(loop: loop) {
            Confined(EventMailbox(feed: shard.value.feed, id: session, after: cursor), to: loop)
        }
    }

    /// Registers an agent, or changes its settings; all nodes see it within a second.
    ///
    /// Once any agent is registered, sessions are only made for those that are.
    public func register(_ agent: Agent) async throws {
        try await self.onShard { try await $0.agents.put(agent) }
        // This node sees it at once, on every loop.
        for (loop, shard) in zip(self.loops, self.shards) {
            try await loop.run { try await shard.value.agents.refresh() }
        }
    }

    /// Moves the test clock of the whole store.
    ///
    /// - Throws: `VALIDATION_ERROR` on a store that was not started with the test clock.
    public func advanceTestClock(milliseconds: Int64) async throws {
        try await self.onShard { try await $0.advanceTestClock(milliseconds: milliseconds) }
        let duties = self.duties
        try await self.onFirstLoop { duties.value.hurry() }
    }
}
