package import SojournCore
import SojournRedis

extension StoreShard {
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

    func touch(_ id: SessionID, cause: String) async throws(StoreError) -> (session: Session, extended: Bool) {
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
