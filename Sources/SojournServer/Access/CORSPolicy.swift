import SojournHTTP

/// Which web pages may call this node from a browser (the CORS protocol of the Fetch standard).
public struct CORSPolicy: Sendable {
    private let origins: Set<String>

    init(_ origins: [String]) { self.origins = Set(origins) }

    /// An origin in the form in which browsers send it, scheme, host and port; `*` for all of them. Nil when it is none.
    public static func origin(_ text: String) -> String? {
        if text == "*" { return text }
        let lower = text.lowercased()
        guard let scheme = ["https://", "http://"].first(where: { lower.hasPrefix($0) }) else { return nil }
        let rest = lower.dropFirst(scheme.count)
        guard !rest.isEmpty, rest.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") }) else {
            return nil
        }
        return lower
    }

    /// The fields for an answer to a request of this origin; nil when it is not one of them. Credentials here are header
    /// fields that the page sets itself, so there is no need to allow cookies.
    func fields(for origin: String?) -> HTTPHeaders? {
        guard !self.origins.isEmpty, let origin else { return nil }
        if self.origins.contains("*") { return [("Access-Control-Allow-Origin", "*"), Self.exposed] }
        guard self.origins.contains(origin.lowercased()) else { return nil }
        return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin"), Self.exposed]
    }

    /// What a page may read of an answer, beside its body.
    private static let exposed = (
        name: "Access-Control-Expose-Headers",
        value: "Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, X-Request-Id"
    )

    /// The further fields of the answer to a preflight request.
    static func preflight(_ methods: [HTTPMethod]) -> HTTPHeaders {
        [
            ("Access-Control-Allow-Methods", methods.map(\.rawValue).joined(separator: ", ")),
            (
                "Access-Control-Allow-Headers",
                "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-API-KEY, X-Lease-Token, X-Request-Id, "
                    + "traceparent"
            ), ("Access-Control-Max-Age", "600"),
        ]
    }

    var isEmpty: Bool { self.origins.isEmpty }
}
