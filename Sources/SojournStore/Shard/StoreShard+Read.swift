package import SojournCore
import SojournRedis

extension StoreShard {
    /// What `read` found.
    enum Reading {
        case live(Session)
        /// Past its deadline and not swept yet.
        case due(Session)
        /// Ended, and waiting for an archivist.
        case closed(Session)
        case tombstone(Tombstone)
        case nothing
    }

    /// The session id in this text.
    ///
    /// - Throws: `SESSION_NOT_FOUND` without asking Redis when it is not one of this keyspace.
    package func sessionID(_ text: String) throws(StoreError) -> SessionID {
        guard let id = self.keyspace.sessionID(text) else { throw .sessionNotFound(text) }
        return id
    }

    /// Reads a live session.
    ///
    /// - Throws: `SESSION_EXPIRED`, `SESSION_NOT_FOUND`, `SESSION_ARCHIVED`, `STORE_UNAVAILABLE`.
    package func session(_ id: SessionID) async throws(StoreError) -> Session {
        let reading = try await self.read(id)
        if case .live(let session) = reading {
            self.knownSessions.note(session)
            return session
        }
        throw self.gone(id, reading)
    }

    func read(_ id: SessionID) async throws(StoreError) -> Reading {
        let keys = self.keyspace.keys(of: id)
        let answer = try await self.call(
            self.scripts.read, keys: [keys.session, keys.clock, keys.blob, keys.tombstone], args: [])
        guard answer.count == 4, let flat = answer[2].array else { throw self.malformed("read") }
        let now = self.note(answer[1])
        let fields = SessionFields(flat: flat)
        switch answer[0].int {
        case 0: return .nothing
        case 4:
            guard let tombstone = Tombstone(fields) else { throw self.malformed("read") }
            return .tombstone(tombstone)
        default:
            guard let session = fields.session(id: id, blob: answer[3].bytes, asOf: now) else {
                throw self.malformed("read")
            }
            return answer[0].int == 1 ? .live(session) : answer[0].int == 2 ? .due(session) : .closed(session)
        }
    }

    /// Why a session is not live: the same words on every node until the tombstone lapses.
    func gone(_ id: SessionID, _ reading: Reading) -> StoreError {
        var archiveURL: String? { self.archiving ? StoreError.archiveURL(id.text) : nil }
        func ended(_ reason: EndReason, _ at: Instant) -> StoreError {
            switch reason {
            case .expired: .sessionExpired(id.text, at: at, archiveURL: archiveURL)
            case .ended: .sessionNotFound(id.text, archiveURL: archiveURL)
            case .archived: .sessionArchived(id.text, archiveURL: archiveURL)
            }
        }
        switch reading {
        case .live, .nothing: return .sessionNotFound(id.text)
        case .due(let session): return ended(.expired, session.expiresAt)
        case .closed(let session): return ended(session.ending?.reason ?? .ended, session.ending?.at ?? session.asOf)
        case .tombstone(let tombstone) where tombstone.isPurged: return .sessionNotFound(id.text)
        case .tombstone(let tombstone): return ended(tombstone.reason, tombstone.at)
        }
    }

    /// The error for a write script that found no live session.
    func gone(_ id: SessionID) async throws(StoreError) -> StoreError {
        self.knownSessions.forget(id)
        return self.gone(id, try await self.read(id))
    }
}
