import Foundation
import SojournCore
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

/// What can be said about the scripts without running them.
@Suite struct ScriptSourceTests {
    private let production = Scripts(testClock: false)
    private let test = Scripts(testClock: true)

    @Test func `every file of the lua folder is embedded as it is, and nothing else`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("lua")
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root.path).filter { $0.hasSuffix(".lua") }
        #expect(paths.count > 20)
        #expect(Set(paths.map { String($0.dropLast(4)) }) == Set(ScriptSource.files.keys))
        for path in paths {
            let text = try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
            #expect(ScriptSource.files[String(path.dropLast(4))] == text, "\(path)")
        }
    }

    @Test func `every script is declared, and every declared one is a file`() {
        let files = ScriptSource.files.keys.filter { !$0.hasPrefix("include/") }
        #expect(Set(self.production.all.map(\.name)) == Set(files))
    }

    @Test func `includes are expanded once each, and every one of them is used`() {
        var used: Set<String> = []
        for script in self.production.all + self.test.all {
            #expect(!script.source.contains("@include"), "\(script.name)")
            for (name, text) in ScriptSource.files where name.hasPrefix("include/") {
                let occurrences = script.source.components(separatedBy: text).count - 1
                #expect(occurrences <= 1, "\(name) stands \(occurrences) times in \(script.name)")
                if occurrences == 1 { used.insert(name) }
            }
        }
        #expect(used == Set(ScriptSource.files.keys.filter { $0.hasPrefix("include/") }))
    }

    @Test func `production scripts never read the offset of the test clock`() {
        for script in self.production.all {
            #expect(!script.source.contains("'offset'"), "\(script.name)")
        }
        #expect(self.test.all.contains { $0.source.contains("'offset'") })
    }

    @Test func `the first line says what a full or replicating server may do with it`() {
        let flags = [
            "read": "#!lua flags=no-writes", "page": "#!lua flags=no-writes", "list": "#!lua flags=no-writes",
            "stats": "#!lua flags=no-writes", "waiting": "#!lua flags=no-writes",
            "beat": "#!lua flags=allow-oom", "touch": "#!lua flags=allow-oom", "end": "#!lua flags=allow-oom",
            "tick": "#!lua flags=allow-oom",
            "fire": "#!lua flags=allow-oom", "claim": "#!lua flags=allow-oom", "gather": "#!lua flags=no-writes",
            "steal": "#!lua flags=allow-oom",
            "follow": "#!lua flags=allow-oom", "trim": "#!lua flags=allow-oom",
            "ack": "#!lua flags=allow-oom", "register": "#!lua flags=allow-oom",
            "extend": "#!lua flags=allow-oom", "limit": "#!lua flags=allow-oom", "cancel": "#!lua flags=allow-oom",
            "turns": "#!lua flags=no-writes",
            "delta": "#!lua", "say": "#!lua", "lease": "#!lua", "report": "#!lua", "finish": "#!lua", "adopt": "#!lua",
            "enlist": "#!lua", "ring": "#!lua", "agents": "#!lua",
            "ask": "#!lua", "reply": "#!lua", "alive": "#!lua flags=no-writes",
            "purge": "#!lua flags=allow-oom", "erase": "#!lua flags=allow-oom", "release": "#!lua flags=allow-oom",
            "disown": "#!lua flags=allow-oom", "note": "#!lua flags=allow-oom",
            "mend": "#!lua flags=allow-oom",
            "presence": "#!lua", "present": "#!lua flags=no-writes",
            "sample": "#!lua flags=no-writes", "stand": "#!lua flags=no-writes",
            "create": "#!lua", "append": "#!lua", "patch": "#!lua", "meta": "#!lua",
        ]
        for script in self.production.all {
            let first = script.source.split(separator: "\n").first.map(String.init)
            #expect(first == flags[script.name], "\(script.name)")
            #expect(script.isReadOnly == (flags[script.name] == "#!lua flags=no-writes"), "\(script.name)")
        }
    }

    @Test func `headers name each key, each argument and the answer`() throws {
        for script in self.production.all {
            let header = try self.header(of: script)
            let keys = self.numbers(after: "KEYS[", in: header)
            #expect(keys == Array(1...keys.count), "\(script.name) names keys \(keys)")
            #expect(keys.count == script.keyCount, "\(script.name)")
            let arguments = self.numbers(after: "ARGV[", in: header)
            #expect(arguments == Array(1..<(arguments.count + 1)), "\(script.name) names arguments \(arguments)")
            #expect(header.contains("-- Returns "), "\(script.name)")
        }
    }

    @Test func `headers name every argument that the code reads`() throws {
        for script in self.production.all {
            let text = try #require(ScriptSource.files[script.name])
            let header = try self.header(of: script)
            let code = text.components(separatedBy: "\n").filter { !$0.hasPrefix("--") }.joined(separator: "\n")
            for word in ["KEYS[", "ARGV["] {
                let named = self.numbers(after: word, in: header).max() ?? 0
                let read = self.numbers(after: word, in: code).max() ?? 0
                #expect(read <= named, "\(script.name) reads \(word)\(read)]")
            }
        }
    }

    private func header(of script: Script) throws -> String {
        let lines = try #require(ScriptSource.files[script.name]).components(separatedBy: "\n").dropFirst()
        return lines.prefix { $0.hasPrefix("-- ") }.joined(separator: "\n")
    }

    private func numbers(after word: String, in text: String) -> [Int] {
        text.components(separatedBy: word).dropFirst().compactMap { Int($0.prefix { $0.isNumber }) }
    }

    @Test func `iso writes instants as Foundation does`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let iso = try #require(ScriptSource.files["include/iso"])
        let source =
            "#!lua\n" + iso + "\nlocal t = {}\nfor i, ms in ipairs(ARGV) do t[i] = iso(tonumber(ms)) end\nreturn t"
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        // The last day of February and the first of March of leap years and others, then anything up to 9999.
        var instants: [Int64] = [0, 1, 999, 951_782_399_999, 951_782_400_000, 951_868_800_000, 4_107_542_400_000]
        for _ in 0..<5_000 { instants.append(.random(in: 0..<253_402_300_800_000)) }
        let reply = try server.client().send(["EVAL", source, "0"] + instants.map { "\($0)" })
        let texts = reply.array.compactMap(\.string)
        try #require(texts.count == instants.count, "\(reply)")
        for (instant, text) in zip(instants, texts) {
            // From whole seconds: a Double cannot hold every millisecond of these years exactly.
            let seconds = formatter.string(from: Date(timeIntervalSince1970: Double(instant / 1000)))
            let thousandths = String(instant % 1000 + 1000).dropFirst()
            #expect(text == seconds.replacing(".000Z", with: ".\(thousandths)Z"))
            #expect(text == Instant(milliseconds: instant).iso8601)
        }
    }
}
