import SojournArchive
import SojournCore
import SojournLoop
import SojournRedis

/// What an archivist does while its archive refuses sessions: a full disk, a damaged page, a folder that is read-only.
///
/// It gives back what it has claimed and leaves its share of the work to the others. It tries by itself whether the
/// archive takes anything again, ever more seldom, and then comes back. What it holds can be read all the time.
extension Archivist {
    /// How long it is left alone after a refusal, at first and at the longest, in milliseconds.
    static let shortestPause = 500
    static let longestPause = 15_000

    /// Gives sessions back that were claimed; another archivist may claim them at once.
    func release(_ sessions: [EndedSession]) async {
        await self.shard.concurrently(sessions) { session in
            guard let claim = session.claim else { return }
            let keys = self.shard.keyspace.keys(of: session.id)
            // Without an answer the lease lapses.
            _ = try? await self.shard.call(
                self.shard.scripts.release, keys: [keys.session, keys.arc],
                args: [.string(session.id.text), .string(String(claim.major)), .string(claim.random)])
        }
    }

    /// The archive has refused something.
    func failed(_ error: ArchiveError, sessions: Int) {
        let reason = "\(error)"
        if self.trouble == nil {
            self.shard.log(
                .error, "the archive refuses sessions; they stay in Redis, and this archivist tries again by itself",
                ["archive.path": self.archive.path, "sessions": String(sessions), "error": reason])
        }
        self.trouble = reason
        let queue = self.takeQueue()
        guard !self.isPaused else {
            self.shard.loop.spawn { await self.release(queue) }
            return
        }
        self.isPaused = true
        // A damaged page may be met again and again, while others take what is written.
        let trustsProbe = error.code != .corrupt && error.code != .other
        self.shard.loop.spawn { [weak self] in
            await self?.release(queue)
            await self?.sitOut(trustsProbe: trustsProbe)
        }
    }

    private func sitOut(trustsProbe: Bool) async {
        await self.registry.pause()
        while self.isRunning {
            await self.shard.loop.sleep(milliseconds: self.pause)
            self.pause = min(self.pause * 2, Self.longestPause)
            guard self.isRunning else { break }
            do throws(ArchiveError) {
                try await self.archive.probe()
            } catch {
                self.trouble = "\(error)"
                continue
            }
            let hadUnsettled = !self.unsettled.isEmpty
            if hadUnsettled { await self.settle([]) }
            guard self.unsettled.isEmpty else { continue }  // refused again
            // Who hears that it is well may count on it.
            await self.registry.resume()
            // A batch that was under way all the time may have been refused only now.
            guard self.unsettled.isEmpty else {
                await self.registry.pause()
                continue
            }
            self.isPaused = false
            if trustsProbe || hadUnsettled { self.tellRecovered() }
            return
        }
    }

    /// The archive has taken something.
    func recovered() {
        self.pause = Self.shortestPause
        self.tellRecovered()
    }

    private func tellRecovered() {
        guard self.trouble != nil, !self.isPaused else { return }
        self.trouble = nil
        self.shard.log(.notice, "the archive takes sessions again", ["archive.path": self.archive.path])
    }
}
