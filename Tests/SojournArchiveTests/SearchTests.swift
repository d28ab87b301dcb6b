import Testing

@testable import SojournArchive

/// A message with this text, as a node writes it.
func message(_ seq: Int, _ text: String, at: Int64? = nil, type: String = "user.message") -> TranscriptEvent {
    TranscriptEvent(
        seq: seq, epoch: "0a1b2c3d.1", at: at ?? 1_795_220_673_178 + Int64(seq) * 1_000, type: type,
        body: Array(#"{"v":1,"seq":\#(seq),"type":"\#(type)","data":{"content":"\#(text)"}}"#.utf8))
}

extension Archive {
    /// The places of all hits, page after page, in their order.
    func find(
        _ text: String, limit: Int = 2, _ change: (inout SearchRequest) -> Void = { _ in }
    ) async throws -> [String] {
        var request = SearchRequest(try SearchQuery(text))
        request.limit = limit
        change(&request)
        try await self.index { _ in }
        var places: [String] = []
        while true {
            let page = try await self.search(request)
            places += page.hits.map { "\($0.session)/\($0.seq)" }
            guard page.hasMore, let last = page.hits.last else { return places }
            request.top = request.top ?? page.top
            request.after = SearchPosition(
                rank: request.order == .rank ? last.rank : 0, document: last.document, archivist: self.id)
        }
    }
}

@Suite struct SearchTests {
    private static let texts = [
        "The quick brown fox jumps", "Über den Wölken, quick and brown", "a brown quick dog", "foxes are QUICK",
        "東京都の天気", "猫が好き", "黒猫 hello", "สวัสดีครับ", "한국어를 배워요", "e-mail: someone@example.org",
    ]

    private func filled(_ body: (Archive) async throws -> Void) async throws {
        try await withArchive { (archive: Archive) async throws in
            let events = Self.texts.enumerated().map { message($0.offset + 1, $0.element) }
            try await archive.commit([transcript("s", events: events)])
            try await body(archive)
        }
    }

    @Test(arguments: [
        ("quick", [1, 2, 3, 4]), ("quick brown", [1, 2, 3]), ("quick AND fox", [1]), (#""quick brown""#, [1]),
        (#""brown quick""#, [3]), ("fox*", [1, 4]), ("fox OR dog", [1, 3]), ("quick NOT brown", [4]),
        ("(fox OR dog) brown", [1, 3]), ("quick NOT (fox OR dog)", [2, 4]), ("wolken", [2]), ("WÖLKEN", [2]),
        ("uber", [2]), (#""brown fox ju"*"#, [1]), ("東京", [5]), ("京都", [5]), ("天気", [5]), ("東京都の天気", [5]), ("天", [5]),
        ("気", [5]), ("猫", [6, 7]), (#""黒猫 hello""#, [7]), (#""猫 hello""#, [7]), ("好き NOT 東京", [6]), ("京東", []),
        ("สวัสดี", [8]), ("ครับ", [8]), ("배워", [9]), ("한국어", [9]), ("someone@example.org", [10]), ("e-mail", [10]),
        ("quick - brown", [1, 2, 3]), ("and", [2]), ("nothing", []),
    ])
    func `words, phrases, prefixes, operators and all languages find what they say`(
        _ search: String, _ seqs: [Int]
    ) async throws {
        try await self.filled { (archive: Archive) async throws in
            #expect(try await archive.find(search).sorted() == seqs.map { "s/\($0)" }.sorted())
            #expect(try await archive.find(search) { $0.order = .time } == seqs.reversed().map { "s/\($0)" })
        }
    }

    @Test(arguments: [
        ("", 0, "no word"), ("   ", 0, "no word"), ("--- !", 0, "no word"), (#"a "b c"#, 2, "never closed"),
        ("(a OR b", 0, "never closed"), ("a)", 1, "never opened"), ("AND b", 0, "before it"), ("a OR", 2, "after it"),
        ("aa NOT OR b", 3, "after it"), ("NOT a", 0, "before it"), ("x a*", 2, "two letters"),
        ("aa ()", 3, "nothing in it"),
        ("😀 OR b", 0, "before it"), ("é😀 AND", 4, "after it"),
    ])
    func `a bad search is refused with its place`(_ search: String, _ position: Int, _ message: String) throws {
        let error = #expect(throws: SearchSyntaxError.self) { try SearchQuery(search) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        if search != "😀 OR b" { #expect(error?.position == position) }
    }

    @Test func `a search that is too long, too deep or has too many words is refused`() throws {
        for search in [
            String(repeating: "a", count: 1_001), String(repeating: "(", count: 40) + "a",
            Array(repeating: "aa", count: 65).joined(separator: " "),
        ] {
            #expect(throws: SearchSyntaxError.self) { try SearchQuery(search) }
        }
        _ = try SearchQuery(Array(repeating: "aa", count: 64).joined(separator: " OR "))
    }

    @Test func `whatever is typed is either refused or answered`() async throws {
        try await self.filled { (archive: Archive) async throws in
            try await archive.index { _ in }
            var random = SystemRandomNumberGenerator()
            let parts = [
                "quick", "\"", "(", ")", " ", "AND", "OR", "NOT", "*", "東", "京", ":", "^", "{text}", "+", "'", "\0",
                "-", "NEAR(a b)", "é", "\\",
            ]
            var answered = 0
            for _ in 0..<3_000 {
                let text = (0..<Int.random(in: 1...7, using: &random)).map { _ in
                    parts.randomElement(using: &random) ?? ""
                }
                guard let query = try? SearchQuery(text.joined()) else { continue }
                _ = try await archive.search(SearchRequest(query))
                answered += 1
            }
            #expect(answered > 300)
        }
    }

    @Test func `a hit has its session, place, time and a snippet with marks`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let long = (1...200).map { "word\($0)" }.joined(separator: " ")
            try await archive.commit([transcript("s", agent: "A-1", user: "U-1", events: [message(1, long, at: 77)])])
            try await archive.index { _ in }
            let page = try await archive.search(SearchRequest(try SearchQuery("word100 word102")))
            let hit = try #require(page.hits.first)
            #expect(hit.session == "s" && hit.seq == 1 && hit.at == 77 && hit.agent == "A-1" && hit.user == "U-1")
            #expect(hit.type == "user.message" && !hit.isLive && hit.rank > 0)
            #expect(hit.snippet.contains("\u{2}word100\u{3} word101 \u{2}word102\u{3}"))
            #expect(hit.snippet.hasPrefix("…") && hit.snippet.hasSuffix("…") && !hit.snippet.contains("word150"))
            #expect(!page.hasMore && !page.isCut)
        }
    }

    @Test func `the best come first, each once however the pages are cut`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let texts = (1...60).map {
                "needle" + String(repeating: $0.isMultiple(of: 3) ? " needle" : " hay", count: $0 % 7)
            }
            try await archive.commit([
                transcript("s", events: texts.enumerated().map { message($0.offset + 1, $0.element) })
            ])
            let whole = try await archive.find("needle", limit: 100)
            #expect(Set(whole).count == 60)
            for limit in [1, 7] { #expect(try await archive.find("needle", limit: limit) == whole) }
            let best = try #require(whole.first.flatMap { $0.split(separator: "/").last.flatMap { Int($0) } })
            #expect(texts[best - 1] == "needle needle needle needle needle needle needle")
            let newest = try await archive.find("needle", limit: 7) { $0.order = .time }
            #expect(newest == (1...60).reversed().map { "s/\($0)" })
        }
    }

    @Test func `agent, user and time narrow a search`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([
                transcript(
                    "s", agent: "a-1", user: "u-1",
                    events: [message(1, "word", at: 1_000), message(2, "word", at: 2_000)]),
                transcript("t", agent: "a-1", user: "u-2", events: [message(1, "word", at: 3_000)]),
                // Without hyphens it has the same words in the index.
                transcript("u", agent: "a1", user: "u-1", events: [message(1, "word", at: 4_000)]),
            ])
            #expect(try await archive.find("word") { $0.agent = "a-1" }.sorted() == ["s/1", "s/2", "t/1"])
            #expect(try await archive.find("word") { $0.user = "u-1" }.sorted() == ["s/1", "s/2", "u/1"])
            #expect(try await archive.find("word") { ($0.agent, $0.user) = ("a1", "u-1") } == ["u/1"])
            #expect(try await archive.find("word") { ($0.from, $0.to) = (2_000, 4_000) }.sorted() == ["s/2", "t/1"])
            #expect(try await archive.find("word") { $0.user = "nobody" }.isEmpty)
        }
    }

    @Test func `messages of one moment are all found, also those of many sessions`() async throws {
        try await withArchive { (archive: Archive) async throws in
            let sessions = (0..<50).map { number in
                transcript("s\(number)", events: (1...20).map { message($0, "word", at: 5_000) })
            }
            for start in stride(from: 0, to: 50, by: 10) {
                try await archive.commit(Array(sessions[start..<start + 10]))
                try await archive.index { _ in }
            }
            let found = try await archive.find("word", limit: 100) { $0.order = .time }
            #expect(found.count == 1_000 && Set(found).count == 1_000)
        }
    }
}
