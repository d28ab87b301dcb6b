import SojournCore

/// Who makes a request, and what it may do.
struct Caller: Sendable {
    /// The sessions that a caller may see.
    enum Scope: Sendable, Hashable {
        case all
        /// One, by its id.
        case session(String)
        /// Those of a user, by its id.
        case user(String)
    }

    /// For logs and limits: `key:<name>`, `token:<id>`, or `anyone`.
    let name: String
    let rights: Rights
    let scope: Scope
    /// The session token that it came with; its time ends.
    let token: SessionToken?

    private init(name: String, rights: Rights, scope: Scope = .all, token: SessionToken? = nil) {
        self.name = name
        self.rights = rights
        self.scope = scope
        self.token = token
    }

    /// Whoever calls an interface without keys.
    static let anyone = Caller(name: "anyone", rights: .all)

    init(_ key: AccessKey) { self.init(name: "key:" + key.name, rights: key.role.rights) }

    init(_ token: SessionToken) {
        self.init(
            name: "token:" + token.id, rights: token.rights,
            scope: token.sessionID.map(Scope.session) ?? .user(token.userID), token: token)
    }

    /// Whether it came without a key or token.
    var isAnyone: Bool { self.token == nil && self.name == Self.anyone.name }

    /// - Throws: `FORBIDDEN` when the caller lacks one of the rights.
    func require(_ rights: Rights) throws(StoreError) {
        guard self.rights.isSuperset(of: rights) else {
            throw StoreError(.forbidden, "This key or token lacks the right: \(rights.subtracting(self.rights).names)")
        }
    }
}

extension RouteContext {
    /// - Throws: `FORBIDDEN` unless the caller has a key of role `admin`, or there are no keys.
    func requireAdmin() throws(StoreError) { try self.caller.require(.admin) }
}
