import SojournCore
import SojournStore

/// Sessions as the Sessions API writes them.
enum SessionBody {
    /// The answer to a create.
    static func created(_ session: Session) -> [UInt8] {
        var body = JSONWriter()
        body.open()
        self.write(created: session, to: &body)
        body.close()
        return body.bytes
    }

    /// SessionInfo, and what one route adds to it.
    static func info(
        _ session: Session, agent: Agent?, adding more: (inout JSONWriter) -> Void = { _ in }
    ) -> [UInt8] {
        var body = JSONWriter()
        self.write(session, agent: agent, to: &body, adding: more)
        return body.bytes
    }

    /// SessionInfo, as the next value of what is being written.
    static func write(
        _ session: Session, agent: Agent?, to body: inout JSONWriter,
        adding more: (inout JSONWriter) -> Void = { _ in }
    ) {
        body.open()
        self.write(created: session, to: &body)
        body.member("lastActivity", session.lastActivity)
        body.member("renewalCount", Int64(session.renewalCount))
        body.member("timeRemaining", session.timeRemaining)
        body.member("isNearExpiration", session.isNearExpiration)
        body.member("status", session.status.rawValue)
        body.member("phase", session.phase.rawValue)
        body.member("version", Int64(session.head))
        if let key = session.conversationKey { body.member("conversationKey", key) }
        body.member("ifBusy", (session.ifBusy ?? agent?.ifBusy ?? .enqueue).rawValue)
        body.member("ifBusySource", session.ifBusy != nil ? "session" : agent?.ifBusy != nil ? "agent" : "default")
        if let alive = session.aliveWhileWatched { body.member("aliveWhileWatched", alive) }
        if let sources = session.timeoutSources {
            body.name("timeoutSources")
            body.open()
            body.member("timeoutMinutes", sources.timeout.rawValue)
            body.member("autoRenew", sources.autoRenew.rawValue)
            body.member("maxDurationMinutes", sources.maxDuration.rawValue)
            body.member("warningThresholdMinutes", sources.warning.rawValue)
            body.close()
        }
        if let ending = session.ending { body.member("endedAt", ending.at) }
        more(&body)
        body.close()
    }

    private static func write(created session: Session, to body: inout JSONWriter) {
        body.member("sessionId", session.id.text)
        body.member("channelId", session.id.channelID)
        body.member("agentId", session.agentID)
        body.member("userId", session.userID)
        body.member("createdAt", session.createdAt)
        body.member("metadata", .object(session.metadata))
        body.member("expiresAt", session.expiresAt)
        body.name("timeoutConfig")
        body.open()
        body.member("timeoutMinutes", self.minutes(session.policy.timeout))
        body.member("autoRenew", session.policy.autoRenew)
        body.member("maxDurationMinutes", self.minutes(session.policy.maxDuration))
        body.member("warningThresholdMinutes", self.minutes(session.policy.warning))
        body.close()
    }

    private static func minutes(_ milliseconds: Int64) -> JSON { .number(TimeoutSettings.minutes(milliseconds)) }
}
