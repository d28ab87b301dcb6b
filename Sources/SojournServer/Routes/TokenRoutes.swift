import SojournCore
import SojournHTTP
import SojournStore

/// Session tokens, for browsers and other clients that cannot keep a key.
extension NodeServer {
    /// The longest life of a token, and for how long it may be refreshed, in seconds.
    private static let tokenLife = 86_400

    var tokenRoutes: [Route] {
        [
            Route(.post, Self.base + "/:id/tokens", needs: .grant) { [unowned self] context throws(StoreError) in
                try await self.grant(context)
            },
            Route(.post, Self.base + "/:id/tokens/refresh", needs: []) { [unowned self] context throws(StoreError) in
                try await self.refresh(context)
            },
        ]
    }

    private func grant(_ context: RouteContext) async throws(StoreError) -> Answer {
        let body = try context.body()
        var rights: Rights = .read
        if let list = body?["capabilities"], list != .null {
            guard let known = SessionToken.rights(list) else {
                throw .validation(
                    "Invalid capabilities: Must be a list of: " + Rights.grantable.map(\.name).joined(separator: ", "),
                    field: "capabilities")
            }
            rights = known
        }
        let life = try Self.life(body)
        let isForUser: Bool
        switch body?["scope"] {
        case nil, .null?, "session"?: isForUser = false
        case "user"?: isForUser = true
        default: throw .validation("Invalid scope: Must be one of: session, user", field: "scope")
        }
        let session = try await self.shard.session(try self.shard.sessionID(context.captures[0]))
        let now = Int(self.shard.now.milliseconds / 1000)
        return try self.signed(
            SessionToken(
                id: AccessKey.newSecret(prefix: ""), userID: session.userID,
                sessionID: isForUser ? nil : session.id.text, rights: rights, issuedAt: now, expiresAt: now + life,
                renewableUntil: now + Self.tokenLife))
    }

    /// A token for the one that the request came with, which lives as long again. Streams that were opened with the old
    /// one go on.
    private func refresh(_ context: RouteContext) async throws(StoreError) -> Answer {
        let wanted = try Self.life(try context.body(), default: 0)
        guard let old = context.caller.token else {
            throw StoreError(.forbidden, "Only a session token can be refreshed")
        }
        let now = Int(self.shard.now.milliseconds / 1000)
        let life = wanted == 0 ? old.expiresAt - old.issuedAt : min(wanted, old.expiresAt - old.issuedAt)
        let end = min(now + life, old.renewableUntil)
        guard end > now, !old.id.isEmpty else {
            throw StoreError(.forbidden, "This token can no longer be refreshed; ask for a new one")
        }
        let answer = try self.signed(
            SessionToken(
                id: old.id, userID: old.userID, sessionID: old.sessionID, rights: old.rights, issuedAt: now,
                expiresAt: end, renewableUntil: old.renewableUntil))
        try await self.shard.noteRefresh(of: old.id, until: end)
        return answer
    }

    private func signed(_ token: SessionToken) throws(StoreError) -> Answer {
        guard let text = self.gate.tokens.sign(token) else {
            throw StoreError(.notFound, "This node has no key that signs tokens; see the setting token-keys")
        }
        var body: JSONObject = [
            "token": .string(text), "userId": .string(token.userID),
            "scope": token.sessionID == nil ? "user" : "session",
            "capabilities": SessionToken.names(of: token.rights),
            "expiresAt": .string(Instant(milliseconds: Int64(token.expiresAt) * 1000).iso8601),
            "renewableUntil": .string(Instant(milliseconds: Int64(token.renewableUntil) * 1000).iso8601),
        ]
        if let id = token.sessionID { body["sessionId"] = .string(id) }
        return .json(201, .object(body))
    }

    /// `ttl`: whole seconds from 1 to a day; an hour else.
    private static func life(_ body: JSON?, default standard: Int = 3600) throws(StoreError) -> Int {
        guard let value = body?["ttl"], value != .null else { return standard }
        guard let seconds = value.int, (1...Self.tokenLife).contains(seconds) else {
            throw .validation("Invalid ttl: Must be 1 to \(Self.tokenLife) seconds", field: "ttl")
        }
        return seconds
    }
}
