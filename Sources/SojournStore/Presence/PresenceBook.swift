import SojournCore
import SojournLoop

/// The connections that are attached to sessions on this node, on all its loops. Loop-confined; one a node.
///
/// Changes are collected for a moment, and all entries are renewed at an interval, with one script call for the
/// sessions of a partition. An entry that is not renewed lapses, so a killed node's connections are gone soon:
/// entries live for two thirds of the presence life, and every quarter of it each node takes off what has lapsed.
package final class PresenceBook {
    /// How long a change waits for others, in milliseconds.
    private static let pause = 10
    /// How much one script call takes.
    private static let (sessionsPerCall, entriesPerCall) = (32, 256)

    private struct Watched {
        var entries: Set<String> = []
        var agentID = ""
        /// How many connections want the session to live on, and how many leave that to the agent.
        var (alive, undecided) = (0, 0)
    }

    private let shard: StoreShard
    private var sessions: [SessionID: Watched] = [:]
    private var changes: [SessionID: StoreShard.PresenceChange] = [:]
    private var isFlushing = false
    private var isOpen = true
    private var timer: LoopTimer?
    private let life: Int

    init(shard: StoreShard) {
        self.shard = shard
        self.life = shard.configuration.presenceLife
    }

    func start() {
        self.timer = LoopTimer(loop: self.shard.loop) { [weak self] in self?.beat() }
        self.timer?.start(afterMilliseconds: self.life / 4)
    }

    /// Takes every connection off that is still attached.
    func stop() async {
        self.isOpen = false
        self.timer?.stop()
        for (id, watched) in self.sessions {
            self.changes[id, default: .init(id: id)].left += watched.entries
            self.changes[id]?.attached = []
        }
        self.sessions = [:]
        // While Redis is away they lapse by themselves.
        if self.shard.isConnected { await self.flush() }
    }

    // MARK: Changes

    func attach(_ attachment: Attachment) {
        guard self.isOpen else { return }
        let id = attachment.session
        guard self.sessions[id, default: Watched()].entries.insert(attachment.entry).inserted else { return }
        self.sessions[id]?.agentID = attachment.agentID
        self.count(attachment, 1)
        self.changes[id, default: .init(id: id)].attached.append(attachment.entry)
        self.flushSoon()
    }

    func detach(_ attachment: Attachment) {
        let id = attachment.session
        guard self.sessions[id]?.entries.remove(attachment.entry) != nil else { return }
        self.count(attachment, -1)
        if self.sessions[id]?.entries.isEmpty == true { self.sessions[id] = nil }
        self.changes[id]?.attached.removeAll { $0 == attachment.entry }
        self.changes[id, default: .init(id: id)].left.append(attachment.entry)
        self.flushSoon()
    }

    private func count(_ attachment: Attachment, _ change: Int) {
        switch attachment.aliveWhileWatched {
        case true?: self.sessions[attachment.session]?.alive += change
        case false?: break
        case nil: self.sessions[attachment.session]?.undecided += change
        }
    }

    private func flushSoon() {
        guard !self.isFlushing else { return }
        self.isFlushing = true
        self.shard.loop.spawn { [weak self] in
            guard let self else { return }
            await self.shard.loop.sleep(milliseconds: Self.pause)
            self.isFlushing = false
            await self.flush()
        }
    }

    private func flush() async {
        let changes = self.changes
        self.changes = [:]
        await self.tell(Array(changes.values))
        await self.keepAlive(changes.values.filter { !$0.attached.isEmpty }.map(\.id))
    }

    // MARK: Renewal

    private func beat() {
        guard self.isOpen else { return }
        self.timer?.start(afterMilliseconds: self.life / 4)
        let all = self.sessions.map { StoreShard.PresenceChange(id: $0.key, attached: Array($0.value.entries)) }
        let ids = Array(self.sessions.keys)
        self.shard.loop.spawn { [weak self] in
            await self?.tell(all)
            await self?.keepAlive(ids)
        }
    }

    /// What is lost on the way is told again at the next renewal, or lapses.
    private func tell(_ changes: [StoreShard.PresenceChange]) async {
        var calls: [[StoreShard.PresenceChange]] = []
        for group in Dictionary(grouping: changes, by: \.id.partition).values {
            var (call, entries) = ([StoreShard.PresenceChange](), 0)
            for piece in group.flatMap(Self.pieces) {
                let size = piece.attached.count + piece.left.count
                if call.count == Self.sessionsPerCall || entries + size > Self.entriesPerCall {
                    calls.append(call)
                    (call, entries) = ([], 0)
                }
                call.append(piece)
                entries += size
            }
            if !call.isEmpty { calls.append(call) }
        }
        await self.shard.concurrently(calls) { [shard, life] call in
            try? await shard.renewPresence(call, life: life * 2 / 3)
        }
    }

    /// A change in pieces that one call can take.
    private static func pieces(of change: StoreShard.PresenceChange) -> [StoreShard.PresenceChange] {
        let size = Self.entriesPerCall
        guard change.attached.count + change.left.count > size else { return [change] }
        func slices(_ entries: [String]) -> [[String]] {
            stride(from: 0, to: entries.count, by: size).map { Array(entries[$0..<min($0 + size, entries.count)]) }
        }
        return slices(change.attached).map { .init(id: change.id, attached: $0) }
            + slices(change.left).map { .init(id: change.id, left: $0) }
    }

    private func keepAlive(_ ids: [SessionID]) async {
        let alive = ids.filter { id in
            guard let watched = self.sessions[id] else { return false }
            return watched.alive > 0
                || (watched.undecided > 0 && self.shard.agents[watched.agentID]?.aliveWhileWatched == true)
        }
        guard !alive.isEmpty else { return }
        _ = await self.shard.heartbeat(batch: alive.map(\.text))
    }
}
