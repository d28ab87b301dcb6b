import SojournCore

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

    /// - Parameter keys: of each partition what ``StoreShard/indexPage(_:before:id:limit:)`` takes.
    init(keys: [[String]], chunk: Int) {
        self.sources = keys.map { Source(keys: $0) }
        self.fronts = Array(repeating: Self.none, count: keys.count)
        self.chunk = chunk
    }

    /// Reads the first chunk of every index, all at once.
    mutating func open(_ shard: StoreShard, before: String, id: String) async throws(StoreError) {
        var pages = [IndexPage?](repeating: nil, count: self.sources.count)
        var failure: StoreError?
        let (sources, chunk) = (self.sources, self.chunk)
        await shard.concurrently(sources.indices) { place in
            do throws(StoreError) {
                pages[place] = try await shard.indexPage(sources[place].keys, before: before, id: id, limit: chunk)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        for (place, page) in pages.enumerated() {
            guard let page else { continue }
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
            let page = try await shard.indexPage(
                self.sources[best].keys, before: String(entry.createdAt), id: entry.id, limit: self.chunk)
            self.fill(best, page)
        }
        return entry
    }

    /// Whether the first entry of one source comes before that of another, when both were created at once.
    private func precedes(_ one: Int, _ other: Int) -> Bool {
        (self.sources[one].entries.first?.id ?? "") > (self.sources[other].entries.first?.id ?? "")
    }
}
