import Glibc
import SojournArchive
import SojournCore
import SojournLoop

extension ArchiveVerb {
    static let bench = ArchiveVerb(
        name: "bench", summary: "fills a new archive with messages out of a list of words, and measures it",
        options: [
            Option(name: "messages", placeholder: "NUMBER", help: "how many (100000)"),
            Option(
                name: "only-searches", placeholder: nil, help: "measures searches of an archive that was made so before"
            ),
            Option(name: "searches", placeholder: "NUMBER", help: "how many searches are measured (3000)"), json,
        ],
        details: """
            --archive FILE must not exist; it stays, to be looked at. Measures how fast sessions are handed over, beside a
            bare SQLite loop that inserts the same rows in as large transactions (<file>.bare), how long it takes until all
            is indexed, and how long searches take, in time and in CPU; checks that searches with known counts find exactly those.
            """
    ) { arguments in
        let messages = try arguments.number("messages", 1_000...100_000_000, default: 100_000)
        let searches = try arguments.number("searches", 100...1_000_000, default: 3_000)
        guard let path = arguments["archive"] else {
            throw ArchiveArguments.Wrong(description: "--archive FILE says where the archive for the measuring is made")
        }
        if arguments.has("only-searches") {
            return try await Self.reading(arguments) { archive in
                var report = BenchReport("archive-search")
                let sessions = try await archive.stats().committed
                try await ArchiveBench(path: path, sessions: sessions, searches: searches).measure(archive, &report)
                Console.say(arguments.has("json") ? report.json : report.table)
                return 0
            }
        }
        for file in [path, path + ".bare"] where unsafe access(file, F_OK) == 0 {
            throw StartError("there is a file \(file) already; give another name")
        }
        let bench = ArchiveBench(path: path, sessions: messages / MadeUpSessions.messages, searches: searches)
        let report = try await bench.run()
        Console.say(arguments.has("json") ? report.json : report.table)
        return report.fault == nil ? 0 : 1
    }
}

/// Fills an archive and measures it.
struct ArchiveBench: Sendable {
    let path: String
    let sessions: Int
    let searches: Int
    private let made = MadeUpSessions()
    /// Sessions in one transaction, as in a node.
    private static let batch = 256
    /// Batches that are made up at once, while the ones before are written.
    private static let block = 4

    init(path: String, sessions: Int, searches: Int) {
        (self.path, self.sessions, self.searches) = (path, sessions, searches)
    }

    func run() async throws -> BenchReport {
        var report = BenchReport("archive-search")
        let rows = Double(self.sessions * (MadeUpSessions.messages + 2))
        report["messages"] = Double(self.sessions * MadeUpSessions.messages)
        report["rows"] = rows

        let bare = try await BareInserts(path: self.path + ".bare")
        let (bareSeconds, _) = try await self.write("bare inserts", lanes: 1) { try await bare.insert($0) }
        let bareCPU = await bare.threadSeconds()
        await bare.close()
        report["bareRowsPerSecond"] = rows / bareSeconds
        report["bareCpuSeconds"] = bareCPU

        let archive = try await Archive.open(path: self.path, log: .silent)
        let (seconds, counts) = try await self.write("hand-overs", lanes: 2) { batch in
            let results = try await archive.prepare(batch)
            guard results.allSatisfy({ $0 == .prepared }) else {
                throw StartError("a transcript was refused: \(results)")
            }
            try await archive.settle(
                batch.map { Settlement(id: $0.header.id, token: $0.token, outcome: .committed) })
        }
        report["rowsPerSecond"] = rows / seconds
        report["ofBare"] = bareSeconds / seconds
        let batches = Double((self.sessions + Self.batch - 1) / Self.batch)
        report["bareTransactionsPerSecond"] = batches / bareSeconds
        report["transactionsPerSecond"] = Double(try await archive.stats().transactions) / seconds
        report["cpuSeconds"] = try await archive.threadSeconds()
        let left = try await archive.unindexed()
        let begin = OpenLoop.now()
        let progress = Progress("indexing")
        try await archive.index { progress.tell(left - $0, of: left, "events") }
        progress.end()
        let indexed = Double(OpenLoop.now() - begin) / 1_000_000
        report["unindexedAfter"] = Double(left)
        report["indexedAfterSeconds"] = indexed
        report["rowsPerSecondSearchable"] = rows / (seconds + indexed)
        report["ofBareSearchable"] = bareSeconds / (seconds + indexed)

        let differences = try await counts.differences(in: archive)
        report["countsChecked"] = Double(counts.all.count)
        let reader = try await Archive.open(reading: self.path)
        try await self.measure(reader, &report)
        await reader.close()
        let stats = try await archive.stats()
        report["fileMiB"] = Double(stats.fileBytes) / 1_048_576
        report["bareMiB"] = Double(Shown.path(self.path + ".bare")) / 1_048_576
        await archive.close()
        if !differences.isEmpty { report.fault = differences.joined(separator: "; ") }
        return report
    }

