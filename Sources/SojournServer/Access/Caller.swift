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
    /// When it stops being valid; nil is never.
    let expiresAt: Instant?

    private init(name: String, rights: Rights, scope: Scope = .all, expiresAt: Instant? = nil) {
        self.name = name
        self.rights = rights
        self.scope = scope
        self.expiresAt = expiresAt
    }

    /// Whoever calls an interface without keys.
    static let anyone = Caller(name: "anyone", rights: .all)

    init(_ key: AccessKey) { self.init(name: "key:" + key.name, rights: key.role.rights) }

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
