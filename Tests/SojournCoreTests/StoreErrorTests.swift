import SojournCore
import Testing

@Suite struct StoreErrorTests {
    @Test(
        arguments: [
            (.validation, "VALIDATION_ERROR", 400), (.sessionNotFound, "SESSION_NOT_FOUND", 404),
            (.agentNotFound, "AGENT_NOT_FOUND", 404), (.notFound, "NOT_FOUND", 404),
            (.methodNotAllowed, "METHOD_NOT_ALLOWED", 405), (.sessionExpired, "SESSION_EXPIRED", 410),
            (.sessionArchived, "SESSION_ARCHIVED", 409), (.sessionBusy, "SESSION_BUSY", 409),
            (.staleLease, "STALE_LEASE", 409), (.renewalFailed, "SESSION_RENEWAL_FAILED", 422),
            (.idempotencyKeyReused, "IDEMPOTENCY_KEY_REUSED", 422), (.rateLimited, "RATE_LIMIT_EXCEEDED", 429),
            (.storeUnavailable, "STORE_UNAVAILABLE", 503), (.archiveUnavailable, "ARCHIVE_UNAVAILABLE", 503),
            (.outcomeUnknown, "OUTCOME_UNKNOWN", 503), (.internalError, "INTERNAL_SERVER_ERROR", 500),
        ] as [(StoreError.Code, String, Int)])
    func `the codes are the published ones`(code: StoreError.Code, name: String, status: Int) {
        #expect(code.name == name)
        #expect(code.status == status)
        #expect(StoreError(code, "why").description == "\(name): why")
    }

    @Test func `the sentences are the published ones`() {
        #expect(StoreError.sessionNotFound("x").message == "Session with ID 'x' not found")
        #expect(StoreError.agentNotFound("x").message == "Agent with ID 'x' not found")
        #expect(StoreError.renewalFailed("x").message == "Cannot renew session 'x': Maximum duration reached")
        #expect(StoreError.unexpected.message == "An unexpected error occurred")
        #expect(StoreError.invalidTimeout("why").message == "Invalid timeout configuration: why")
        #expect(StoreError.validation("why", field: "f").details == ["field": "f"])
        #expect(StoreError.validation("why").details == nil)
    }

    @Test func `an expired session says when and what follows`() {
        let error = StoreError.sessionExpired("x", at: Instant(milliseconds: 0))
        #expect(error.message == "Session 'x' expired at 1970-01-01T00:00:00.000Z")
        #expect(error.details == ["sessionId": "x", "expiresAt": "1970-01-01T00:00:00.000Z", "successor": .null])
        #expect(
            StoreError.sessionExpired("x", at: Instant(milliseconds: 0), successor: "y").details?["successor"] == "y")
    }
}

@Suite struct LogTests {
    @Test func `events below the minimum are not built`() {
        let log = Log(minimum: .warning) { _ in Issue.record("an info event reached the sink") }
        func build() -> String {
            Issue.record("the message was built")
            return ""
        }
        log(.info, build(), ["key": build()])
        #expect(log.minimum == .warning)
    }

    @Test func `the levels have the names and the order of swift-log`() {
        let names = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
        #expect(names.compactMap(LogLevel.init(name:)) == LogLevel.allCases)
        #expect(LogLevel.allCases == LogLevel.allCases.sorted())
        #expect(LogLevel(name: "WARN") == nil)
    }
}
