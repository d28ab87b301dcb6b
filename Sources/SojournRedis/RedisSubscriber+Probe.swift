import SojournCore
import SojournLoop

/// A subscriber connection can be open and silent for ever, after a failover for example. So it talks to itself.
extension RedisSubscriber {
    func startProbing() {
        guard let probe = self.probe else { return }
        let timer = LoopTimer(loop: self.loop) { [weak self] in self?.probeIsDue() }
        timer.start(afterMilliseconds: probe.intervalMs)
        self.probeTimer = timer
        self.probeLimit = LoopTimer(loop: self.loop) { [weak self] in self?.probeIsLate() }
    }

    func stopProbing() {
        self.probeTimer?.stop()
        self.probeLimit?.stop()
    }

    private func probeIsDue() {
        guard let probe = self.probe else { return }
        self.probeTimer?.start(afterMilliseconds: probe.intervalMs)
        guard let channel = probe.channel, self.link.isReady, self.awaitedNonce == nil else { return }
        self.probeCount += 1
        let nonce = "\(self.probeCount).\(UInt64.random(in: .min ... .max))"
        self.awaitedNonce = nonce
        self.loop.spawn { [weak self] in
            do {
                try await probe.publish(channel, nonce)
                // The message may have been heard before the reply of its publish.
                if self?.awaitedNonce == nonce { self?.probeLimit?.start(afterMilliseconds: probe.limitMs) }
            } catch {
                // No publish, no conclusion.
                if self?.awaitedNonce == nonce { self?.awaitedNonce = nil }
            }
        }
    }

    func heard(_ payload: [UInt8]) {
        guard let awaited = self.awaitedNonce, payload == Array(awaited.utf8) else { return }
        self.awaitedNonce = nil
        self.isDeaf = false
        self.probeLimit?.stop()
    }

    private func probeIsLate() {
        guard self.awaitedNonce != nil, self.link.isReady else { return }
        self.awaitedNonce = nil
        self.isDeaf = true
        self.log(
            .warning, "The subscriber connection has gone deaf; it is replaced",
            ["redis.endpoint": "\(self.endpoint)"])
        self.link.drop("the subscriber did not hear its own probe")
    }
}
