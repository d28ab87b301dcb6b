import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// What tests do as workers and as their users, on one node.
extension StoreNode {
    static let agentBits = UUIDBits(high: 0x1111_1111_1111_4111, low: 0x8111_1111_1111_1111)

    /// Claims turns of the usual agent.
    func claim(
        _ count: Int = 1, lease: Int64 = 30_000, wait: Int = 0, agent: UUIDBits = StoreNode.agentBits
    ) async throws -> [LeasedTurn] {
        try await self.store.onShard {
            try await $0.claim(agent: agent, count: count, lease: lease, wait: wait, watch: ClaimWatch())
        }
    }

    /// Claims one turn; waits for it, up to three minutes.
    func claimOne(lease: Int64 = 30_000, agent: UUIDBits = StoreNode.agentBits) async throws -> LeasedTurn {
        try #require(try await self.claim(lease: lease, wait: 180_000, agent: agent).first)
    }

    @discardableResult
    func complete(_ turn: LeasedTurn, _ text: String = "done", key: String? = nil) async throws -> FinishedTurn {
        let draft = MessageDraft(author: .agent, authorID: Self.agent, content: text)
        return try await self.store.onShard {
            try await $0.finish(
                turn.turn.id, token: turn.token, .complete(draft, usage: nil),
                idempotency: key.map { Idempotency(key: $0, request: Array(text.utf8)) })
        }
    }

    @discardableResult
    func fail(_ turn: LeasedTurn, retryable: Bool) async throws -> FinishedTurn {
        try await self.store.onShard {
            try await $0.finish(
                turn.turn.id, token: turn.token, .fail(error: "no", retryable: retryable), idempotency: nil)
        }
    }

    func extend(_ turn: LeasedTurn, lease: Int64 = 30_000, waiting: Int64? = nil) async throws -> Extension {
        try await self.store.onShard {
            try await $0.extend(turn.turn.id, token: turn.token, milliseconds: lease, waiting: waiting)
        }
    }

    func report(_ reports: [TurnReport], of turn: LeasedTurn) async throws {
        _ = try await self.store.onShard { try await $0.report(reports, of: turn.turn.id, token: turn.token) }
    }

    /// Sends a message of the user.
    @discardableResult
    func say(_ text: String, in id: SessionID, ifBusy: IfBusy, key: String? = nil) async throws -> SentMessage {
        let draft = MessageDraft(authorID: Self.user, content: text)
        let idempotency = key.map { Idempotency(key: $0, request: Array(text.utf8)) }
        return try await self.store.onShard {
            try await $0.say(draft, to: id, ifBusy: ifBusy, idempotency: idempotency)
        }
    }

    @discardableResult
    func interrupt(_ id: SessionID, entry: String? = nil, emptying: Bool = false) async throws -> [String] {
        try await self.store.onShard { try await $0.cancel(id, entry: entry, emptying: emptying).cancelled }
    }

    func turns(_ id: SessionID) async throws -> TurnBook { try await self.store.onShard { try await $0.turns(of: id) } }

    /// The log as types, with the number of the turn they belong to.
    func types(_ id: SessionID) async throws -> [String] {
        try await self.store.events(of: id.text, limit: 1000).events.map { event in
            guard let turn = try event.json()["turnId"]?.string else { return event.type }
            return "\(event.type) \(turn.split(separator: ".").last ?? "")"
        }
    }
}

/// The code of the error that the body throws.
func code(_ body: () async throws -> Void) async -> StoreError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? StoreError)?.code
    }
}

/// Counts, from any task.
final class Tally: Sendable {
    private let count = Locked(0)
    var value: Int { self.count.withLock { $0 } }
    func add() { self.count.withLock { $0 += 1 } }
}
