import Glibc
import SojournArchive
import SojournCore

extension ArchiveVerb {
    /// Opens the archive for reading for the time of `body`.
    static func reading(
        _ arguments: ArchiveArguments, _ body: (Archive) async throws -> CInt
    ) async throws -> CInt {
        let archive = try await Archive.open(reading: arguments.archivePath)
        do {
            let code = try await body(archive)
            await archive.close()
            return code
        } catch {
            await archive.close()
            throw error
        }
    }

    static let json = Option(name: "json", placeholder: nil, help: "as JSON, one object a line")
    static let agent = Option(name: "agent", placeholder: "ID", help: "only sessions of this agent")
    static let user = Option(name: "user", placeholder: "ID", help: "only sessions of this user")

    static let stats = ArchiveVerb(
        name: "stats", summary: "counts what the archive holds", options: [json]
    ) { arguments in
        try await Self.reading(arguments) { archive in
            let stats = try await archive.stats()
            let waiting = try await archive.unindexed()
            let rows: [(name: String, key: String, value: Int)] = [
                ("sessions", "sessions", stats.committed), ("live sessions followed", "live", stats.live),
                ("hand-overs under way", "prepared", stats.prepared),
                ("hand-overs in quarantine", "quarantined", stats.quarantined), ("events", "events", stats.events),
                ("bytes of events", "bytes", stats.bytes), ("lost events", "lostEvents", stats.lostEvents),
                ("events not indexed yet", "unindexed", waiting), ("bytes of the file", "fileBytes", stats.fileBytes),
            ]
            if arguments.has("json") {
                var object: JSONObject = ["archive": .string(archive.id), "path": .string(archive.path)]
                for row in rows { object[row.key] = JSON(row.value) }
                Console.say(JSON.object(object).text)
            } else {
                Console.say("archive \(archive.id), \(archive.path)")
                for row in rows {
                    Console.say("  \(row.name)" + String(repeating: " ", count: 26 - row.name.count) + "\(row.value)")
                }
            }
            return 0
        }
    }

    static let list = ArchiveVerb(
        name: "list", summary: "lists sessions, the ones that ended last first",
        options: [agent, user, Option(name: "limit", placeholder: "NUMBER", help: "how many (50)"), json]
    ) { arguments in
        let limit = try arguments.number("limit", 1...1_000_000_000, default: 50)
        return try await Self.reading(arguments) { archive in
            var (left, position) = (limit, ListPosition?.none)
            while left > 0 {
                let page = try await archive.list(
                    agent: arguments["agent"], user: arguments["user"], limit: min(left, 500), before: position)
                for session in page.sessions {
                    Console.say(arguments.has("json") ? Self.json(session).text : Self.line(session))
                }
                left -= page.sessions.count
                position = page.end
                if !page.hasMore { break }
            }
            return 0
        }
    }

    static let show = ArchiveVerb(
        name: "show", summary: "shows a session and what was said in it", words: "<session id>", wordCount: 1...1,
        options: [Option(name: "events", placeholder: nil, help: "all events, as they are stored, one a line")]
    ) { arguments in
        let id = arguments.words[0].lowercased()
        return try await Self.reading(arguments) { archive in
            guard let session = try await archive.session(id) else {
                throw StartError("the archive \(archive.path) has no session \(id)")
            }
            if !arguments.has("events") {
                Console.say(Self.line(session))
                Console.say("hash \(try await archive.chain(of: id) ?? "none")")
            }
            var after = 0
            while true {
                let page = try await archive.events(id, after: after, limit: 500)
                for event in page.events {
                    if arguments.has("events") {
                        File.write(event.body + [10], to: 1)
                    } else if let message = Self.message(event) {
                        Console.say(message)
                    }
                    after = event.seq
                }
                if !page.hasMore { return 0 }
            }
        }
    }

