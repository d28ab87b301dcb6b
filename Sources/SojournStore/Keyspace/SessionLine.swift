import SojournCore
import SojournRedis

/// A live session in one line of words, the way `beat` answers it: names of fields as in ``SessionFields``.
///
///     c b t w m r n l o q e y z ts     with - for what is absent
private struct Words {
    private var rest: ArraySlice<UInt8>

    init(_ line: ArraySlice<UInt8>) { self.rest = line }

    mutating func next() -> ArraySlice<UInt8> {
        let end = self.rest.firstIndex(of: UInt8(ascii: " ")) ?? self.rest.endIndex
        defer { self.rest = self.rest[min(end + 1, self.rest.endIndex)...] }
        return self.rest[..<end]
    }

    /// Nil when there is none.
    mutating func number() -> Int64? {
        let word = self.next()
        return word.first == UInt8(ascii: "-") ? nil : RESPValue.bulk(word).int.map { Int64($0) }
    }

    mutating func instant() -> Instant? { self.number().map(Instant.init(milliseconds:)) }
    mutating func text() -> String { String(decoding: self.next(), as: UTF8.self) }
}

extension Session {
    /// Nil when the line lacks what every version writes.
    init?(line: ArraySlice<UInt8>, id: SessionID, identity: ArraySlice<UInt8>, blob: [UInt8]?, asOf: Instant) {
        var words = Words(line)
        guard let (agent, user) = SessionFields.identity(identity), let created = words.instant(),
            let base = words.instant(), let timeout = words.number(), let warning = words.number(),
            let maxDuration = words.number(), let renews = words.number(), let renewals = words.number(),
            let activity = words.instant(), let messages = words.number(), let head = words.number()
        else { return nil }
        let epoch = words.text()
        let stored = SessionBlob(blob)
        self.init(
            id: id, agentID: agent, userID: user, createdAt: created, base: base,
            policy: TimeoutPolicy(
                timeout: timeout, autoRenew: renews == 1, maxDuration: maxDuration, warning: warning),
            leaseEnd: words.instant(), interactionDeadline: words.instant(), renewalCount: Int(renewals),
            lastActivity: activity, messageCount: Int(messages), head: Int(head), epoch: epoch,
            metadata: stored.metadata, conversationKey: stored.conversationKey, ifBusy: stored.ifBusy,
            aliveWhileWatched: stored.aliveWhileWatched, timeoutSources: TimeoutSources(letters: words.text()),
            asOf: asOf)
    }
}
