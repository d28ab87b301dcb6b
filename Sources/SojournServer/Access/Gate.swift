import SojournCore
import SojournHTTP

/// Decides who a request comes from.
struct Gate: Sendable {
    private let keys: KeyRing
    let tokens: TokenBook

    init(_ configuration: Credentials) {
        let legacy = configuration.apiKeys.filter { !$0.isEmpty }.enumerated().map { place, secret in
            AccessKey(name: "legacy-\(place + 1)", role: .admin, secret: secret)
        }
        self.keys = KeyRing(configuration.accessKeys + legacy)
        self.tokens = TokenBook(keys: configuration.tokenKeys, audience: configuration.tokenAudience)
    }

    /// What is answered to everyone who is not admitted, whatever the reason.
    static let refusal: JSON = [
        "error": "API key required", "message": "Missing or invalid X-API-KEY header",
    ]

    /// Who the request comes from; nil when it is not admitted. A key or token comes as `X-API-KEY`, as a bearer token
    /// (RFC 6750 section 2.1), or, where an event source of a browser can send no header, as `?token=`.
    func caller(of exchange: HTTPExchange, withQuery: Bool, at now: Instant) -> Caller? {
        if self.keys.isEmpty, self.tokens.isEmpty { return .anyone }
        if let secret = exchange.header("X-API-KEY"), let key = self.keys.key(for: secret) { return Caller(key) }
        var secret = Self.bearer(exchange.header("Authorization"))
        if secret == nil, withQuery, let token = exchange.queryItems.last(where: { $0.name == "token" })?.value {
            // A key in an address would end up in logs of proxies.
            guard TokenBook.isToken(token) else { return nil }
            secret = token
        }
        guard let secret else { return self.keys.isEmpty ? .anyone : nil }
        return self.caller(of: secret, at: now)
    }

    /// Who has this key or token, however it came; nil when it is not valid.
    func caller(of secret: String, at now: Instant) -> Caller? {
        if let key = self.keys.key(for: secret) { return Caller(key) }
        if !self.tokens.isEmpty, TokenBook.isToken(secret) {
            return self.tokens.token(secret, at: now).map { Caller($0) }
        }
        return self.keys.isEmpty ? .anyone : nil
    }

    private static func bearer(_ value: String?) -> String? {
        guard let parts = value?.split(separator: " ", maxSplits: 1), parts.count == 2,
            parts[0].lowercased() == "bearer"
        else { return nil }
        return String(parts[1])
    }
}
