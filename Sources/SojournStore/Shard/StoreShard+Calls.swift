import SojournCore
import SojournLoop
import SojournRedis

extension StoreShard {
    /// Calls a script whose answer is a list.
    ///
    /// - Parameters:
    ///   - acrossSlots: the keys may lie in several slots, where the servers can do that.
    ///   - order: calls with the same word leave one after the other, each when the one before is answered.
    ///   - timed: whether the answer begins with the time, which keeps ``clock`` right.
    func call(
        _ script: Script, keys: [String], args: [RedisArgument], acrossSlots: Bool = false, order: String? = nil,
        timed: Bool = false
    ) async throws(StoreError) -> [RESPValue] {
        let answer = try await self.counted(script) { () async throws(RedisError) -> RESPValue in
            try await self.redis.call(
                script, keys: keys, arguments: args, orderKey: order, acrossSlots: acrossSlots)
        }
        guard let list = answer.array else { throw self.malformed(script.name) }
        if timed { self.note(list.first) }
        return list
    }

    /// Calls a script that writes down what somebody said, whose answer is a list, and waits for replicas if that is set.
    func callDurably(
        _ script: Script, keys: [String], args: [RedisArgument], order: String? = nil
    ) async throws(StoreError) -> (answer: [RESPValue], durability: Durability?) {
        let (answer, reached) = try await self.counted(script) { () async throws(RedisError) -> (RESPValue, Int?) in
            try await self.redis.callDurably(script, keys: keys, arguments: args, orderKey: order)
        }
        guard let list = answer.array else { throw self.malformed(script.name) }
        return (list, reached.map { Durability(asked: self.configuration.waitReplicas, reached: $0) })
    }

    /// Makes a call of a script, counts it and how long it took, and says what a failed one means.
    private func counted<Answer>(
        _ script: Script, _ call: () async throws(RedisError) -> Answer
    ) async throws(StoreError) -> Answer {
        let start = EventLoop.microseconds
        do throws(RedisError) {
            let answer = try await call()
            self.counters.called(script.name, since: start)
            return answer
        } catch {
            self.counters.called(script.name, since: start, error: error)
            throw self.translate(error, in: script.name)
        }
    }

    /// The first 16 digits of the replication id, by which the scripts notice a failover.
    var replid: RedisArgument { .replicationID }

    /// Keeps the clock right with the time in an answer.
    @discardableResult
    func note(_ value: RESPValue?) -> Instant {
        guard let milliseconds = value?.int else { return self.clock.now }
        let now = Instant(milliseconds: Int64(milliseconds))
        self.clock.note(now)
        return now
    }

    /// What a script answered is not what its header says: a bug, or another schema.
    func malformed(_ script: String) -> StoreError {
        self.log(.error, "a script answered in an unknown form; the request fails", ["script": script])
        return .unexpected
    }

    /// What a failed call means for the caller.
    func translate(_ error: RedisError, in operation: String) -> StoreError {
        switch error.code {
        case .outcomeUnknown:
            return StoreError(
                .outcomeUnknown,
                "The connection to the store was lost while '\(operation)' was in flight; "
                    + "it may or may not have happened", retryAfter: 1)
        case .unavailable, .timedOut, .refused:
            return StoreError(.storeUnavailable, "The session store is unavailable; nothing was done", retryAfter: 1)
        default:
            if error.serverCode == "OOM" {
                self.log(
                    .error, "redis is at maxmemory; new sessions and messages are refused until it has room",
                    ["operation": operation])
                return StoreError(.storeUnavailable, "The session store is full; nothing was done", retryAfter: 5)
            }
            self.log(
                .error, "redis refused a command; the request fails",
                ["operation": operation, "error": "\(error)"])
            return .unexpected
        }
    }

    /// Runs the body for each item at once and returns when the last one is done.
    package func concurrently<Item>(_ items: some Collection<Item>, _ body: @escaping (Item) async -> Void) async {
        guard !items.isEmpty else { return }
        var left = items.count
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            for item in items {
                self.loop.spawn {
                    await body(item)
                    left -= 1
                    if left == 0 { continuation.resume() }
                }
            }
        }
    }
}
