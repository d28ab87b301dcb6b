package import SojournCore
import SojournRedis

/// What the store keeps of session tokens: until when a refreshed one lasts, so that connections which were opened with
/// the one before go on, on every node.
extension StoreShard {
    /// Notes the end of a token's time, in seconds since 1970.
    package func noteRefresh(of token: String, until seconds: Int) async throws(StoreError) {
        let life = Instant(milliseconds: Int64(seconds) * 1000) - self.now
        guard life > 0 else { return }
        _ = try await self.plain(
            ["SET", .string(self.tokenKey(token)), .integer(seconds), "PX", .integer(Int(life) + 60_000)], .write)
    }

    /// The noted end of a token's time; nil when it was not refreshed.
    package func refreshedExpiry(of token: String) async throws(StoreError) -> Instant? {
        guard !token.isEmpty else { return nil }
        let reply = try await self.plain(["GET", .string(self.tokenKey(token))], .read)
        return reply.int.map { Instant(milliseconds: Int64($0) * 1000) }
    }

    /// The user of a session, whether it lives or not.
    ///
    /// - Throws: `SESSION_NOT_FOUND` also when only its tombstone is left, which names nobody.
    package func owner(of id: SessionID) async throws(StoreError) -> String {
        if let session = self.knownSessions.session(id) { return session.userID }
        switch try await self.read(id) {
        case .live(let session):
            self.knownSessions.note(session)
            return session.userID
        case .due(let session), .closed(let session): return session.userID
        case .nothing: throw .sessionNotFound(id.text)
        case .tombstone:
            guard let session = try? await self.anySession(id) else { throw .sessionNotFound(id.text) }
            return session.userID
        }
    }

    /// How many live sessions a user has, over all partitions.
    package func sessionCount(ofUser user: String) async throws(StoreError) -> Int {
        var count = 0
        var failure: StoreError?
        await self.concurrently(0..<self.keyspace.partitions) { partition in
            do throws(StoreError) {
                count += try await self.plain(["ZCARD", .string(self.keyspace.user(partition, user))], .read).int ?? 0
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return count
    }

    /// Whether one of some keys of one slot exists.
    func exist(_ keys: [String]) async throws(StoreError) -> Bool {
        try await self.plain(RedisCommand(["EXISTS"] + keys.map { .string($0) }), .read).int != 0
    }

    private func tokenKey(_ token: String) -> String {
        let hash = Digest.sha256Prefix(token)
        return self.keyspace.token((Int(hash[0]) << 8 | Int(hash[1])) % self.keyspace.partitions, Hex.encode(hash))
    }

    private func plain(_ command: RedisCommand, _ kind: RedisCommandKind) async throws(StoreError) -> RESPValue {
        do {
            return try await self.redis.send(command, kind: kind)
        } catch {
            throw self.translate(error, in: "tokens and limits")
        }
    }
}
