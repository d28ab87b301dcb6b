import SojournLoop
import Testing

@testable import SojournRedis

private func read(_ text: String, chunk: Int) throws -> [RESPValue] {
    let reader = RESPReader()
    let bytes = Array(text.utf8)
    var values: [RESPValue] = []
    for start in stride(from: 0, to: bytes.count, by: chunk) {
        try bytes[start..<min(start + chunk, bytes.count)].withUnsafeBytes { try reader.feed($0) }
        while let value = try reader.next() { values.append(value) }
    }
    return values
}

@Suite struct RESPTests {
    @Test(arguments: [1, 3, 1_000])
    func `replies are read whole, however the bytes are cut`(chunk: Int) throws {
        let text =
            "+OK\r\n:-42\r\n$5\r\nhe\0lo\r\n$0\r\n\r\n$-1\r\n*-1\r\n*3\r\n:1\r\n*1\r\n$1\r\nx\r\n-ERR in\r\n-OOM out\r\n"
        let expected: [RESPValue] = [
            .simple("OK"), .integer(-42), .bulk(ArraySlice("he\0lo".utf8)), .bulk([]), .null, .null,
            .array([.integer(1), .array([.bulk([120])]), .error(RESPErrorReply(message: "ERR in"))]),
            .error(RESPErrorReply(message: "OOM out")),
        ]
        #expect(try read(text, chunk: chunk) == expected)
    }

    @Test func `bytes that are not the protocol are an error`() {
        #expect(throws: RESPReader.Broken.self) { try read("HTTP/1.1 200 OK\r\n", chunk: 100) }
    }

    @Test func `accessors read numbers and text in either form`() {
        #expect(RESPValue.bulk(ArraySlice("12".utf8)).int == 12)
        #expect(RESPValue.integer(12).string == "12")
        #expect(RESPValue.simple("x").bytes == [120])
        #expect(RESPValue.null.string == nil)
        #expect(RESPErrorReply(message: "NOSCRIPT No matching script").code == "NOSCRIPT")
    }

    @Test func `commands and script calls are encoded as bulk strings`() {
        var writer = RESPWriter()
        writer.append(.plain(["SET", "k\u{e9}", .bytes([0, 255]), 7]), asEval: false)
        #expect(
            writer.bytes == Array("*4\r\n$3\r\nSET\r\n$3\r\nk\u{e9}\r\n$2\r\n".utf8) + [0, 255]
                + Array("\r\n$1\r\n7\r\n".utf8))
        let script = Script(name: "s", source: "#!lua\nreturn 1", keyCount: 1)
        writer.removeAll()
        writer.append(.script(script, keys: ["k"], arguments: [-1]), asEval: true)
        let words = ["EVAL", script.source, "1", "k", "-1"].map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
        #expect(String(decoding: writer.bytes, as: UTF8.self) == "*5\r\n" + words)
    }

    @Test func `a script knows its digest and whether it writes`() {
        #expect(Script(name: "e", source: "", keyCount: 0).sha1 == "da39a3ee5e6b4b0d3255bfef95601890afd80709")
        #expect(lengthScript.isReadOnly)
        #expect(!appendScript.isReadOnly)
        #expect(!Script(name: "c", source: "#!lua\n-- flags=no-writes", keyCount: 0).isReadOnly)
    }

    @Test func `pauses grow from the shortest to the longest and are never in step`() {
        var backoff = Backoff(50...1_000)
        let first = (0..<200).map { _ in
            var fresh = Backoff(50...1_000)
            return fresh.next()
        }
        #expect(first.allSatisfy { (25...50).contains($0) } && Set(first).count > 5)
        let pauses = (0..<40).map { _ in backoff.next() }
        #expect(pauses.suffix(30).allSatisfy { (500...1_000).contains($0) })
        backoff.reset()
        #expect(backoff.next() <= 50)
    }
}
