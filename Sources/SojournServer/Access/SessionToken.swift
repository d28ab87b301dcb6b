import SojournCore

/// What a session token says: who, which sessions, what, and until when. It is a signed JWT (RFC 7519).
struct SessionToken: Sendable, Hashable {
    /// `jti`: the same for all tokens that come from one by refreshing.
    let id: String
    /// `sub`: the user.
    let userID: String
    /// `sid`: the one session it opens; nil opens all of the user.
    let sessionID: String?
    /// `cap`: what it may be used for.
    let rights: Rights
    /// `iat`, in seconds as all times here.
    let issuedAt: Int
    /// `exp`.
    let expiresAt: Int
    /// `rnw`: until when it may be refreshed.
    let renewableUntil: Int

    func payload(audience: String) -> JSON {
        var claims: JSONObject = [
            "aud": .string(audience), "sub": .string(self.userID), "jti": .string(self.id),
            "iat": JSON(self.issuedAt), "nbf": JSON(self.issuedAt), "exp": JSON(self.expiresAt),
            "rnw": JSON(self.renewableUntil), "cap": Self.names(of: self.rights),
        ]
        if let sessionID = self.sessionID { claims["sid"] = .string(sessionID) }
        return .object(claims)
    }

    static func names(of rights: Rights) -> JSON {
        .array(Rights.grantable.filter { rights.contains($0.right) }.map { .string($0.name) })
    }

    /// The rights of a list of names; nil when one is none that a token can carry.
    static func rights(_ list: JSON?) -> Rights? {
        guard let names = list?.array, !names.isEmpty, names.count <= Rights.grantable.count else { return nil }
        var rights: Rights = []
        for name in names {
            guard let known = Rights.grantable.first(where: { $0.name == name.string }) else { return nil }
            rights.insert(known.right)
        }
        return rights
    }

    /// The token of checked claims; nil when one is missing or is not what it should be. Whether it is time for it, and
    /// whom it is for, has been looked at.
    init?(claims: JSON, expiresAt: Int) {
        guard let user = claims["sub"]?.string.flatMap({ UUIDBits($0) })?.text, let rights = Self.rights(claims["cap"])
        else { return nil }
        switch claims["sid"] {
        case nil: self.sessionID = nil
        case .string(let text)?: self.sessionID = text.lowercased()
        default: return nil
        }
        self.id = claims["jti"]?.string ?? ""
        self.userID = user
        self.rights = rights
        self.issuedAt = claims["iat"]?.int ?? 0
        self.expiresAt = expiresAt
        self.renewableUntil = claims["rnw"]?.int ?? 0
    }

    init(
        id: String, userID: String, sessionID: String?, rights: Rights, issuedAt: Int, expiresAt: Int,
        renewableUntil: Int
    ) {
        self.id = id
        self.userID = userID
        self.sessionID = sessionID
        self.rights = rights
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.renewableUntil = renewableUntil
    }
}
