package import SojournCore
import SojournRedis

/// Something a worker reports of its turn while it runs.
package enum TurnReport: Sendable {
    /// A call of a tool; its id is up to 64 letters, digits, `_`, `-`, `.` or `:`.
    case toolUse(id: String, data: JSONObject)
    /// The result of the call with this id.
    case toolResult(id: String, data: JSONObject)
    /// A message before the last one.
    case message(MessageDraft)
}

extension StoreShard {
    /// Extends a lease and brings what was handed to the turn meanwhile.
    ///
    /// - Parameters:
    ///   - waiting: milliseconds for which the turn waits for a human, if it does.
    ///   - asksAgain: the caller extends once more unless messages were handed over, and only then the answer counts.
    /// - Throws: `STALE_LEASE` when the token is not the turn's last one.
    package func extend(
        _ id: TurnID, token: String, milliseconds: Int64, waiting: Int64? = nil, idempotency: Idempotency? = nil,
        asksAgain: Bool = false
    ) async throws(StoreError) -> Extension {
        let keys = self.keyspace.keys(of: id.session)
        let answer = try await self.call(
            self.scripts.extend, keys: Array(keys.turnWork.dropLast()) + [keys.idempotency(idempotency?.hash)],
            args: [
                .string(id.session.text), self.replid, .string(String(id.number)), .string(token),
                .integer(Int(milliseconds)), .string(waiting.map { String($0) } ?? ""),
                .string(idempotency?.fingerprint ?? ""), .integer(asksAgain ? 1 : 0),
            ])
        switch answer.first?.int {
        case 1:
            guard answer.count == 5, let end = answer[2].int, let seqs = answer[3].string, let head = answer[4].int
            else {
                throw self.malformed("extend")
            }
            self.note(answer[1])
            return .until(
                Instant(milliseconds: Int64(end)), steered: try await self.messages(Turn.seqs(seqs), of: id.session),
                head: head)
        case 4:
            let status = answer.dropFirst().first?.string.flatMap { TurnStatus(letter: $0) }
            guard status == .cancelled else { throw .staleLease(id, status) }
            return .stop(status)
        case 7: throw .idempotencyKeyReused
        default: throw try await self.gone(id.session)
        }
    }

    /// Appends what a worker reports of its turn.
    ///
    /// - Returns: the place of the first event, when the lease ends, and how many replicas have it, if that is waited for.
    /// - Throws: `STALE_LEASE`, `VALIDATION_ERROR` for a result without its call.
    package func report(
        _ reports: [TurnReport], of id: TurnID, token: String, idempotency: Idempotency? = nil
    ) async throws(StoreError) -> (cursor: Cursor, leaseEnd: Instant, durability: Durability?) {
        let session = id.session
        let keys = self.keyspace.keys(of: session)
        var kinds: [String] = []
        var bodies: [RedisArgument] = []
        var messages = 0
        for report in reports {
            switch report {
            case .toolUse(let call, let data):
                kinds.append("+" + call)
                bodies.append(.bytes(self.body(EventType.agentToolUse, of: id, data)))
            case .toolResult(let call, let data):
                kinds.append("-" + call)
                bodies.append(.bytes(self.body(EventType.agentToolResult, of: id, data)))
            case .message(let draft):
                kinds.append("=")
                messages += 1
                bodies.append(.bytes(self.body(of: id, draft, draft.id ?? self.newID(in: session))))
            }
        }
        let (answer, durability) = try await self.callDurably(
            self.scripts.report,
            keys: [
                keys.session, keys.clock, keys.log, keys.channel, keys.due, keys.turns, keys.deltas,
                keys.idempotency(idempotency?.hash), keys.behind,
            ],
            args: [
                .string(session.text), self.replid, .string(String(id.number)), .string(token),
                .string(idempotency?.fingerprint ?? ""), .integer(messages), .string(kinds.joined(separator: " ")),
            ] + bodies)
        if answer.first?.int == 6 {
            throw .validation(
                "Invalid events: A tool result needs its open tool use, a tool use an id of its own, at most 64 open")
        }
        try await self.check(answer, id)
        guard answer.count == 5, let epoch = answer[2].string, let seq = answer[3].int, let end = answer[4].int else {
            throw self.malformed("report")
        }
        self.counters.messages[.agent, default: 0] += messages
        return (Cursor(epoch: epoch, seq: seq), Instant(milliseconds: Int64(end)), durability)
    }