    static let search = ArchiveVerb(
        name: "search", summary: "finds messages", words: "<words…>", wordCount: 1...64,
        options: [
            agent, user,
            Option(name: "from", placeholder: "TIME", help: "only messages of this time (ISO 8601) or later"),
            Option(name: "to", placeholder: "TIME", help: "only messages before this time"),
            Option(name: "limit", placeholder: "NUMBER", help: "how many, up to 100 (20)"),
            Option(name: "order", placeholder: "ORDER", help: "rank (best first) or time (newest first)"), json,
        ],
        details: """
            All words must be in a message; "several words" side by side; begin* words that begin so; AND, OR, NOT and
            parentheses. Quote the whole for your shell: sojourn archive search '"side by side" OR begin*'
            """
    ) { arguments in
        let query: SearchQuery
        do {
            query = try SearchQuery(arguments.words.joined(separator: " "))
        } catch {
            throw ArchiveArguments.Wrong(description: "this search cannot be read: \(error)")
        }
        var request = SearchRequest(query)
        (request.agent, request.user) = (arguments["agent"], arguments["user"])
        (request.from, request.to) = (try arguments.time("from"), try arguments.time("to"))
        request.limit = try arguments.number("limit", 1...100, default: 20)
        if let order = arguments["order"] {
            guard let order = SearchRequest.Order(rawValue: order) else {
                throw ArchiveArguments.Wrong(description: "--order must be rank or time, but is \(order)")
            }
            request.order = order
        }
        return try await Self.reading(arguments) { [request] archive in
            let page = try await archive.search(request)
            for hit in page.hits {
                Console.say(arguments.has("json") ? Self.json(hit).text : Self.lines(hit, isTerminal: isatty(1) == 1))
            }
            let waiting = try await archive.unindexed()
            if waiting > 0 {
                Console.complain("\(waiting) events are not indexed yet; a running node does that by itself")
            }
            return page.hits.isEmpty ? 1 : 0
        }
    }

    // MARK: How things look

    private static func json(_ session: ArchivedSession) -> JSON {
        let header = session.header
        var object: JSONObject = [
            "sessionId": .string(header.id), "agentId": .string(header.agent), "userId": .string(header.user),
            "createdAt": .string(Instant(milliseconds: header.createdAt).iso8601),
            "endedAt": .string(Instant(milliseconds: header.endedAt).iso8601),
            "reason": .string(header.reason.rawValue), "events": JSON(session.eventCount), "bytes": JSON(session.bytes),
        ]
        if let key = header.key { object["conversationKey"] = .string(key) }
        return .object(object)
    }

    private static func line(_ session: ArchivedSession) -> String {
        let header = session.header
        return
            "\(Instant(milliseconds: header.endedAt).iso8601)  \(header.id)  agent \(header.agent)  user \(header.user)  "
            + "\(session.eventCount) events  \(header.reason.rawValue)"
    }

    private static func message(_ event: TranscriptEvent) -> String? {
        guard EventType.messages.contains(event.type),
            let content = (try? JSON.parse(event.body))?["data"]?["content"]?.string
        else { return nil }
        let who = event.type.split(separator: ".").first.map(String.init) ?? event.type
        return "\(event.seq)  \(Instant(milliseconds: event.at).iso8601)  \(who): \(content)"
    }

    private static func json(_ hit: SearchHit) -> JSON {
        [
            "sessionId": .string(hit.session), "seq": JSON(hit.seq),
            "createdAt": .string(Instant(milliseconds: hit.at).iso8601), "agentId": .string(hit.agent),
            "userId": .string(hit.user), "snippet": .string(self.marked(hit.snippet, "[", "]")), "rank": JSON(hit.rank),
        ]
    }

    private static func lines(_ hit: SearchHit, isTerminal: Bool) -> String {
        let marks = isTerminal ? ("\u{1B}[1m", "\u{1B}[0m") : ("[", "]")
        return "\(Instant(milliseconds: hit.at).iso8601)  \(hit.session)  \(hit.seq)\n    "
            + self.marked(hit.snippet, marks.0, marks.1)
    }

    /// The snippet with these marks, in one line and without anything that would move a terminal's cursor.
    private static func marked(_ snippet: String, _ start: String, _ end: String) -> String {
        var text = ""
        for scalar in snippet.unicodeScalars {
            switch Character(scalar) {
            case SearchHit.markStart: text += start
            case SearchHit.markEnd: text += end
            default: text.unicodeScalars.append(scalar.properties.generalCategory == .control ? " " : scalar)
            }
        }
        return text
    }
}
