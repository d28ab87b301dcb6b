import SojournCore
import SojournRedis

/// A live session in an index.
struct IndexEntry {
    let createdAt: Int64
    let id: String
}

/// Some entries of an index, newest first, how many the whole has, and how many sessions its partition has.
struct IndexPage {
    let total: Int
    let live: Int
    let ended: Int
    let entries: [IndexEntry]

    /// What the script answers about one partition; nil if that is not it.
    init?(_ answer: [RESPValue]) {
        guard answer.count >= 3, let total = answer[0].int, let live = answer[1].int, let ended = answer[2].int else {
            return nil
        }
        var entries: [IndexEntry] = []
        entries.reserveCapacity((answer.count - 3) / 2)
        for place in stride(from: 3, to: answer.count - 1, by: 2) {
            guard let id = answer[place].string, let score = answer[place + 1].string.flatMap({ Int64($0) }) else {
                return nil
            }
            entries.append(IndexEntry(createdAt: score, id: id))
        }
        (self.total, self.live, self.ended, self.entries) = (total, live, ended, entries)
    }
}

/// A k-way merge over the same index of every partition. Each is read in small chunks, again when its chunk is used up.
struct IndexMerge {
    private struct Source {
        let keys: [String]
        var entries: ArraySlice<IndexEntry> = []
        var hasMore = true
    }

    private var sources: [Source]
    /// When the first entry of each source was created; `none` where there is none. Every step looks at all of them.
    private var fronts: [Int64]
    private static let none = Int64.min
    private let chunk: Int
    /// The sum of the sizes of the indexes.
    private(set) var total = 0
    /// Live sessions of all partitions.
    private(set) var live = 0
    /// Sessions of all partitions that have ended and are not archived yet.
    private(set) var ended = 0

    /// - Parameter keys: of each partition what ``StoreShard/indexPages(_:before:id:limit:)`` takes.
    init(keys: [[String]], chunk: Int) {
        self.sources = keys.map { Source(keys: $0) }
        self.fronts = Array(repeating: Self.none, count: keys.count)
        self.chunk = chunk
    }

    /// Reads the first chunk of every index.
    mutating func open(_ shard: StoreShard, before: String, id: String) async throws(StoreError) {
        let pages = try await shard.indexPages(self.sources.map(\.keys), before: before, id: id, limit: self.chunk)
        for (place, page) in pages.enumerated() {
            self.total += page.total
            self.live += page.live
            self.ended += page.ended
            self.fill(place, page)
        }
    }

    private mutating func fill(_ place: Int, _ page: IndexPage) {
        self.sources[place].entries = page.entries[...]
        self.sources[place].hasMore = page.entries.count == self.chunk
        self.fronts[place] = page.entries.first?.createdAt ?? Self.none
    }

    /// The next entry, newest first, ids breaking ties; nil at the end.
    mutating func next(_ shard: StoreShard) async throws(StoreError) -> IndexEntry? {
        var best: Int?
        var newest = Self.none
        for (place, createdAt) in self.fronts.enumerated() where createdAt >= newest && createdAt != Self.none {
            if createdAt == newest, let best, !self.precedes(place, best) { continue }
            (best, newest) = (place, createdAt)
        }
        guard let best, let entry = self.sources[best].entries.popFirst() else { return nil }
        self.fronts[best] = self.sources[best].entries.first?.createdAt ?? Self.none
        if self.sources[best].entries.isEmpty, self.sources[best].hasMore {
            let page = try await shard.indexPages(
                [self.sources[best].keys], before: String(entry.createdAt), id: entry.id, limit: self.chunk)
            self.fill(best, page[0])
        }
        return entry
    }

    /// Whether the first entry of one source comes before that of another, when both were created at once.
    private func precedes(_ one: Int, _ other: Int) -> Bool {
        (self.sources[one].entries.first?.id ?? "") > (self.sources[other].entries.first?.id ?? "")
    }
}
