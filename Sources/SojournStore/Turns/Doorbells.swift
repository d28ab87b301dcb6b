import SojournCore
import SojournLoop
import SojournRedis

/// Workers of this loop that wait for work, by agent. Loop-confined.
///
/// One subscription an agent, however many wait. A ring wakes one of them; it looks into the ready list, and whoever
/// finds nothing there waits on. A ring that nobody hears is repeated by the sweepers, and each worker looks every
/// few seconds by itself.
final class Doorbells {
    /// How long a worker relies on being rung for, in milliseconds.
    static let patience = 5_000
    /// How long a bell is kept that nobody waits at, in milliseconds.
    static let lingering = 30_000

    /// A worker that waits.
    final class Waiter {
        fileprivate var continuation: CheckedContinuation<Void, Never>?

        /// Ends the wait.
        func wake() {
            self.continuation?.resume()
            self.continuation = nil
        }
    }

    private final class Bell {
        var waiters: [Waiter] = []
        /// How many workers are between coming and leaving.
        var users = 0
        var rings = 0
        var generation = 0
        var isSubscribed = false
    }

    private let loop: EventLoop
    private let subscriber: any RedisSubscriptions
    private let feed: Feed
    private var bells: [String: Bell] = [:]

    init(loop: EventLoop, subscriber: any RedisSubscriptions, feed: Feed) {
        self.loop = loop
        self.subscriber = subscriber
        self.feed = feed
    }

    /// Returns when rings on the channel are heard.
    func listen(_ channel: String) async throws(RedisError) {
        let bell = self.bells[channel] ?? Bell()
        self.bells[channel] = bell
        bell.users += 1
        bell.generation += 1
        guard !bell.isSubscribed else { return }
        self.feed.bells[channel] = { [weak self] _ in self?.rang(channel) }
        do {
            try await self.subscriber.subscribe(channel)
            bell.isSubscribed = true
        } catch {
            self.leave(channel)
            throw error
        }
    }

    /// The counterpart of ``listen(_:)``.
    func leave(_ channel: String) {
        guard let bell = self.bells[channel] else { return }
        bell.users -= 1
        guard bell.users == 0 else { return }
        let generation = bell.generation
        self.loop.spawn { [weak self] in
            guard let self else { return }
            await self.loop.sleep(milliseconds: Self.lingering)
            guard bell.generation == generation, bell.users == 0 else { return }
            self.bells[channel] = nil
            self.feed.bells[channel] = nil
            self.subscriber.unsubscribe(channel)
        }
    }

    /// How often it has rung; a worker that found nothing compares, so that no ring is lost while it looked.
    func rings(_ channel: String) -> Int { self.bells[channel]?.rings ?? 0 }

    /// Waits for a ring after `rings`, for at most `milliseconds`, or until the waiter is woken otherwise.
    func wait(_ waiter: Waiter, at channel: String, since rings: Int, milliseconds: Int) async {
        guard let bell = self.bells[channel], bell.rings == rings, milliseconds > 0 else { return }
        let timer = LoopTimer(loop: self.loop) { [weak waiter] in waiter?.wake() }
        timer.start(afterMilliseconds: min(milliseconds, Self.patience))
        bell.waiters.append(waiter)
        await withCheckedContinuation { waiter.continuation = $0 }
        timer.stop()
        bell.waiters.removeAll { $0 === waiter }
    }

    /// Rings here; also used by a worker that was woken and cannot take the work.
    func rang(_ channel: String) {
        guard let bell = self.bells[channel] else { return }
        bell.rings += 1
        if !bell.waiters.isEmpty { bell.waiters.removeFirst().wake() }
    }
}
