import SojournCore
import SojournHTTP
import SojournStore

/// How a limit is told: the fields of the IETF draft "RateLimit header fields for HTTP" (version 07), in seconds.
enum RateHeaders {
    /// The verdict that says the most: a refusal, or else the limit of which least is left.
    static func tightest(_ verdicts: [RateVerdict]) -> RateVerdict? {
        verdicts.min { left, right in
            if left.isAllowed != right.isAllowed { return !left.isAllowed }
            return left.isAllowed ? left.left < right.left : left.retryAfter > right.retryAfter
        }
    }

    static func fields(_ verdict: RateVerdict) -> HTTPHeaders {
        [
            ("RateLimit-Limit", String(verdict.limit.count)), ("RateLimit-Remaining", String(verdict.left)),
            ("RateLimit-Reset", String(Self.seconds(verdict.isAllowed ? verdict.reset : verdict.retryAfter))),
            ("RateLimit-Policy", "\(verdict.limit.count);w=\(verdict.limit.period / 1000)"),
        ]
    }

    static func refusal(_ verdict: RateVerdict) -> StoreError {
        StoreError(.rateLimited, "Too many requests", retryAfter: Self.seconds(verdict.retryAfter))
    }

    /// Rounded up: who comes a little too early is refused again.
    private static func seconds(_ milliseconds: Int) -> Int { (milliseconds + 999) / 1000 }
}
