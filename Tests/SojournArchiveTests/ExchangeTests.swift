import Foundation
import SojournTesting
import Testing

@testable import SojournArchive

/// Hash chains, exports and imports.
@Suite struct ExchangeTests {
    private typealias Folder = SojournTesting.TemporaryFolder

    /// A transcript whose bodies are anything but tame.
    private func wild(_ id: String) -> Transcript {
        let bodies: [[UInt8]] = [
            Array(#"{"data":{"content":"\"quoted\", \"body\":1}"}}"#.utf8), Array("no JSON at all".utf8), [],
            [0xFF, 0xFE, 0, 10, 13], Array("{\n\"a\": 1}".utf8), Array(#"{"base64":"eA==","info":{}}"#.utf8),
            Array("\"日本語\"".utf8), Array("{\"broken\":\"\u{FF}".utf8) + [0xC3],
        ]
        let events = bodies.enumerated().map { place, body in
            TranscriptEvent(
                seq: place + 1, epoch: "e\"\\,\"body\":", at: Int64(place),
                type: place == 2 ? "a,\"info\":b" : "user.message",
                body: body)
        }
        return Transcript(
            header: SessionHeader(
                id: id, agent: "a \"agent\"", user: "ü", key: "k,\"body\":", createdAt: 1, endedAt: 2, reason: .ended,
                head: events.count),
            token: HandoverToken(major: 7, random: "x-y"), info: Array(#"{"body":{"info":1}, "x": 1.50}"#.utf8),
            events: events)
    }

    private func export(_ archive: Archive, _ filter: ExportFilter = ExportFilter()) async throws -> [UInt8] {
        var (lines, position) = ([UInt8](), Int64(0))
        while true {
            let page = try await archive.export(after: position, filter)
            lines += page.lines
            position = page.position
            if !page.hasMore { return lines }
        }
    }

    private func importing(_ bytes: [UInt8], into archive: Archive, chunk: Int = 1_000) async throws -> Importer {
        var importer = Importer(into: archive)
        for start in stride(from: 0, to: bytes.count, by: chunk) {
            try await importer.take(Array(bytes[start..<min(start + chunk, bytes.count)]))
        }
        try await importer.finish()
        return importer
    }

    @Test func `an import gives the same bytes, the same hashes and the same export`() async throws {
        try await withArchive { (first: Archive) async throws in
            try await first.commit([self.wild("w"), transcript("s"), transcript("empty", events: [])])
            try await first.commit((0..<500).map { transcript("n\($0)", agent: "agent\($0 % 3)") })
            let exported = try await self.export(first)
            try await withArchive { (second: Archive) async throws in
                for chunk in [exported.count, 3_333] {
                    let importer = try await self.importing(exported, into: second, chunk: chunk)
                    #expect(importer.refused.isEmpty)
                    #expect(importer.taken + importer.present == 503)
                }
                for id in ["w", "s", "empty", "n77"] {
                    #expect(try await second.all(id) == first.all(id))
                    let (one, two) = (try await first.session(id), try await second.session(id))
                    #expect(one?.header == two?.header && one?.info == two?.info && one?.token == two?.token)
                    let chain = try await first.chain(of: id)
                    #expect(try await second.chain(of: id) == chain && chain?.utf8.count == 64)
                }
                #expect(try await self.export(second) == exported)
                #expect(try await second.find("quoted") == ["w/1"])
            }
        }
    }

    @Test func `every line of an export is JSON, and a filter leaves out the rest`() async throws {
        try await withArchive { (archive: Archive) async throws in
            try await archive.commit([
                self.wild("w"), transcript("s", agent: "x", endedAt: 50), transcript("t", user: "y"),
            ])
            for line in try await self.export(archive).split(separator: 10) {
                let object = try? JSONSerialization.jsonObject(with: Data(line))
                #expect(object is [String: Any], "\(String(decoding: line, as: UTF8.self))")
            }
            func ids(_ filter: ExportFilter) async throws -> [String] {
                String(decoding: try await self.export(archive, filter), as: UTF8.self).split(separator: "\n")
                    .filter { $0.hasPrefix("{\"end\":") }.compactMap { $0.split(separator: "\"").dropFirst(3).first }
                    .map(String.init)
            }
            var filter = ExportFilter()
            #expect(try await ids(filter) == ["w", "s", "t"])
            filter.agent = "x"
            #expect(try await ids(filter) == ["s"])
            filter = ExportFilter()
            filter.user = "y"
            #expect(try await ids(filter) == ["t"])
            filter = ExportFilter()
            filter.since = 50
            #expect(try await ids(filter) == ["s"])
        }
    }

    @Test func `an import that was cut off anywhere leaves whole sessions only, and goes on`() async throws {
        try await withArchive { (first: Archive) async throws in
            try await first.commit([self.wild("w")] + (0..<30).map { transcript("n\($0)") })
            let exported = try await self.export(first)
            for cut in stride(from: 1, to: exported.count, by: exported.count / 13) {
                try await withArchive { (second: Archive) async throws in
                    var importer = Importer(into: second)
                    try await importer.take(Array(exported[..<cut]))
                    let isWhole =
                        exported[cut - 1] == 10
                        && exported[..<cut].split(separator: 10).last?.starts(with: Array("{\"end\"".utf8)) == true
                    if isWhole {
                        try await importer.finish()
                    } else {
                        await #expect(throws: ImportError.self) { try await importer.finish() }
                    }
                    for page in [try await second.verify(after: 0)] {
                        #expect(page.damaged.isEmpty && page.sessions == importer.taken)
                    }
                    let rest = try await self.importing(exported, into: second)
                    #expect(rest.present == importer.taken && rest.taken == 31 - importer.taken && rest.refused.isEmpty)
                    #expect(try await self.export(second) == exported)
                }
            }
        }
    }

    @Test func `what was changed on its way is refused, the rest is taken`() async throws {
        try await withArchive { (first: Archive) async throws in
            try await first.commit([transcript("s"), transcript("t"), transcript("u")])
            let text = String(decoding: try await self.export(first), as: UTF8.self)
            let lines = text.split(separator: "\n")
            let changed = lines.enumerated().filter { $0.offset != 9 }.map {
                $0.offset == 2 ? String($0.element).replacing("\"v\":1", with: "\"v\":2") : String($0.element)
            }
            try await withArchive { (second: Archive) async throws in
                let importer = try await self.importing(
                    Array((changed.joined(separator: "\n") + "\n").utf8), into: second)
                #expect(importer.taken == 1)
                #expect(importer.refused.map(\.id) == ["s", "t"])
                #expect(importer.refused.first?.reason.contains("hash differs") == true)
                #expect(try await second.list(limit: 10).sessions.map(\.header.id) == ["u"])
                await #expect(throws: ImportError.self) {
                    try await self.importing(Array("hello\n".utf8), into: second)
                }
                // Another version of what is there is not taken either.
                try await second.commit([transcript("s", count: 2)])
                let again = try await self.importing(Array(text.utf8), into: second)
                #expect(again.present == 1 && again.taken == 1 && again.refused.map(\.id) == ["s"])
            }
        }
    }

    @Test func `a session that came in parts has the hash of one that came whole`() async throws {
        let events = (1...9).map { message($0, "word \($0)") }
        var chains: [String?] = []
        try await withArchive { (whole: Archive) async throws in
            try await whole.commit([transcript("s", events: events)])
            chains.append(try await whole.chain(of: "s"))
        }
        try await withArchive { (parts: Archive) async throws in
            _ = try await parts.follow([
                LiveStretch(
                    id: "s", agent: "agent", user: "user", key: nil, createdAt: 1, info: [], head: 9,
                    events: Array(events[..<4]))
            ])
            try await parts.commit([transcript("s", events: Array(events[4...]))])
            chains.append(try await parts.chain(of: "s"))
            try await eventually("it is sealed") { try await parts.verify(after: 0).unsealed == 0 }
            chains.append(try await parts.chain(of: "s"))
            #expect(try await parts.verify(after: 0).damaged.isEmpty)
        }
        #expect(chains.count == 3 && Set(chains).count == 1 && chains[0] != nil)
    }

    @Test func `verify names what was changed, lost or added behind the archive's back`() async throws {
        let folder = Folder()
        let archive = try await openArchive(folder.file("a.sqlite"))
        try await archive.commit((0..<700).map { transcript("s\($0)") })
        await archive.close()
        let connection = try Connection(path: folder.file("a.sqlite"))
        try connection.execute(
            """
            UPDATE events SET body = replace(body, '1', '2') WHERE handover = 3 AND seq = 2;
            UPDATE events SET at = at + 1 WHERE handover = 90 AND seq = 1;
            DELETE FROM events WHERE handover = 600 AND seq = 3;
            """)
        connection.close()
        let reader = try await Archive.open(reading: folder.file("a.sqlite"))
        var (position, sessions, damaged) = (Int64(0), 0, [Damage]())
        while true {
            let page = try await reader.verify(after: position)
            (position, sessions) = (page.position, sessions + page.sessions)
            damaged += page.damaged
            if !page.hasMore { break }
        }
        #expect(sessions == 700)
        #expect(damaged.map(\.id) == ["s2", "s89", "s599"])
        #expect(damaged.last?.flaws.contains("event 3 is missing") == true)
        await reader.close()
    }
}
