package import SojournCore
import SojournLoop
import SojournRedis

/// Tells a worker's long poll that nobody waits for its answer any more. Loop-confined.
package final class ClaimWatch {
    /// Whether the worker has left.
    package private(set) var isGone = false
    let waiter = Doorbells.Waiter()

    /// A worker that is there.
    package init() {}

    /// The worker has left: it gets no turn.
    package func leave() {
        self.isGone = true
        self.waiter.wake()
    }
}

extension StoreShard {
    /// How long a ready list outlives its last ring, in milliseconds.
    private static let readyLife = 3_600_000
    /// How many events a leased turn brings of what was before it.
    private static let historyWindow = 64

    /// Leases turns of an agent's sessions to a worker; waits for one if there is none.
    ///
    /// - Parameters:
    ///   - count: how many turns at the most, 1 to 32.
    ///   - lease: milliseconds until the worker must have extended or ended them.
    ///   - wait: milliseconds to wait for the first.
    package func claim(
        agent: UUIDBits, count: Int, lease: Int64, wait: Int, watch: ClaimWatch
    ) async throws(StoreError) -> [LeasedTurn] {
        let channel = self.keyspace.bell(agent)
        let end = EventLoop.now + wait
        if wait > 0 {
            do throws(RedisError) {
                try await self.doorbells.listen(channel)
            } catch {
                throw self.translate(error, in: "claim")
            }
        }
        defer { if wait > 0 { self.doorbells.leave(channel) } }
        while true {
            // Again while it waits: Redis may lose it meanwhile.
            try await self.enlist(agent)
            let rings = self.doorbells.rings(channel)
            guard !watch.isGone else {
                self.doorbells.rang(channel)
                return []
            }
            let turns = try await self.claimNow(agent: agent, count: count, lease: lease, watch: watch)
            let left = end - EventLoop.now
            if !turns.isEmpty || left <= 0 { return turns }
            await self.doorbells.wait(watch.waiter, at: channel, since: rings, milliseconds: left)
        }
    }

    private func claimNow(
        agent: UUIDBits, count: Int, lease: Int64, watch: ClaimWatch
    ) async throws(StoreError) -> [LeasedTurn] {
        while true {
            let ids = try await self.takeReady(agent, count: count)
            guard !ids.isEmpty else { return [] }
            var turns: [LeasedTurn] = []
            var failure: StoreError?
            await self.concurrently(ids) { id in
                do throws(StoreError) {
                    if watch.isGone {
                        self.ring(agent.bytes, for: id)
                    } else if let turn = try await self.lease(id, milliseconds: lease) {
                        turns.append(turn)
                    }
                } catch {
                    failure = error
                }
            }
            if let failure, turns.isEmpty { throw failure }
            if watch.isGone {
                for turn in turns { await self.giveBack(turn) }
                return []
            }
            // What lay there may have been out of date; look on.
            if !turns.isEmpty { return turns }
        }
    }

    private func takeReady(_ agent: UUIDBits, count: Int) async throws(StoreError) -> [SessionID] {
        do throws(RedisError) {
            let popped = try await self.redis.send(
                ["ZPOPMIN", .string(self.keyspace.ready(agent)), .integer(count)], kind: .write)
            let values = popped.array ?? []
            return stride(from: 0, to: values.count, by: 2).compactMap {
                values[$0].string.flatMap { self.keyspace.sessionID($0) }
            }
        } catch {
            throw self.translate(error, in: "claim")
        }
    }

    /// Leases a session's next turn; nil when there is none.
    func lease(_ id: SessionID, milliseconds: Int64) async throws(StoreError) -> LeasedTurn? {
        let keys = self.keyspace.keys(of: id)
        let random = Hex.encode((0..<8).map { _ in UInt8.random(in: .min ... .max) })
        let answer = try await self.call(
            self.scripts.lease, keys: keys.turnWork,
            args: [
                .string(id.text), self.replid, .integer(Int(milliseconds)), .string(random),
                .integer(self.configuration.turnAttempts),
            ])
        guard answer.first?.int == 1 else { return nil }
        guard answer.count == 11, let number = answer[2].int, let token = answer[3].string, let end = answer[4].int,
            let attempt = answer[5].int, let input = answer[6].string, let queuedAt = answer[7].int,
            let head = answer[8].int, let queued = answer[9].int,
            let turn = Turn(
                TurnID(session: id, number: number),
                record: "r|\(input)|\(attempt)|\(queuedAt)|\(answer[1].int ?? 0)|")
        else { throw self.malformed("lease") }
        let now = self.note(answer[1])
        self.counters.leased += 1
        self.counters.turnWaits.record(Int(now.milliseconds - Int64(queuedAt)) * 1000)
        let context = try await self.context(of: turn, head: head)
        return LeasedTurn(
            turn: turn, token: token, leaseEnd: Instant(milliseconds: Int64(end)), session: context.session,
            messages: context.messages, history: context.history, queued: queued)
    }

    private func context(
        of turn: Turn, head: Int
    ) async throws(StoreError) -> (session: Session, messages: [Message], history: [Event]) {
        let id = turn.id.session
        let session = try await self.session(id)
        let window = try await self.stretch(
            id, from: 1, to: head, limit: Self.historyWindow, newestFirst: true, isWhole: false
        ).get()
        var known: [Int: Event] = [:]
        for event in window.events { if let seq = event.seq { known[seq] = event } }
        let messages = try await self.messages(turn.input, of: id, known: known)
        let last = turn.input.last ?? head
        let told: Set = [
            EventType.userMessage, EventType.agentMessage, EventType.systemMessage, EventType.agentToolUse,
            EventType.agentToolResult,
        ]
        let history = window.events.reversed().filter { event in
            guard let seq = event.seq, told.contains(event.type), !turn.input.contains(seq) else { return false }
            // A user's later messages wait in the queue; their own turns answer them.
            return event.type != EventType.userMessage || seq < last
        }
        return (session, messages, Array(history))
    }

    /// The messages with these seqs.
    func messages(
        _ seqs: [Int], of id: SessionID, known: [Int: Event] = [:]
    ) async throws(StoreError) -> [Message] {
        var messages: [Message] = []
        for seq in seqs {
            var event = known[seq]
            if event == nil { event = try await self.stretch(id, from: seq, to: seq).get().events.first }
            if let message = event.flatMap({ Message($0) }) { messages.append(message) }
        }
        return messages
    }

    /// Puts a turn back as if nobody had had it; its lease is over.
    package func giveBack(_ turn: LeasedTurn) async {
        _ = try? await self.finish(turn.turn.id, token: turn.token, .return, idempotency: nil)
    }

    /// Rings for an agent after its session got a turn that waits. When it gets lost, the sweepers ring again.
    func ring(_ agent: [UInt8]?, for id: SessionID) {
        guard self.ringsDoorbells, let agent, !agent.isEmpty, let agent = UUIDBits(bytes: agent.prefix(16)) else {
            return
        }
        self.loop.spawn {
            _ = try? await self.call(
                self.scripts.ring, keys: [self.keyspace.ready(agent), self.keyspace.bell(agent)],
                args: [
                    .string(id.text), .integer(Int(self.clock.now.milliseconds)), .integer(Self.readyLife),
                ])
        }
    }
}

extension SessionKeys {
    /// What the scripts take that change turns.
    var turnWork: [String] {
        [self.session, self.clock, self.log, self.channel, self.due, self.turns, self.queue, self.behind, self.deltas]
    }
}
