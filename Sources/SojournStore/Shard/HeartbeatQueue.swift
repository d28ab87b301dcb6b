import SojournCore
import SojournLoop
import SojournRedis

/// Heartbeats for many sessions on their way to Redis.
///
/// A partition has one call of them under way; what comes meanwhile, from whomever, goes together with the next. So a
/// heartbeat never waits while nothing else is going on, and a busy node makes fewer and larger calls. Loop-confined;
/// one a shard.
final class HeartbeatQueue {
    /// How many sessions one script call may touch.
    static let batch = 32

    /// The outcomes of one request, in the order of its ids, and who waits for them.
    private final class Request {
        var outcomes: [HeartbeatOutcome?]
        var left = 0
        var finish: CheckedContinuation<Void, Never>?

        init(count: Int) { self.outcomes = Array(repeating: nil, count: count) }

        func settle(_ place: Int, _ outcome: HeartbeatOutcome) {
            self.outcomes[place] = outcome
            self.left -= 1
            if self.left == 0 { self.finish?.resume() }
        }
    }

    /// One session's heartbeat.
    private struct Beat {
        let id: SessionID
        let request: Request
        let place: Int

        func settle(_ outcome: HeartbeatOutcome) { self.request.settle(self.place, outcome) }
    }

    private unowned let shard: StoreShard
    private var waiting: [[Beat]]
    /// Whether a call is under way in the partition.
    private var isCalling: [Bool]

    init(shard: StoreShard) {
        self.shard = shard
        self.waiting = Array(repeating: [], count: shard.keyspace.partitions)
        self.isCalling = Array(repeating: false, count: shard.keyspace.partitions)
    }

    /// Heartbeats sessions.
    ///
    /// - Returns: an outcome for each id, in their order; a lost call is an error in the outcome of its ids.
    func beat(_ texts: [String], admitted: (String) -> Bool) async -> [HeartbeatOutcome] {
        let request = Request(count: texts.count)
        for (place, text) in texts.enumerated() {
            guard admitted(text), let id = self.shard.keyspace.sessionID(text) else {
                // Not an id of this store, or not one of the caller.
                request.outcomes[place] = self.failed(.sessionNotFound(text))
                continue
            }
            request.left += 1
            self.waiting[id.partition].append(Beat(id: id, request: request, place: place))
            if !self.isCalling[id.partition] {
                self.isCalling[id.partition] = true
                self.shard.loop.spawn { [weak self] in await self?.drain(id.partition) }
            }
        }
        if request.left > 0 { await withCheckedContinuation { request.finish = $0 } }
        return request.outcomes.compactMap { $0 }
    }

    private func drain(_ partition: Int) async {
        while !self.waiting[partition].isEmpty {
            let beats = self.waiting[partition]
            self.waiting[partition] = []
            guard beats.count > Self.batch else {
                await self.call(partition, beats[...])
                continue
            }
            let calls = stride(from: 0, to: beats.count, by: Self.batch).map { beats[$0...].prefix(Self.batch) }
            await self.shard.concurrently(calls) { await self.call(partition, $0) }
        }
        self.isCalling[partition] = false
    }

    private func call(_ partition: Int, _ beats: ArraySlice<Beat>) async {
        let shard = self.shard
        let keyspace = shard.keyspace
        do throws(StoreError) {
            let answer = try await shard.call(
                shard.scripts.beat,
                keys: [keyspace.clock(partition)] + beats.map { keyspace.keys(of: $0.id).session },
                args: [.string("")], timed: true)
            guard answer.count == beats.count + 1 else { throw shard.malformed("beat") }
            let now = shard.note(answer[0])
            var extended = 0
            for (beat, one) in zip(beats, answer.dropFirst()) {
                guard let one = one.array, one.count == 4, one[0].int == 1, let deadline = one[2].int,
                    let head = one[3].int
                else {
                    let isWarned = one.array?.first?.int == 4
                    shard.loop.spawn { [weak self] in
                        guard let self else { return }
                        beat.settle(isWarned ? await self.touch(beat.id) : await self.gone(beat.id))
                    }
                    continue
                }
                shard.feed.observe(beat.id, head: head)
                extended += one[1].int ?? 0
                shard.counters.heartbeats += 1
                beat.settle(
                    HeartbeatOutcome(
                        error: nil, extended: one[1].int == 1, expiresAt: Instant(milliseconds: Int64(deadline)),
                        head: head, asOf: now))
            }
            if extended > 0 { shard.counters.renewed[.heartbeat, default: 0] += extended }
        } catch {
            for beat in beats { beat.settle(self.failed(error)) }
        }
    }

    /// Heartbeats a session that has been warned.
    private func touch(_ id: SessionID) async -> HeartbeatOutcome {
        do throws(StoreError) {
            let (session, extended) = try await self.shard.touch(id, cause: "heartbeat")
            return HeartbeatOutcome(
                error: nil, extended: extended, expiresAt: session.expiresAt, head: session.head, asOf: session.asOf)
        } catch {
            return self.failed(error)
        }
    }

    private func gone(_ id: SessionID) async -> HeartbeatOutcome {
        do throws(StoreError) {
            return self.failed(try await self.shard.gone(id))
        } catch {
            return self.failed(error)
        }
    }

    private func failed(_ error: StoreError) -> HeartbeatOutcome {
        HeartbeatOutcome(error: error, extended: false, expiresAt: nil, head: nil, asOf: self.shard.clock.now)
    }
}

extension StoreShard {
    /// Heartbeats many sessions.
    ///
    /// - Returns: an outcome for each id, in their order; a lost call is an error in the outcome of its ids.
    ///
    /// - Parameter admitted: those that the caller may touch; to any other it is told what it is told of an id that nobody
    ///   knows.
    package func heartbeat(
        batch ids: [String], admitted: (String) -> Bool = { _ in true }
    ) async -> [HeartbeatOutcome] { await self.heartbeats.beat(ids, admitted: admitted) }
}
