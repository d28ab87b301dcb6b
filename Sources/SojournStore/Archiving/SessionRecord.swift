import SojournCore

/// What the archive keeps of a session beside its events, as JSON; durations are milliseconds.
enum SessionRecord {
    static func bytes(of session: Session) -> [UInt8] {
        JSON.object([
            "metadata": .object(session.metadata), "timeout": JSON(session.policy.timeout),
            "autoRenew": .bool(session.policy.autoRenew), "maxDuration": JSON(session.policy.maxDuration),
            "warning": JSON(session.policy.warning), "base": JSON(session.base.milliseconds),
            "renewalCount": JSON(session.renewalCount), "lastActivity": JSON(session.lastActivity.milliseconds),
            "messageCount": JSON(session.messageCount), "epoch": .string(session.epoch),
        ]).bytes
    }

    /// The session as it was when it ended.
    static func session(
        id: SessionID, agent: String, user: String, key: String?, createdAt: Int64, endedAt: Int64, reason: EndReason,
        head: Int, record: JSON
    ) -> Session {
        func number(_ name: String) -> Int64 { record[name]?.int.map(Int64.init) ?? 0 }
        return Session(
            id: id, agentID: agent, userID: user, createdAt: Instant(milliseconds: createdAt),
            base: Instant(milliseconds: number("base")),
            policy: TimeoutPolicy(
                timeout: number("timeout"), autoRenew: record["autoRenew"]?.bool ?? false,
                maxDuration: number("maxDuration"), warning: number("warning")),
            renewalCount: Int(number("renewalCount")), lastActivity: Instant(milliseconds: number("lastActivity")),
            messageCount: Int(number("messageCount")), head: head, epoch: record["epoch"]?.string ?? "",
            ending: Session.Ending(reason: reason, at: Instant(milliseconds: endedAt)),
            metadata: record["metadata"]?.object ?? JSONObject(), conversationKey: key,
            asOf: Instant(milliseconds: endedAt))
    }
}
