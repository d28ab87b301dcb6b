public import SojournCore
import SojournLoop

/// Turns, for backends that are workers themselves. Over HTTP workers may be written in any language.
extension SessionStore {
    /// Sends a user's message and says what it does while a turn is open; it opens one in any case.
    ///
    /// - Throws: `SESSION_BUSY`, `RATE_LIMIT_EXCEEDED`, `IDEMPOTENCY_KEY_REUSED`, and the errors of a send.
    public func say(
        _ draft: MessageDraft, to id: String, ifBusy: IfBusy, idempotency: Idempotency? = nil
    ) async throws -> SentMessage {
        try await self.onShard {
            try await $0.say(
                draft, to: try $0.sessionID(id), ifBusy: ifBusy, idempotency: idempotency, byTurns: true)
        }
    }

    /// Leases turns of an agent's sessions; waits for one if there is none. A cancelled task leaves the wait and gets
    /// none.
    ///
    /// - Parameters:
    ///   - count: 1 to 32.
    ///   - lease: milliseconds until each must have been extended or ended.
    ///   - wait: milliseconds.
    public func claim(
        agentID: String, count: Int = 1, lease: Int64 = 30_000, wait: Int = 20_000
    ) async throws -> [LeasedTurn] {
        guard let agent = UUIDBits(agentID) else {
            throw StoreError.validation("Invalid UUID format for field 'agentId'", field: "agentId")
        }
        let (loop, shard) = self.place()
        let watch = try await loop.run { Confined(ClaimWatch(), to: loop) }
        return try await withTaskCancellationHandler {
            try await loop.run {
                try await shard.value.claim(
                    agent: agent, count: min(max(count, 1), 32), lease: lease, wait: wait, watch: watch.value)
            }
        } onCancel: {
            loop.execute { watch.value.leave() }
        }
    }

    /// Extends the lease of a turn, and brings what was handed to it meanwhile.
    ///
    /// - Throws: `STALE_LEASE`.
    public func extend(_ turn: LeasedTurn, lease: Int64 = 30_000) async throws -> Extension {
        try await self.onShard { try await $0.extend(turn.turn.id, token: turn.token, milliseconds: lease) }
    }

    /// Ends a turn.
    ///
    /// - Throws: `STALE_LEASE`; then nothing has changed.
    @discardableResult
    public func finish(
        _ turn: LeasedTurn, _ end: TurnEnd, idempotency: Idempotency? = nil
    ) async throws -> FinishedTurn {
        try await self.onShard {
            try await $0.finish(turn.turn.id, token: turn.token, end, idempotency: idempotency)
        }
    }

    /// Cancels the running turn of a session, or the next one when none runs.
    ///
    /// - Parameter emptying: cancels what waits, too.
    public func interrupt(_ id: String, emptying: Bool = false) async throws {
        _ = try await self.onShard { try await $0.cancel(try $0.sessionID(id), emptying: emptying) }
    }

    /// The turns of a live session, and its queue.
    public func turns(of id: String) async throws -> TurnBook {
        try await self.onShard { try await $0.turns(of: try $0.sessionID(id)) }
    }
}
