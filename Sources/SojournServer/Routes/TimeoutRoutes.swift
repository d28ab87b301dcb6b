import SojournCore
import SojournHTTP
import SojournStore

/// Renewals, heartbeats, timeouts.
extension NodeServer {
    /// How many sessions one batch heartbeat may name.
    private static let batchLimit = 1000

    var timeoutRoutes: [Route] {
        [
            Route(.post, Self.base + "/:id/renew") { [unowned self] context throws(StoreError) in
                _ = try context.body()
                let session = try await self.shard.renew(try self.shard.sessionID(context.captures[0]))
                return .bytes(200, self.info(session))
            },
            Route(.post, Self.base + "/:id/heartbeat", needs: .heartbeat) { [unowned self] context throws(StoreError) in
                _ = try context.body()
                let id = try self.shard.sessionID(context.captures[0])
                let (session, extended) = try await self.shard.heartbeat(id)
                return .bytes(200, self.info(session) { $0.member("extended", extended) })
            },
            Route(.patch, Self.base + "/:id/timeout") { [unowned self] context throws(StoreError) in
                try await self.patch(context)
            },
            Route(.post, Self.base + "/heartbeat", needs: .heartbeat, confinesItself: true) {
                [unowned self] context throws(StoreError) in
                let beats = try await self.heartbeats(try context.body(), by: context.caller)
                var body = JSONWriter(reserving: 64 + beats.count * 192)
                body.open()
                beats.write(to: &body)
                body.close()
                return .bytes(200, body.bytes)
            },
        ]
    }

    private func patch(_ context: RouteContext) async throws(StoreError) -> Answer {
        let body = try context.body()
        let id = try self.shard.sessionID(context.captures[0])
        let patch: TimeoutPatch
        do throws(StoreError) {
            patch = try self.shard.configuration.timeouts.patch(from: body)
        } catch {
            // An unknown or ended session is said before a wrong timeout.
            _ = try await self.shard.session(id)
            throw error
        }
        return .bytes(200, self.info(try await self.shard.patch(id, patch)))
    }

    /// Heartbeats what the caller may; the others get what an unknown session gets.
    private func heartbeat(_ ids: [String], by caller: Caller) async throws(StoreError) -> [HeartbeatOutcome] {
        if case .all = caller.scope { return await self.shard.heartbeat(batch: ids) }
        var admitted: Set<String> = []
        for id in ids {
            do throws(StoreError) {
                try await self.admit(caller, to: id, for: .heartbeat)
                admitted.insert(id)
            } catch {
                guard error.code == .sessionNotFound else { throw error }
            }
        }
        return await self.shard.heartbeat(batch: ids) { admitted.contains($0) }
    }

    /// The outcomes of a heartbeat for many sessions.
    func heartbeats(_ body: JSON?, by caller: Caller) async throws(StoreError) -> Heartbeats {
        guard let sessions = body?["sessions"]?.array, sessions.count <= Self.batchLimit else {
            throw .validation("Invalid sessions: Must be an array of 1 to \(Self.batchLimit) ids", field: "sessions")
        }
        var ids: [String] = []
        for value in sessions {
            guard let id = value.string else {
                throw .validation("Invalid sessions: Must be an array of session ids", field: "sessions")
            }
            ids.append(id.lowercased())
        }
        guard !ids.isEmpty else {
            throw .validation("Invalid sessions: Must be an array of 1 to \(Self.batchLimit) ids", field: "sessions")
        }
        return Heartbeats(ids: ids, outcomes: try await self.heartbeat(ids, by: caller))
    }
}

/// What became of a heartbeat for many sessions.
struct Heartbeats {
    let ids: [String]
    let outcomes: [HeartbeatOutcome]

    var count: Int { self.ids.count }

    /// Writes `"results": […]`, in the order of the ids.
    func write(to body: inout JSONWriter) {
        body.name("results")
        body.openArray()
        for (id, outcome) in zip(self.ids, self.outcomes) {
            body.open()
            body.member("sessionId", id)
            if let error = outcome.error {
                body.member("ok", false)
                body.name("error")
                body.open()
                body.member("code", error.code.name)
                body.member("message", error.message)
                body.close()
            } else {
                let deadline = outcome.expiresAt ?? outcome.asOf
                body.member("ok", true)
                body.member("extended", outcome.extended)
                body.member("expiresAt", deadline)
                body.member("timeRemaining", max(0, deadline - outcome.asOf))
                body.member("head", Int64(outcome.head ?? 0))
            }
            body.close()
        }
        body.closeArray()
    }
}
