import Foundation
import Testing

@testable import SojournCommand
@testable import SojournCore

@Suite struct LogFormatTests {
    private static let instant = Instant(milliseconds: 1_795_134_806_249)

    /// The line of one event, without time and level.
    private func line(_ message: String, _ metadata: [(key: String, value: String)], _ format: LogFormat = .logfmt)
        -> String
    {
        let event = LogEvent(level: .notice, message: message, metadata: metadata, file: "F", line: 1)
        let text = String(decoding: format.line(event, at: Self.instant), as: UTF8.self)
        let head = "ts=2026-11-20T00:33:26.249Z level=notice "
        return text.hasPrefix(head) ? String(text.dropFirst(head.count)) : text
    }

    @Test func `a line has time, level, message and what belongs to it`() {
        #expect(
            self.line("node is up", [("port", "3000"), ("session.id", "a-b")])
                == "msg=\"node is up\" port=3000 session.id=a-b\n")
        #expect(self.line("up", []) == "msg=up\n")
    }

    @Test(arguments: [
        ("", #""""#), ("plain", "plain"), ("two words", #""two words""#), (#"say "hi""#, #""say \"hi\"""#),
        ("a=b", #""a=b""#), (#"C:\dir"#, #""C:\\dir""#), ("one\ntwo", #""one\ntwo""#), ("tab\there", #""tab\there""#),
        ("\u{1B}[31m", #""\u001b[31m""#), ("é", #""é""#), ("\u{0}", #""\u0000""#), ("{x:1,y/z}", "{x:1,y/z}"),
    ])
    func `values are quoted where they must be and stay on one line`(value: String, written: String) {
        #expect(self.line("m", [("k", value)]) == "msg=m k=\(written)\n")
    }

    @Test func `a key cannot break the line`() {
        #expect(self.line("m", [("a b=c\n\"", "1"), ("", "2")]) == "msg=m a_b_c__=1 _=2\n")
    }

    @Test func `as JSON the line is one object`() throws {
        let json = try JSON.parse(self.line("a \"b\"\n", [("k", "v"), ("level", "x")], .json))
        #expect(json.object?.members.map(\.name) == ["ts", "level", "msg", "k"])
        #expect(json["msg"] == "a \"b\"\n")
        #expect(json["ts"] == "2026-11-20T00:33:26.249Z")
    }

    @Test func `lines of many threads do not mix`() async throws {
        let pipe = Pipe()
        let log = Log.lines(to: pipe.fileHandleForWriting.fileDescriptor, minimum: .info, format: .logfmt)
        let long = String(repeating: "x", count: 500)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<50 { group.addTask { log(.info, "hello", ["number": "\(number)", "long": long]) } }
        }
        log(.debug, "not wanted")
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try #require(try pipe.fileHandleForReading.readToEnd()), as: UTF8.self)
        let lines = text.split(separator: "\n")
        #expect(lines.count == 50)
        #expect(lines.allSatisfy { $0.hasPrefix("ts=20") && $0.hasSuffix(" long=\(long)") })
        #expect(Set(lines.map { $0.split(separator: " ")[3] }).count == 50)
    }
}

@Suite struct CoresTests {
    @Test(
        arguments: [
            ("max 100000", nil), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000\n", 1), ("-1 100000", nil),
            ("", nil),
            ("100000", nil), ("1 0", nil),
        ] as [(String, Int?)])
    func `the quota of a control group is rounded up`(line: String, cores: Int?) {
        #expect(Cores.cores(cpuMax: line) == cores)
    }

    @Test func `there is at least one core, and not more than the machine has`() {
        #expect((1...ProcessInfo.processInfo.processorCount).contains(Cores.available))
    }
}
