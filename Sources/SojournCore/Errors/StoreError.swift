/// What a store answers instead of what was asked for. The codes are the public ones of the HTTP interface.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// Which kind, stable across versions.
    public let code: Code
    /// The sentence for the client; it never holds secrets.
    public let message: String
    /// Facts for the client's code.
    public let details: JSONObject?
    /// After how many seconds a retry makes sense, where one does.
    public let retryAfter: Int?

    /// An error.
    public init(_ code: Code, _ message: String, details: JSONObject? = nil, retryAfter: Int? = nil) {
        self.code = code
        self.message = message
        self.details = details
        self.retryAfter = retryAfter
    }

    /// The text form, for logs.
    public var description: String { "\(self.code.name): \(self.message)" }

    /// An error code, its HTTP status, and nothing else; new ones may come.
    public struct Code: Sendable, Hashable {
        /// The name on the wire.
        public let name: String
        /// The HTTP status that goes with it.
        public let status: Int

        /// A code that came from another node, which may be newer.
        package init(name: String, status: Int) {
            self.name = name
            self.status = status
        }

        /// The request is wrong; repeating it changes nothing.
        public static let validation = Code(name: "VALIDATION_ERROR", status: 400)
        /// The caller is known, but may not do this.
        public static let forbidden = Code(name: "FORBIDDEN", status: 403)
        /// There is no such session, or it is not the caller's.
        public static let sessionNotFound = Code(name: "SESSION_NOT_FOUND", status: 404)
        /// There is no such agent.
        public static let agentNotFound = Code(name: "AGENT_NOT_FOUND", status: 404)
        /// No route has this path.
        public static let notFound = Code(name: "NOT_FOUND", status: 404)
        /// The route exists, but not for this method.
        public static let methodNotAllowed = Code(name: "METHOD_NOT_ALLOWED", status: 405)
        /// The session's life is over.
        public static let sessionExpired = Code(name: "SESSION_EXPIRED", status: 410)
        /// The session was closed early and is read-only.
        public static let sessionArchived = Code(name: "SESSION_ARCHIVED", status: 409)
        /// A turn is running and the caller asked not to wait.
        public static let sessionBusy = Code(name: "SESSION_BUSY", status: 409)
        /// The lease token is not the current one.
        public static let staleLease = Code(name: "STALE_LEASE", status: 409)
        /// The cap allows no extension.
        public static let renewalFailed = Code(name: "SESSION_RENEWAL_FAILED", status: 422)
        /// The idempotency key was used with another body.
        public static let idempotencyKeyReused = Code(name: "IDEMPOTENCY_KEY_REUSED", status: 422)
        /// A key or token is missing or wrong.
        public static let unauthorized = Code(name: "UNAUTHORIZED", status: 401)
        /// The route speaks another protocol.
        public static let upgradeRequired = Code(name: "UPGRADE_REQUIRED", status: 426)
        /// A WebSocket carries no more sessions.
        public static let tooManySubscriptions = Code(name: "TOO_MANY_SUBSCRIPTIONS", status: 429)
        /// Too many requests.
        public static let rateLimited = Code(name: "RATE_LIMIT_EXCEEDED", status: 429)
        /// Redis is away; nothing was done.
        public static let storeUnavailable = Code(name: "STORE_UNAVAILABLE", status: 503)
        /// The archive that holds the session is away.
        public static let archiveUnavailable = Code(name: "ARCHIVE_UNAVAILABLE", status: 503)
        /// The connection was lost while a write was in flight: it may or may not have happened.
        public static let outcomeUnknown = Code(name: "OUTCOME_UNKNOWN", status: 503)
        /// A bug, or a server that does not behave.
        public static let internalError = Code(name: "INTERNAL_SERVER_ERROR", status: 500)
    }
}

extension StoreError {
    /// Where the HTTP interface answers for a session whose life is over.
    public static func archiveURL(_ id: String) -> String { "/api/messaging/sessions/\(id)?archived=1" }

    /// 404 for a session that is not there or not the caller's.
    public static func sessionNotFound(_ id: String, archiveURL: String? = nil) -> StoreError {
        StoreError(
            .sessionNotFound, "Session with ID '\(id)' not found",
            details: archiveURL.map { ["sessionId": .string(id), "archiveUrl": .string($0)] })
    }

    /// 404 for an agent that is not registered.
    public static func agentNotFound(_ id: String) -> StoreError {
        StoreError(.agentNotFound, "Agent with ID '\(id)' not found")
    }

    /// 410 with the same words on every node until the tombstone lapses.
    public static func sessionExpired(
        _ id: String, at instant: Instant, successor: String? = nil, archiveURL: String? = nil
    ) -> StoreError {
        var details: JSONObject = [
            "sessionId": .string(id), "expiresAt": .string(instant.iso8601), "successor": JSON(successor),
        ]
        if let archiveURL { details["archiveUrl"] = .string(archiveURL) }
        return StoreError(.sessionExpired, "Session '\(id)' expired at \(instant.iso8601)", details: details)
    }

    /// 409 for a write to a session that was closed early.
    public static func sessionArchived(_ id: String, archiveURL: String? = nil) -> StoreError {
        StoreError(
            .sessionArchived, "Session '\(id)' is archived and read-only",
            details: archiveURL.map { ["sessionId": .string(id), "archiveUrl": .string($0)] })
    }

    /// 422 at the maximum duration.
    public static func renewalFailed(_ id: String) -> StoreError {
        StoreError(.renewalFailed, "Cannot renew session '\(id)': Maximum duration reached")
    }

    /// 400 with a message of the published table.
    public static func validation(_ message: String, field: String? = nil) -> StoreError {
        StoreError(.validation, message, details: field.map { ["field": .string($0)] })
    }

    /// 400 for timeouts.
    public static func invalidTimeout(_ rule: String) -> StoreError {
        .validation("Invalid timeout configuration: \(rule)", field: "timeoutConfig")
    }

    /// 500; the cause goes to the log, not to the client.
    public static let unexpected = StoreError(.internalError, "An unexpected error occurred")
}
