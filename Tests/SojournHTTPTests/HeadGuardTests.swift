import Testing

@testable import SojournHTTP

@Suite struct HeadGuardTests {
    func feed(_ text: String, step: Int) -> (HeadGuard, HeadGuard.Verdict) {
        var head = HeadGuard(limits: HTTPLimits())
        let bytes = Array(text.utf8)
        var verdict = HeadGuard.Verdict.more
        for start in stride(from: 0, to: bytes.count, by: step) where verdict == .more {
            verdict = head.feed(Array(bytes[start..<min(start + step, bytes.count)]).span)
        }
        return (head, verdict)
    }

    @Test(arguments: [1, 2, 7, 1000])
    func `a sound head is read the same however it is cut`(step: Int) {
        let (head, verdict) = self.feed(
            "PATCH /a?b HTTP/1.1\r\nHost: x\r\nCONTENT-LENGTH:  00012 \t\r\nConnection: Keep-Alive\r\nÜ-not: \r\n\r\n"
                .replacing("Ü-not", with: "~!#$%&'*+-.^_`|"), step: step)
        #expect(verdict == .complete)
        #expect(head.method == .patch)
        #expect(head.minorVersion == 1)
        #expect(head.contentLength == 12)
        #expect(head.headerCount == 4)
        #expect(!head.isChunked)
    }

    @Test func `line feeds alone end lines, as they do for the parser`() {
        let (head, verdict) = self.feed("POST / HTTP/1.0\nTransfer-encoding: chunked\n\n", step: 3)
        #expect(verdict == .refuse(status: 400, message: "HTTP/1.0 has no Transfer-Encoding"))
        #expect(head.minorVersion == 0)
    }

    @Test(arguments: [1, 3, 1000])
    func `a chunked body is followed to its end`(step: Int) {
        let bytes = Array("5\r\nab\r\nc\r\n0a\r\n0123456789\r\n000\r\nA: b\r\n\r\nGET ".utf8)
        var chunks = ChunkGuard(limits: HTTPLimits())
        var verdict = HeadGuard.Verdict.more
        var fed = 0
        while fed < bytes.count, verdict == .more {
            let end = min(fed + step, bytes.count)
            verdict = chunks.feed(Array(bytes[fed..<end]).span)
            fed = end
        }
        #expect(verdict == .complete)
        #expect(step > 3 || fed == bytes.count - 4)
    }

    @Test func `a head without an end is refused at the limit`() {
        let (head, verdict) = self.feed(String(repeating: "a", count: 20_000), step: 1000)
        #expect(verdict == .refuse(status: 431, message: "The request's header is too large"))
        #expect(head.bytes == 17_000)
    }
}
