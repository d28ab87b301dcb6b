import SojournCore

/// A live session in an index.
struct IndexEntry {
    let createdAt: Int64
    let id: String

    /// Newest first; ids break ties.
    func precedes(_ other: IndexEntry) -> Bool {
        self.createdAt != other.createdAt ? self.createdAt > other.createdAt : self.id > other.id
    }
}

/// Some entries of an index, newest first, and how many the whole has.
struct IndexPage {
    let total: Int
    let entries: [IndexEntry]
}

/// A k-way merge over the same index of every partition. Each is read in small chunks, again when its chunk is used up.
struct IndexMerge {
    private struct Source {
        let index: String
        var entries: ArraySlice<IndexEntry> = []
        var hasMore = true
    }

    private var sources: [Source]
    private let chunk: Int
    /// The sum of the sizes of the indexes.
    private(set) var total = 0

    init(indexes: [String], chunk: Int) {
        self.sources = indexes.map { Source(index: $0) }
        self.chunk = chunk
    }

    /// Reads the first chunk of every index, all at once.
    mutating func open(_ shard: StoreShard, before: String, id: String) async throws(StoreError) {
        var pages = [IndexPage?](repeating: nil, count: self.sources.count)
        var failure: StoreError?
        let (sources, chunk) = (self.sources, self.chunk)
        await shard.concurrently(sources.indices) { place in
            do throws(StoreError) {
                pages[place] = try await shard.indexPage(sources[place].index, before: before, id: id, limit: chunk)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        for (place, page) in pages.enumerated() { self.fill(place, page) }
        self.total = pages.reduce(0) { $0 + ($1?.total ?? 0) }
    }

    private mutating func fill(_ place: Int, _ page: IndexPage?) {
        let entries = page?.entries ?? []
        self.sources[place].entries = entries[...]
        self.sources[place].hasMore = entries.count == self.chunk
    }

    /// The next entry, or nil at the end.
    mutating func next(_ shard: StoreShard) async throws(StoreError) -> IndexEntry? {
        var best: Int?
        for place in self.sources.indices {
            guard let entry = self.sources[place].entries.first else { continue }
            if let leader = best.flatMap({ self.sources[$0].entries.first }), !entry.precedes(leader) { continue }
            best = place
        }
        guard let best, let entry = self.sources[best].entries.popFirst() else { return nil }
        if self.sources[best].entries.isEmpty, self.sources[best].hasMore {
            let page = try await shard.indexPage(
                self.sources[best].index, before: String(entry.createdAt), id: entry.id, limit: self.chunk)
            self.fill(best, page)
        }
        return entry
    }
}
