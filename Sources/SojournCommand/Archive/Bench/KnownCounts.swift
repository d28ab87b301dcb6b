import SojournArchive

/// Searches of which it is known how much they must find, counted while the messages are made up.
struct KnownCounts: Sendable {
    /// A search and what it finds.
    struct Known: Sendable {
        let search: String
        var user: String?
        let finds: @Sendable (_ words: [Int], _ user: String) -> Bool
        var count = 0
    }

    private(set) var all: [Known]

    init(_ sessions: MadeUpSessions) {
        let words = sessions.words
        func word(_ rank: Int) -> String { words[rank] }
        let stem = String(word(3_000).prefix(3))
        let stems = Set(words.indices.filter { words[$0].hasPrefix(stem) })
        let user = MadeUpSessions.uuid(1, 0x4002)
        self.all = [100, 400, 2_000, 5_000, 7_999].map { rank in
            Known(search: word(rank)) { words, _ in words.contains(rank) }
        }
        self.all += [
            Known(search: "\(word(20)) \(word(40))") { words, _ in words.contains(20) && words.contains(40) },
            Known(search: "\(word(1_000)) OR \(word(1_500))") { words, _ in
                words.contains(1_000) || words.contains(1_500)
            },
            Known(search: "\(word(300)) NOT \(word(0))") { words, _ in words.contains(300) && !words.contains(0) },
            Known(search: "\"\(word(3)) \(word(9))\"") { words, _ in
                zip(words, words.dropFirst()).contains { $0 == (3, 9) }
            },
            Known(search: stem + "*") { words, _ in words.contains { stems.contains($0) } },
            Known(search: word(0), user: user) { words, name in name == user && words.contains(0) },
        ]
    }

    mutating func count(_ said: [[Int]], by user: String) {
        for words in said where !words.isEmpty {
            for place in self.all.indices where self.all[place].finds(words, user) { self.all[place].count += 1 }
        }
    }

    /// What the archive finds otherwise, as sentences. Pages through all hits of each search.
    func differences(in archive: Archive) async throws -> [String] {
        var differences: [String] = []
        for known in self.all {
            var request = SearchRequest(try SearchQuery(known.search))
            (request.order, request.limit, request.user) = (.time, 100, known.user)
            var found: Set<String> = []
            var hits = 0
            while true {
                let page = try await archive.search(request)
                for hit in page.hits { found.insert("\(hit.session) \(hit.seq)") }
                hits += page.hits.count
                guard page.hasMore, let last = page.hits.last else { break }
                request.after = SearchPosition(rank: 0, document: last.document, archivist: archive.id)
            }
            if hits != known.count || found.count != hits {
                differences.append("\(known.search) finds \(hits) (\(found.count) different) instead of \(known.count)")
            }
        }
        return differences
    }
}
