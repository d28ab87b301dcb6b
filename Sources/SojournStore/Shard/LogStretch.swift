import SojournCore
import SojournRedis

/// A stretch of a log as `page` answers it.
struct LogStretch {
    /// Whether the session lives; its log may be there although it does not.
    enum State: Int {
        case live = 1
        case due
        case closed
    }

    let state: State
    let history: EpochHistory
    /// The oldest event that Redis keeps.
    let oldest: Int
    let epoch: String
    let events: [Event]
    /// The number of the newest delta.
    let lastDelta: Int
    /// The deltas of the message being written that were asked for.
    let deltas: [Event]
    let asOf: Instant
    /// The archivist that follows the session, if one does.
    let follower: Follower?

    /// Who has the beginning of a live log on disk.
    struct Follower {
        let archivist: String
        /// The last event that it has said to have.
        let head: Int
        /// The first event it has: 1, or later when what was before it was lost with another archivist.
        let first: Int
    }
}

extension StoreShard {
    /// How many events one call may answer.
    static let stretch = 256

    /// Reads events `from...to` of what Redis keeps of a session's log.
    ///
    /// - Returns: at most ``stretch`` events, fewer when they are large; one at least when there is one.
    func keptStretch(
        _ id: SessionID, from: Int, to: Int = .max, limit: Int = stretch, newestFirst: Bool = false,
        deltasAfter: Int? = nil
    ) async throws(StoreError) -> Result<LogStretch, StoreError> {
        let keys = self.keyspace.keys(of: id)
        let answer = try await self.call(
            self.scripts.page, keys: [keys.session, keys.clock, keys.log, keys.tombstone, keys.deltas],
            args: [
                .integer(max(1, from)), .integer(min(to, 1 << 50)), .integer(min(limit, Self.stretch)),
                .integer(newestFirst ? 1 : 0),
                .string(deltasAfter.map { String($0) } ?? ""),
            ])
        guard let state = answer.first?.int, answer.count >= 2 else { throw self.malformed("page") }
        let now = self.note(answer[1])
        guard let state = LogStretch.State(rawValue: state) else {
            let fields = SessionFields(flat: answer.dropFirst(2).first?.array ?? [])
            return .failure(self.gone(id, Tombstone(fields).map(Reading.tombstone) ?? .nothing))
        }
        guard answer.count == 12, let head = answer[2].int, let oldest = answer[3].int, let epoch = answer[4].string,
            let cuts = answer[5].array, let raw = answer[6].array,
            let lastDelta = answer[7].int, let deltas = answer[8].array, let archivist = answer[9].string,
            let archived = answer[10].int, let first = answer[11].int
        else { throw self.malformed("page") }
        let events = raw.compactMap { $0.bytes.flatMap(Event.init(bytes:)) }
        guard events.count == raw.count else { throw self.malformed("page") }
        return .success(
            LogStretch(
                state: state, history: EpochHistory(cuts: Self.cuts(cuts.compactMap(\.string)), head: head),
                oldest: oldest, epoch: epoch,
                events: events, lastDelta: lastDelta,
                deltas: deltas.compactMap { $0.bytes.flatMap(Event.init(bytes:)) }, asOf: now,
                follower: archivist.isEmpty
                    ? nil : LogStretch.Follower(archivist: archivist, head: archived, first: first)))
    }

    /// What a live feed needs of a log; nil when Redis has nothing of the session any more or cannot be asked.
    func logStretch(_ id: SessionID, from: Int, deltasAfter: Int) async -> Result<LogStretch, StoreError> {
        do {
            // Readers are told of a gap when the archivist with the beginning is away, and go on.
            return try await self.stretch(id, from: from, deltasAfter: deltasAfter, isWhole: false)
        } catch {
            return .failure(error)
        }
    }

    /// The cuts of a log, `epoch:firstSeq` each, in the order of their epochs.
    static func cuts(_ texts: [String]) -> [EpochHistory.Cut] {
        texts.compactMap { text -> EpochHistory.Cut? in
            guard let cursor = Cursor(text), let epoch = cursor.epoch else { return nil }
            return EpochHistory.Cut(epoch: epoch, firstSeq: cursor.seq)
        }.sorted { Self.number($0.epoch) < Self.number($1.epoch) }
    }

    /// The counter in an epoch's name.
    private static func number(_ epoch: String) -> Int {
        epoch.split(separator: ".").last.flatMap { Int($0) } ?? 0
    }
}