    /// Ends a turn.
    ///
    /// - Throws: `STALE_LEASE` when the token is not the current one; then nothing has changed.
    package func finish(
        _ id: TurnID, token: String, _ end: TurnEnd, idempotency: Idempotency?
    ) async throws(StoreError) -> FinishedTurn {
        let keys = self.keyspace.keys(of: id.session)
        var word = "return"
        var data = ""
        var body: [UInt8] = []
        var messageID: String?
        switch end {
        case .complete(let draft, let usage):
            word = "complete"
            var members = JSONObject()
            if let draft {
                // The same request has the same message id, so that an answer that was kept fits.
                let made = draft.id ?? idempotency?.messageID(in: id.session) ?? self.newID(in: id.session)
                messageID = made
                body = self.body(of: id, draft, made)
                members["messageId"] = .string(made)
            }
            if let usage { members["usage"] = usage }
            data = Self.members(members)
        case .fail(let error, let retryable):
            word = retryable ? "retry" : "fail"
            data = Self.members(["error": .string(error)])
        case .return: break
        }
        let (answer, durability) = try await self.callDurably(
            self.scripts.finish, keys: keys.turnWork + [keys.idempotency(idempotency?.hash)],
            args: [
                .string(id.session.text), self.replid, .string(String(id.number)), .string(token),
                .string(idempotency?.fingerprint ?? ""), .string(word), .string(data),
                .integer(self.configuration.turnAttempts), .bytes(body),
            ])
        try await self.check(answer, id)
        guard answer.count >= 6, let epoch = answer[2].string, let seq = answer[3].int,
            let status = answer[4].string.flatMap({ TurnStatus(letter: $0) }), let queued = answer[5].int
        else { throw self.malformed("finish") }
        self.ring(answer.dropFirst(6).first?.bytes, for: id.session)
        self.counters.finished[status, default: 0] += 1
        if seq > 0, messageID != nil { self.counters.messages[.agent, default: 0] += 1 }
        return FinishedTurn(
            status: status, cursor: seq > 0 ? Cursor(epoch: epoch, seq: seq) : nil,
            messageID: messageID, queued: queued, durability: messageID == nil ? nil : durability)
    }

    private func newID(in session: SessionID) -> String {
        SessionID(at: self.now, partition: session.partition).text
    }

    private func check(_ answer: [RESPValue], _ id: TurnID) async throws(StoreError) {
        switch answer.first?.int {
        case 1: return
        case 4: throw .staleLease(id, answer.dropFirst().first?.string.flatMap { TurnStatus(letter: $0) })
        case 7: throw .idempotencyKeyReused
        default: throw try await self.gone(id.session)
        }
    }

    private func body(_ type: String, of id: TurnID, _ data: JSONObject, _ trace: TraceParent? = nil) -> [UInt8] {
        Event.body(type: type, sessionID: id.session, turnID: id.text, trace: trace, data: JSON.object(data).bytes)
    }

    private func body(of id: TurnID, _ draft: MessageDraft, _ messageID: String) -> [UInt8] {
        Event.body(
            type: draft.author.eventType, sessionID: id.session, turnID: id.text, trace: draft.trace,
            data: draft.data(id: messageID))
    }

    /// The members of an object without its braces.
    private static func members(_ object: JSONObject) -> String {
        String(JSON.object(object).text.dropFirst().dropLast())
    }
}

extension Idempotency {
    /// The id of the message that this request makes.
    func messageID(in session: SessionID) -> String? {
        guard let bits = UInt64(self.fingerprint.dropFirst().prefix(16), radix: 16),
            let made = UInt64(session.text.split(separator: "-").prefix(2).joined(), radix: 16)
        else { return nil }
        return SessionID(at: Instant(milliseconds: Int64(made)), partition: session.partition, random: bits).text
    }
}

extension StoreError {
    /// 409 for a worker whose turn is not its own any more.
    static func staleLease(_ id: TurnID?, _ status: TurnStatus?) -> StoreError {
        let name = id?.text ?? ""
        return StoreError(
            .staleLease, "The lease of turn '\(name)' is not the current one",
            details: ["turnId": .string(name), "status": JSON(status?.rawValue), "stop": true])
    }
}
