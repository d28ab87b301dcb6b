import SojournCore
import SojournHTTP

/// Decides who a request comes from.
struct Gate: Sendable {
    private let keys: KeyRing

    /// - Parameter secrets: single tokens of the old form, each of which opens everything.
    init(keys: [AccessKey], secrets: [String] = []) {
        let legacy = secrets.filter { !$0.isEmpty }.enumerated().map { place, secret in
            AccessKey(name: "legacy-\(place + 1)", role: .admin, secret: secret)
        }
        self.keys = KeyRing(keys + legacy)
    }

    /// What is answered to everyone who is not admitted, whatever the reason.
    static let refusal: JSON = [
        "error": "API key required", "message": "Missing or invalid X-API-KEY header",
    ]

    /// Who the request comes from; nil when it is not admitted. A key comes as `X-API-KEY` or as a bearer token
    /// (RFC 6750 section 2.1).
    func caller(of exchange: HTTPExchange) -> Caller? {
        guard !self.keys.isEmpty else { return .anyone }
        if let secret = exchange.header("X-API-KEY"), let key = self.keys.key(for: secret) { return Caller(key) }
        guard let secret = Self.bearer(exchange.header("Authorization")) else { return nil }
        return self.caller(of: secret)
    }

    /// Who has this secret, however it came.
    func caller(of secret: String) -> Caller? { self.keys.key(for: secret).map { Caller($0) } }

    private static func bearer(_ value: String?) -> String? {
        guard let parts = value?.split(separator: " ", maxSplits: 1), parts.count == 2,
            parts[0].lowercased() == "bearer"
        else { return nil }
        return String(parts[1])
    }
}
