package import SojournCore

/// Sessions as this shard last read them, the most recent ones.
///
/// Identity and metadata of a session never change, so what a message needs to know of its session is asked of Redis once;
/// whether it still lives, only the script that appends can say.
struct KnownSessions {
    /// How many sessions each of the two generations has at most; with the largest metadata they hold some 40 MB.
    private static let limit = 2048

    /// What was used since the generations last changed places, and what was before.
    private var young: [SessionID: Session] = [:]
    private var old: [SessionID: Session] = [:]

    mutating func note(_ session: Session) {
        if self.young.count >= Self.limit {
            self.old = self.young
            self.young.removeAll(keepingCapacity: true)
        }
        self.young[session.id] = session
    }

    mutating func forget(_ id: SessionID) {
        self.young[id] = nil
        self.old[id] = nil
    }

    mutating func session(_ id: SessionID) -> Session? {
        if let session = self.young[id] { return session }
        guard let session = self.old[id] else { return nil }
        self.note(session)
        return session
    }
}

extension StoreShard {
    /// A session as it is now or was a while ago: its identity and metadata count, the rest may be old, and it may
    /// have ended since.
    ///
    /// - Throws: as ``session(_:)``, when this shard has not seen the session of late.
    package func known(_ id: SessionID) async throws(StoreError) -> Session {
        if let session = self.knownSessions.session(id) { return session }
        return try await self.session(id)
    }
}
