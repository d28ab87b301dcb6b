import SojournCore
import SojournLoop

/// The connection keeps asking who the server is: its role decides whether writes leave, its replication id
/// names the epoch of what is written.
extension RedisConnection {
    func refreshIsDue() {
        self.refreshTimer?.start(afterMilliseconds: self.options.refreshIntervalMs)
        let age = self.pipeline.headAge(now: EventLoop.now)
        if age > self.options.stallLimitMs {
            return self.link.drop("the server has not answered for \(age) ms")
        }
        self.refresh()
    }

    /// Reads role and replication id again.
    func refresh() {
        guard self.pipeline.isOpen, !self.refreshIsOut else { return }
        self.refreshIsOut = true
        // A task, because the pipeline must not be entered while it gives out its answers.
        self.loop.spawn { [weak self] in
            let reply = try? await self?.send(
                ["INFO", "replication"], kind: .read, timeoutMs: self?.options.stallLimitMs)
            guard let self else { return }
            self.refreshIsOut = false
            guard let text = reply?.string else { return }
            let info = ServerInfo(text)
            self.adopt(isMaster: info.isMaster, replid: info["master_replid"])
        }
    }

    func adopt(isMaster: Bool, replid: String?) {
        if let replid, replid != self.replid {
            if self.replid != nil {
                self.epochChanges += 1
                self.log(
                    .notice, "Redis has a new replication id; a new epoch begins",
                    ["redis.endpoint": "\(self.endpoint)", "redis.replid": replid])
            }
            self.replid = replid
        }
        guard isMaster != self.pipeline.allowsWrites else { return }
        self.pipeline.allowsWrites = isMaster
        if isMaster { self.flushSoon() } else { self.tellNoMaster() }
    }

    func tellNoMaster() {
        self.log(
            .warning, "This Redis server is no master; writes wait until it is",
            ["redis.endpoint": "\(self.endpoint)"])
    }
}
