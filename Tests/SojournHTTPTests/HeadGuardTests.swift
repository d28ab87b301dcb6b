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
        #expect(head.keepsConnection)
        #expect(!head.isChunked)
        #expect(head.requestLineBytes == 21)
    }

    @Test func `line feeds alone end lines, as they do for the parser`() {
        let (head, verdict) = self.feed("POST / HTTP/1.0\nTransfer-encoding: chunked\n\n", step: 3)
        #expect(verdict == .refuse(status: 400, message: "HTTP/1.0 has no Transfer-Encoding"))
        #expect(head.minorVersion == 0)
    }

    @Test func `a head without an end is refused at the limit`() {
        let (head, verdict) = self.feed(String(repeating: "a", count: 20_000), step: 1000)
        #expect(verdict == .refuse(status: 431, message: "The request's header is too large"))
        #expect(head.bytes == 17_000)
    }
}
