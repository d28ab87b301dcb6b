import SojournCore
import SojournHTTP
import SojournStore

/// Create, read, delete, list.
extension NodeServer {
    static let base = "/api/messaging/sessions"

    var sessionRoutes: [Route] {
        [
            Route(.post, Self.base) { [unowned self] context throws(StoreError) in try await self.create(context) },
            Route(.get, Self.base, needs: .admin) { [unowned self] context throws(StoreError) in
                try await self.list(context)
            },
            Route(.get, Self.base + "/:id") { [unowned self] context throws(StoreError) in try await self.read(context)
            },
            Route(.delete, Self.base + "/:id") { [unowned self] context throws(StoreError) in
                try await self.delete(context)
            },
            Route(.post, Self.base + "/:id/archive") { [unowned self] context throws(StoreError) in
                try await self.archive(context)
            },
        ]
    }

    private func create(_ context: RouteContext) async throws(StoreError) -> Answer {
        let body = try context.body()
        func isMissing(_ value: JSON?) -> Bool { value == nil || value == .null || value == .string("") }
        let (agent, user) = (body?["agentId"], body?["userId"])
        guard !isMissing(agent), !isMissing(user) else {
            throw .validation("Missing required fields: agentId, userId")
        }
        func uuid(_ value: JSON?, _ field: String) throws(StoreError) -> String {
            guard let text = value?.string, let bits = UUIDBits(text) else {
                throw .validation("Invalid UUID format for field '\(field)'", field: field)
            }
            return bits.text
        }
        let agentID = try uuid(agent, "agentId")
        var request = SessionRequest(
            agentID: agentID, userID: try uuid(user, "userId"),
            metadata: try Input.metadata(body?["metadata"]) ?? JSONObject(),
            conversationKey: try Input.conversationKey(body?["conversationKey"]))
        try await self.shard.agents.check(agentID)
        let (policy, sources) = self.shard.agents.policy(for: agentID, body?["timeoutConfig"])
        request.policy = policy
        request.timeoutSources = sources
        request.ifBusy = try Input.ifBusy(body?["ifBusy"])
        request.aliveWhileWatched = try Input.aliveWhileWatched(body?["aliveWhileWatched"])
        request.idempotency = try Idempotency(context, clientKey: request.metadata["clientMessageId"])
        request.trace = context.trace
        if let most = self.configuration.sessionsPerUser, !(try await self.shard.hasRoom(for: request, most: most)) {
            throw StoreError(.rateLimited, "This user has as many sessions as it may", retryAfter: 60)
        }
        let created = try await self.shard.create(request)
        return .bytes(created.isNew ? 201 : 200, SessionBody.created(created.session))
    }

    /// SessionInfo, with the settings of the session's agent as they are now.
    func info(_ session: Session, adding more: (inout JSONWriter) -> Void = { _ in }) -> [UInt8] {
        SessionBody.info(session, agent: self.shard.agents[session.agentID], adding: more)
    }

    private func read(_ context: RouteContext) async throws(StoreError) -> Answer {
        let id = try self.shard.sessionID(context.captures[0])
        guard context.query("archived") != "1" else { return try await self.readAnywhere(id) }
        do throws(StoreError) {
            return .bytes(200, self.info(try await self.shard.session(id)))
        } catch {
            guard error.code == .sessionArchived else { throw error }
            return try await self.readAnywhere(id)
        }
    }

    private func readAnywhere(_ id: SessionID) async throws(StoreError) -> Answer {
        let session = try await self.shard.anySession(id)
        return .bytes(200, self.info(session) { $0.member("archived", session.ending != nil) })
    }

    /// Whether a read is answered although the life of the session may be over: because that was asked for, or because
    /// it was archived early, which leaves it readable.
    ///
    /// - Throws: as a live session is read.
    func readsAnywhere(_ id: SessionID, _ context: RouteContext) async throws(StoreError) -> Bool {
        if context.query("archived") == "1" { return true }
        do throws(StoreError) {
            _ = try await self.shard.session(id)
            return false
        } catch {
            guard error.code == .sessionArchived else { throw error }
            return true
        }
    }

    private func archive(_ context: RouteContext) async throws(StoreError) -> Answer {
        _ = try context.body()
        let session = try await self.shard.archive(try self.shard.sessionID(context.captures[0]))
        return .bytes(200, self.info(session) { $0.member("archived", true) })
    }

    private func delete(_ context: RouteContext) async throws(StoreError) -> Answer {
        _ = try context.body()
        let id = try self.shard.sessionID(context.captures[0])
        if context.query("purge") == "1" { return try await self.purge(id, context) }
        try await self.shard.delete(id)
        return .json(
            200,
            [
                "success": true, "message": .string("Session \(id) deleted successfully"), "data": ["success": true],
            ])
    }

    private func list(_ context: RouteContext) async throws(StoreError) -> Answer {
        func uuid(_ name: String) throws(StoreError) -> String? {
            guard let text = context.query(name), !text.isEmpty else { return nil }
            guard let bits = UUIDBits(text) else {
                throw .validation("Invalid UUID format for field '\(name)'", field: name)
            }
            return bits.text
        }
        var filter = SessionFilter(agentID: try uuid("agentId"), userID: try uuid("userId"))
        if let word = context.query("status"), !word.isEmpty {
            guard let status = SessionStatus(rawValue: word) else {
                throw .validation(
                    "Invalid status '\(word)': Must be one of: "
                        + SessionStatus.allCases.map(\.rawValue).joined(separator: ", "), field: "status")
            }
            filter.status = status
        }
        var cursor: String?
        if let text = context.query("cursor"), !text.isEmpty {
            guard let decoded = Base64URL.decode(text) else {
                throw .validation(
                    "Invalid pagination parameter 'cursor': Must be a cursor of this list", field: "cursor")
            }
            cursor = decoded
        }
        let list = try await self.shard.list(
            filter, limit: Input.limit(context.query("limit"), default: 50, maximum: 1000), cursor: cursor)
        var body = JSONWriter(reserving: 1024 + list.sessions.count * 1024)
        body.open()
        body.name("sessions")
        body.openArray()
        for session in list.sessions {
            SessionBody.write(session, agent: self.shard.agents[session.agentID], to: &body)
        }
        body.closeArray()
        body.member("total", Int64(list.total))
        body.name("stats")
        body.open()
        body.member("totalSessions", Int64(list.counts.live + list.counts.ended))
        body.member("activeSessions", Int64(list.counts.live))
        body.member("expiredSessions", Int64(list.counts.ended))
        body.close()
        if let next = list.nextCursor { body.member("nextCursor", Base64URL.encode(next)) }
        body.close()
        return .bytes(200, body.bytes)
    }
}
