import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

@Suite struct WebSocketFrameTests {
    @Test func `messages of every length come back as they went, however they are cut`() async throws {
        try await withEcho { server, _, _ in
            let socket = try server.webSocket()
            for length in [0, 1, 125, 126, 127, 128, 4095, 4096, 65_535, 65_536, 200_000] {
                let text = String(repeating: "é", count: length / 2) + (length % 2 == 1 ? "x" : "")
                try socket.send(text)
                #expect(try socket.next().text == text)
                let bytes = RawFrame(opcode: 2, (0..<length).map { UInt8($0 & 255) })
                try socket.send(bytes)
                #expect(try socket.next() == bytes)
            }
            // Byte by byte, over the borders of frames, with a character cut in two.
            let three = RawWebSocket.bytes(.text("añb")) + RawWebSocket.bytes(RawFrame(opcode: 2, [1, 2, 3]))
            for byte in three { try socket.http.send([byte]) }
            #expect(try socket.next() == .text("añb"))
            #expect(try socket.next() == RawFrame(opcode: 2, [1, 2, 3]))
            // Many in one write.
            let many = (0..<500).flatMap { RawWebSocket.bytes(.text("message \($0)")) }
            try socket.http.send(many)
            for number in 0..<500 { #expect(try socket.next() == .text("message \(number)")) }
        }
    }

    @Test func `fragments are one message, and control frames may stand between them`() async throws {
        try await withEcho { server, _, seen in
            let socket = try server.webSocket()
            try socket.send(RawFrame(opcode: 1, Array("one ".utf8), isFinal: false))
            try socket.send(RawFrame(opcode: 9, Array("are you there".utf8)))
            try socket.send(RawFrame(opcode: 0, Array("tw".utf8), isFinal: false))
            try socket.send(RawFrame(opcode: 10, Array("nobody asked".utf8)))
            try socket.send(RawFrame(opcode: 0, [], isFinal: false))
            // Half of a character at the end of one fragment.
            try socket.send(RawFrame(opcode: 0, Array("o".utf8) + [0xc3], isFinal: false))
            try socket.send(RawFrame(opcode: 0, [0xa9]))
            #expect(try socket.readFrame() == RawFrame(opcode: 10, Array("are you there".utf8)))
            #expect(try socket.readFrame() == .text("one twoé"))
            #expect(seen.all == ["text 9"])
            // A ping of the largest size is answered with all of it, an empty one empty, and one that holds the header of
            // a close is no close.
            for payload in [[UInt8](repeating: 7, count: 125), [], [0x88, 0]] {
                try socket.send(RawFrame(opcode: 9, payload))
                #expect(try socket.readFrame() == RawFrame(opcode: 10, payload))
            }
        }
    }

    @Test func `what breaks a rule is closed with the code of that rule`() async throws {
        let text = RawWebSocket.bytes(RawFrame(opcode: 1, Array("a".utf8), isFinal: false))
        let rows: [(String, [UInt8], Int)] = [
            ("no mask", RawWebSocket.bytes(.text("a"), mask: nil), 1002),
            ("a reserved bit", RawWebSocket.bytes(.text("a"), reserved: 4), 1002),
            ("a reserved opcode", RawWebSocket.bytes(RawFrame(opcode: 3)), 1002),
            ("a reserved control opcode", RawWebSocket.bytes(RawFrame(opcode: 11)), 1002),
            ("a fragmented ping", RawWebSocket.bytes(RawFrame(opcode: 9, [], isFinal: false)), 1002),
            ("a long ping", RawWebSocket.bytes(RawFrame(opcode: 9, [UInt8](repeating: 0, count: 126))), 1002),
            ("a continuation of nothing", RawWebSocket.bytes(RawFrame(opcode: 0, [1])), 1002),
            ("a message inside a message", text + RawWebSocket.bytes(.text("b")), 1002),
            ("a close of one byte", RawWebSocket.bytes(RawFrame(opcode: 8, [3])), 1002),
            ("a close code of nobody", RawWebSocket.bytes(.close(1005)), 1002),
            ("a close code out of range", RawWebSocket.bytes(.close(5000)), 1002),
            ("a close reason that is no text", RawWebSocket.bytes(RawFrame(opcode: 8, [3, 232, 0xff])), 1007),
            ("text that is no text", RawWebSocket.bytes(RawFrame(opcode: 1, [0xff])), 1007),
            ("an overlong character", RawWebSocket.bytes(RawFrame(opcode: 1, [0xc0, 0xaf])), 1007),
            ("a surrogate", RawWebSocket.bytes(RawFrame(opcode: 1, [0xed, 0xa0, 0x80])), 1007),
            ("half a character at the end", RawWebSocket.bytes(RawFrame(opcode: 1, [0xc3])), 1007),
            (
                "no text, seen before the message ends",
                RawWebSocket.bytes(RawFrame(opcode: 1, [0x61, 0xff], isFinal: false)), 1007
            ),
        ]
        try await withEcho { server, _, seen in
            for (what, bytes, code) in rows {
                let socket = try server.webSocket()
                try socket.http.send(bytes)
                let frame = try socket.next()
                #expect(frame.closeCode == code, "\(what): \(frame)")
                #expect(try socket.isClosedByServer(), "\(what)")
            }
            #expect(try await server.eventually { $0.openStreams == 0 && seen.all.count == rows.count })
            #expect(seen.all.allSatisfy { $0.hasPrefix("end ") }, "no message was taken")
        }
    }

    @Test func `messages and fragments have limits, and the limit is judged by what is claimed`() async throws {
        var limits = WebSocketLimits()
        limits.messageBytes = 1000
        limits.fragments = 10
        try await withEcho(limits: limits) { server, _, seen in
            let fits = try server.webSocket()
            try fits.send(String(repeating: "x", count: 1000))
            #expect(try fits.next().payload.count == 1000)
            for round in 1...3 {
                for number in 1...10 {
                    try fits.send(RawFrame(opcode: number == 1 ? 1 : 0, [UInt8(ascii: "y")], isFinal: number == 10))
                }
                #expect(try fits.next() == .text(String(repeating: "y", count: 10)), "round \(round)")
            }
            let tooLong: [[UInt8]] = [
                RawWebSocket.bytes(.text(String(repeating: "x", count: 1001))),
                RawWebSocket.bytes(RawFrame(opcode: 2, [1]), claiming: 1 << 40),
                RawWebSocket.bytes(RawFrame(opcode: 2, [UInt8](repeating: 0, count: 600), isFinal: false))
                    + RawWebSocket.bytes(RawFrame(opcode: 0, [UInt8](repeating: 0, count: 600))),
                (1...11).flatMap { RawWebSocket.bytes(RawFrame(opcode: $0 == 1 ? 1 : 0, [], isFinal: false)) },
            ]
            for bytes in tooLong {
                let socket = try server.webSocket()
                try socket.http.send(bytes)
                #expect(try socket.next().closeCode == 1009)
            }
            #expect(try await server.eventually { _ in seen.all.count { $0 == "end 1009" } == 4 })
        }
    }
}