    /// Makes up all sessions and writes them, batch after batch; how long that took, and what they contain.
    private func write(
        _ what: String, lanes: Int, _ write: @escaping @Sendable ([Transcript]) async throws -> Void
    ) async throws -> (seconds: Double, counts: KnownCounts) {
        let progress = Progress(what)
        var counts = KnownCounts(self.made)
        let begin = OpenLoop.now()
        var next = Task { self.block(at: 0) }
        var done = 0
        while done < self.sessions {
            let block = await next.value
            let following = done + block.count
            next = Task { self.block(at: following) }
            // As many batches at once as a node has under way.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, start) in stride(from: 0, to: block.count, by: Self.batch).enumerated() {
                    if number >= lanes { try await group.next() }
                    let batch = block[start..<min(start + Self.batch, block.count)].map(\.transcript)
                    group.addTask { try await write(batch) }
                }
                try await group.waitForAll()
            }
            for session in block { counts.count(session.words, by: session.transcript.header.user) }
            done = following
            progress.tell(done, of: self.sessions, "sessions")
        }
        progress.end()
        return (Double(OpenLoop.now() - begin) / 1_000_000, counts)
    }

    private func block(at start: Int) -> [(transcript: Transcript, words: [[Int]])] {
        (start..<max(start, min(start + Self.batch * Self.block, self.sessions))).map { self.made.session($0) }
    }

    // MARK: Searching

    /// Searches an archive that is open for reading.
    func measure(_ archive: Archive, _ report: inout BenchReport) async throws {
        var random = SplitMix(state: 99)
        var (all, cpu) = (LatencyHistogram(), LatencyHistogram())
        var kinds: [(name: String, times: LatencyHistogram)] = Self.kinds.map { ($0, LatencyHistogram()) }
        let progress = Progress("searching")
        // What the first searches read from the disk is not what a search costs.
        for number in 0..<(self.searches + 50) {
            let kind = number % kinds.count
            let request = try self.request(kind, &random)
            let used = try await archive.threadSeconds()
            let begin = OpenLoop.now()
            _ = try await archive.search(request)
            let time = OpenLoop.now() - begin
            if number >= 50 {
                all.record(time)
                cpu.record(Int((try await archive.threadSeconds() - used) * 1_000_000))
                kinds[kind].times.record(time)
            }
            progress.tell(number, of: self.searches, "searches")
        }
        progress.end()
        report.add(all, prefix: "search")
        // On a machine that is busy with something else, time says little.
        report.add(cpu, prefix: "searchCpu")
        for kind in kinds { report["\(kind.name)P99Us"] = Double(kind.times.percentile(99)) }
    }

    private static let kinds = [
        "word", "rareWord", "twoWords", "phrase", "prefix", "shortPrefix", "or", "not", "user", "month", "dense",
        "time",
    ]

    private func request(_ kind: Int, _ random: inout SplitMix) throws -> SearchRequest {
        func word() -> String { self.made.words[self.made.rank(&random)] }
        func any() -> String { self.made.words[random.below(MadeUpSessions.vocabulary)] }
        var user: String?
        var from: Int64?
        var text = word()
        switch Self.kinds[kind] {
        case "rareWord": text = any()
        case "twoWords": text += " " + word()
        case "phrase": text = "\"\(text) \(word())\""
        case "prefix": text = String((any() + any()).prefix(3 + random.below(3))) + "*"
        case "shortPrefix": text = String(any().prefix(2)) + "*"
        case "or": text += " OR " + word()
        case "not": text += " NOT " + word()
        case "user": user = MadeUpSessions.uuid(random.below(max(1, self.sessions / 10)), 0x4002)
        case "month": from = 1_760_000_000_000 + Int64(random.below(self.sessions)) * 37_000
        case "dense": text = ["東京", "会議の資料", "写真を", "天気", "猫"][random.below(5)]
        default: break
        }
        var request = SearchRequest(try SearchQuery(text))
        (request.user, request.from) = (user, from)
        if let from { request.to = from + 30 * 86_400_000 }
        if Self.kinds[kind] == "time" { request.order = .time }
        return request
    }
}
