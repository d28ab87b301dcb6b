import SojournCore
import SojournLoop
import SojournRedis

/// The limits as one loop sees them. Loop-confined.
///
/// The buckets are in Redis, so that all nodes draw from the same ones and no node's clock counts. Two things keep a flood
/// away from Redis: requests for a bucket that come while an answer is on its way ask together, in one call; and what was
/// refused is refused here, without asking, until the time that Redis named.
package final class RateBook {
    private struct Bucket {
        var limit: RateLimit
        /// The last answer, which counts until then, in monotonic milliseconds.
        var closedUntil = 0
        var fullAt = 0
        var isAsking = false
        var waiting: [CheckedContinuation<RateVerdict?, Never>] = []
    }

    private unowned let shard: StoreShard
    private var buckets: [String: Bucket] = [:]
    /// How many buckets are remembered as closed before those that have opened are forgotten.
    private var sweepAt = 1024
    /// Calls to Redis since the start.
    package private(set) var calls = 0

    init(shard: StoreShard) { self.shard = shard }

    /// Asks for one request of `subject`, a word that says whose and what kind.
    ///
    /// - Returns: nil when Redis does not answer: the request itself will say so, a limit does not stand in its way.
    package func take(_ subject: String, _ limit: RateLimit) async -> RateVerdict? {
        let now = EventLoop.now
        var bucket = self.buckets[subject] ?? Bucket(limit: limit)
        if bucket.closedUntil > now {
            return RateVerdict(
                limit: limit, isAllowed: false, left: 0, retryAfter: bucket.closedUntil - now,
                reset: max(bucket.closedUntil, bucket.fullAt) - now)
        }
        bucket.limit = limit
        return await withCheckedContinuation { continuation in
            bucket.waiting.append(continuation)
            let isFirst = !bucket.isAsking
            bucket.isAsking = true
            self.buckets[subject] = bucket
            if isFirst { self.shard.loop.spawn { await self.ask(subject) } }
        }
    }

    private func ask(_ subject: String) async {
        while var bucket = self.buckets[subject], !bucket.waiting.isEmpty {
            let waiting = bucket.waiting
            bucket.waiting = []
            self.buckets[subject] = bucket
            self.calls += 1
            let answer = await self.shard.draw(subject, bucket.limit, count: waiting.count)
            let now = EventLoop.now
            if let answer, answer.granted < waiting.count {
                self.buckets[subject]?.closedUntil = now + answer.wait
                self.buckets[subject]?.fullAt = now + answer.reset
                // Who came while the answer was on its way would only hear the same.
                let late = self.buckets[subject]?.waiting ?? []
                self.buckets[subject]?.waiting = []
                self.tell(waiting + late, answer, bucket.limit)
            } else {
                self.tell(waiting, answer, bucket.limit)
            }
        }
        self.buckets[subject]?.isAsking = false
        if let bucket = self.buckets[subject], bucket.closedUntil <= EventLoop.now { self.buckets[subject] = nil }
        if self.buckets.count > self.sweepAt { self.sweep() }
    }

    private func tell(_ waiting: [CheckedContinuation<RateVerdict?, Never>], _ answer: RateDraw?, _ limit: RateLimit) {
        for (place, continuation) in waiting.enumerated() {
            guard let answer else {
                continuation.resume(returning: nil)
                continue
            }
            let isAllowed = place < answer.granted
            continuation.resume(
                returning: RateVerdict(
                    limit: limit, isAllowed: isAllowed,
                    left: isAllowed ? answer.left + min(answer.granted, waiting.count) - place - 1 : 0,
                    retryAfter: isAllowed ? 0 : max(1, answer.wait), reset: answer.reset))
        }
    }

    private func sweep() {
        let now = EventLoop.now
        self.buckets = self.buckets.filter { $0.value.isAsking || $0.value.closedUntil > now }
        self.sweepAt = max(1024, self.buckets.count * 2)
    }
}

/// What the script `limit` answered; times in milliseconds, rounded up.
struct RateDraw {
    let granted: Int
    let left: Int
    let wait: Int
    let reset: Int
}

extension StoreShard {
    func draw(_ subject: String, _ limit: RateLimit, count: Int) async -> RateDraw? {
        let hash = Digest.sha256Prefix(subject)
        let partition = (Int(hash[0]) << 8 | Int(hash[1])) % self.keyspace.partitions
        let answer = try? await self.call(
            self.scripts.limit, keys: [self.keyspace.rate(partition, Hex.encode(hash))],
            args: [.integer(limit.interval), .integer(limit.burst), .integer(count)])
        guard let numbers = answer?.compactMap(\.int), numbers.count == 4 else { return nil }
        return RateDraw(
            granted: numbers[0], left: numbers[1], wait: (numbers[2] + 999) / 1000, reset: (numbers[3] + 999) / 1000)
    }
}
