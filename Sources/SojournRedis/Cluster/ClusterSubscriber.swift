import SojournCore
import SojournLoop

/// Subscriptions in a cluster: one subscriber a master, and each channel at the master of its slot, wherever that is.
/// Loop only.
///
/// When a slot moves its server ends the subscriptions (`sunsubscribe`), or is gone: the channel is lost until the new
/// master has acknowledged it, and told as restored then.
final class ClusterSubscriber: RedisSubscriptions {
    var onMessage: ((_ channel: String, _ payload: [UInt8]) -> Void)?
    var onLost: (() -> Void)?
    var onRestored: ((_ channels: [String]) -> Void)?

    private let cluster: RedisCluster
    /// The channels that are asked for; with the master that has acknowledged, or nil.
    private var channels: [String: RedisMaster?] = [:]
    /// Those for which a new master is looked for.
    private var homeless: Set<String> = []
    private var isClosed = false

    init(cluster: RedisCluster) {
        self.cluster = cluster
        cluster.onMaster = { [weak self] in self?.adopt($0) }
        cluster.onChange = { [weak self] in self?.mapHasChanged() }
    }

    var counts: RedisCounts { self.cluster.masters.reduce(RedisCounts()) { $0 + $1.subscriber.counts } }

    var isHealthy: Bool {
        // Before the first map nothing speaks against it.
        guard self.cluster.map != nil else { return self.cluster.trouble == nil }
        return self.homeless.isEmpty && self.cluster.masters.allSatisfy(\.subscriber.isHealthy)
    }

    func start() { self.cluster.listen() }

    func close() {
        self.isClosed = true
        for master in self.cluster.masters { master.subscriber.close() }
        self.channels = [:]
        self.homeless = []
        (self.onMessage, self.onLost, self.onRestored) = (nil, nil, nil)
    }

    func subscribe(
        _ channel: String, timeoutMs: Int?, file: String, line: UInt
    ) async throws(RedisError) {
        let end = EventLoop.now + (timeoutMs ?? self.cluster.options.commandTimeoutMs)
        let slot = ClusterSlot.of(channel)
        if self.channels[channel] == nil { self.channels[channel] = .some(nil) }
        var last: RedisError?
        while !self.isClosed, EventLoop.now < end {
            if let master = self.cluster.owner(of: slot) {
                do throws(RedisError) {
                    try await master.subscriber.subscribe(
                        channel, timeoutMs: max(1, end - EventLoop.now), file: file, line: line)
                    if self.settle(channel, at: master) { return }
                } catch {
                    last = error
                    self.mind(error, of: channel)
                    // Unsubscribed meanwhile, by the one who wanted it.
                    guard self.channels[channel] != nil else { break }
                }
            }
            await self.cluster.loop.sleep(milliseconds: 20)
        }
        if case .some(nil) = self.channels[channel], !self.homeless.contains(channel) { self.channels[channel] = nil }
        throw RedisError(
            code: .unavailable, message: last?.message ?? "no master for the channel in time",
            endpoint: last?.endpoint ?? self.cluster.seed, file: file, line: line)
    }

    func unsubscribe(_ channel: String) {
        guard let place = self.channels.removeValue(forKey: channel) else { return }
        self.homeless.remove(channel)
        (place ?? self.cluster.owner(of: ClusterSlot.of(channel)))?.subscriber.unsubscribe(channel)
    }

    // MARK: Where channels are

    private func adopt(_ master: RedisMaster) {
        master.subscriber.onMessage = { [weak self] in self?.onMessage?($0, $1) }
        master.subscriber.onLost = { [weak self] in
            self?.onLost?()
            self?.cluster.refresh()
        }
        master.subscriber.onRestored = { [weak self] in self?.onRestored?($0) }
        master.subscriber.onMoved = { [weak self, weak master] channel in
            guard let self, let master else { return }
            if case .some(.some(let place)) = self.channels[channel], place === master { self.seek(channel) }
            self.cluster.refresh()
        }
    }

    /// Notes who has acknowledged; false when that is not the right one any more.
    private func settle(_ channel: String, at master: RedisMaster) -> Bool {
        guard self.channels[channel] != nil else {
            master.subscriber.unsubscribe(channel)
            return true
        }
        guard self.cluster.owner(of: ClusterSlot.of(channel)) === master else {
            master.subscriber.unsubscribe(channel)
            return false
        }
        self.channels[channel] = .some(master)
        return true
    }

    private func mind(_ error: RedisError, of channel: String) {
        if let moved = SlotMap.redirection(error.message, askedOf: error.endpoint), error.serverCode == "MOVED" {
            self.cluster.moved(moved.slot, to: moved.endpoint)
        } else {
            self.cluster.refresh()
        }
    }

    private func mapHasChanged() {
        for (channel, place) in self.channels {
            guard let place, self.cluster.owner(of: ClusterSlot.of(channel)) !== place else { continue }
            place.subscriber.unsubscribe(channel)
            self.seek(channel)
        }
    }

    /// Subscribes at the master of the slot, whichever that will be, and tells when it is done.
    private func seek(_ channel: String) {
        self.channels[channel] = .some(nil)
        guard self.homeless.insert(channel).inserted else { return }
        if self.homeless.count == 1 { self.onLost?() }
        self.cluster.loop.spawn { [weak self] in
            while let self, self.homeless.contains(channel), !self.isClosed {
                if let master = self.cluster.owner(of: ClusterSlot.of(channel)) {
                    do throws(RedisError) {
                        try await master.subscriber.subscribe(channel)
                        if self.settle(channel, at: master) {
                            guard self.homeless.remove(channel) != nil else { return }
                            self.onRestored?([channel])
                            return
                        }
                    } catch {
                        self.mind(error, of: channel)
                    }
                }
                await self.cluster.loop.sleep(milliseconds: 20)
            }
        }
    }
}
