import SojournCore
import SojournStore

/// Sessions as the Sessions API writes them.
enum SessionBody {
    /// The answer to a create.
    static func created(_ session: Session) -> JSONObject {
        [
            "sessionId": .string(session.id.text), "channelId": .string(session.id.channelID),
            "agentId": .string(session.agentID), "userId": .string(session.userID),
            "createdAt": .string(session.createdAt.iso8601), "metadata": .object(session.metadata),
            "expiresAt": .string(session.expiresAt.iso8601), "timeoutConfig": .object(Self.timeouts(session.policy)),
        ]
    }

    /// SessionInfo.
    static func info(_ session: Session, agent: Agent?) -> JSONObject {
        var body = Self.created(session)
        body["lastActivity"] = .string(session.lastActivity.iso8601)
        body["renewalCount"] = JSON(session.renewalCount)
        body["timeRemaining"] = JSON(session.timeRemaining)
        body["isNearExpiration"] = .bool(session.isNearExpiration)
        body["status"] = .string(session.status.rawValue)
        body["phase"] = .string(session.phase.rawValue)
        body["version"] = JSON(session.head)
        if let key = session.conversationKey { body["conversationKey"] = .string(key) }
        body["ifBusy"] = .string((session.ifBusy ?? agent?.ifBusy ?? .enqueue).rawValue)
        body["ifBusySource"] = session.ifBusy != nil ? "session" : agent?.ifBusy != nil ? "agent" : "default"
        if let alive = session.aliveWhileWatched { body["aliveWhileWatched"] = .bool(alive) }
        if let sources = session.timeoutSources {
            body["timeoutSources"] = [
                "timeoutMinutes": .string(sources.timeout.rawValue), "autoRenew": .string(sources.autoRenew.rawValue),
                "maxDurationMinutes": .string(sources.maxDuration.rawValue),
                "warningThresholdMinutes": .string(sources.warning.rawValue),
            ]
        }
        if let ending = session.ending { body["endedAt"] = .string(ending.at.iso8601) }
        return body
    }

    static func timeouts(_ policy: TimeoutPolicy) -> JSONObject {
        func minutes(_ milliseconds: Int64) -> JSON { .number(TimeoutSettings.minutes(milliseconds)) }
        return [
            "timeoutMinutes": minutes(policy.timeout), "autoRenew": .bool(policy.autoRenew),
            "maxDurationMinutes": minutes(policy.maxDuration), "warningThresholdMinutes": minutes(policy.warning),
        ]
    }
}
