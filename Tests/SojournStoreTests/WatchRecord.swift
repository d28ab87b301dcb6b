import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// A reader of one session's live events that writes down everything it gets.
final class WatchRecord: Sendable {
    struct Gap: Equatable, Sendable {
        let missing: ClosedRange<Int>
        let resumeAt: Cursor
    }

    private struct State {
        var events: [Event] = []
        var gaps: [Gap] = []
        /// The seqs since the last gap, without those before it.
        var sinceGap: [Int] = []
        /// The log as this reader knows it: what a gap says is not there is taken out.
        var picture: [Event] = []
        var ready: Cursor?
        var error: StoreError?
        var isOver = false
    }

    private let state = Locked(State())
    private let task = Locked<Task<Void, Never>?>(nil)

    /// Begins to read.
    static func start(on node: StoreNode, _ session: Session, after cursor: Cursor = .start) async throws -> WatchRecord
    {
        let record = WatchRecord()
        let events = try await node.store.watch(session.id.text, after: cursor)
        let task = Task { await record.read(events) }
        record.task.withLock { $0 = task }
        return record
    }

    private func read(_ events: SessionEvents) async {
        do {
            for try await element in events { self.note(element) }
        } catch {
            self.state.withLock { $0.error = error as? StoreError }
        }
        self.state.withLock { $0.isOver = true }
    }

    private func note(_ element: SessionEvents.Element) {
        self.state.withLock { state in
            switch element {
            case .event(let event):
                state.events.append(event)
                state.picture.append(event)
                if let seq = event.seq { state.sinceGap.append(seq) }
            case .ready(let cursor): state.ready = cursor
            case .gap(let missing, let resumeAt):
                state.gaps.append(Gap(missing: missing, resumeAt: resumeAt))
                state.sinceGap = []
                state.picture.removeAll { ($0.seq ?? 0) > resumeAt.seq }
            }
        }
    }

    func cancel() { self.task.withLock { $0?.cancel() } }

    var events: [Event] { self.state.withLock { $0.events } }
    var seqs: [Int] { self.state.withLock { $0.events.compactMap(\.seq) } }
    var picture: [Event] { self.state.withLock { $0.picture } }
    var seqsSinceGap: [Int] { self.state.withLock { $0.sinceGap } }
    var gaps: [Gap] { self.state.withLock { $0.gaps } }
    var ready: Cursor? { self.state.withLock { $0.ready } }
    var error: StoreError? { self.state.withLock { $0.error } }
    var isOver: Bool { self.state.withLock { $0.isOver } }
    var last: Int { self.state.withLock { $0.events.last?.seq ?? 0 } }
}

extension StoreNode {
    /// The whole log of a live session.
    func log(of session: Session) async throws -> [Event] {
        var events: [Event] = []
        while true {
            let page = try await self.store.events(of: session.id.text, after: events.count, limit: 1000)
            events += page.events
            if !page.hasMore { return events }
        }
    }

    /// Runs `body` with the first shard, on its loop.
    func shard<Answer: Sendable>(_ body: @escaping @Sendable (StoreShard) async throws -> Answer) async throws -> Answer
    {
        let shard = self.store.shards[0]
        return try await self.loops[0].run { try await body(shard.value) }
    }

    /// Ends this node as a crash would: nothing is left, nothing is finished, its connections are gone.
    func crash() async throws {
        for (loop, shard) in zip(self.loops, self.store.shards) { try await loop.run { shard.value.close() } }
    }
}

extension RedisServer {
    /// How often a command ran, by `INFO commandstats`.
    func calls(of commands: String...) throws -> Int {
        let info = try self.client().send("INFO", "commandstats").string ?? ""
        var total = 0
        for line in info.split(whereSeparator: \.isNewline) {
            guard let name = line.split(separator: ":").first,
                commands.contains(where: { name == "cmdstat_\($0)" }) || (commands.isEmpty && line.hasPrefix("cmdstat_")),
                let count = line.split(separator: ":calls=").last?.split(separator: ",").first.flatMap({ Int($0) })
            else { continue }
            total += count
        }
        return total
    }

    /// The number of connections that listen to a session's channel.
    func listeners(of session: Session, partitions: Int = 16) throws -> Int {
        let channel = Keyspace(namespace: "sj", partitions: partitions).keys(of: session.id).channel
        let answer = try self.client().send("PUBSUB", "SHARDNUMSUB", channel).array
        return answer.last?.string.flatMap { Int($0) } ?? -1
    }
}
