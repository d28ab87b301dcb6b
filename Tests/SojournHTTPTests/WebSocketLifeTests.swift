import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

@Suite struct WebSocketLifeTests {
    @Test func `a client that says close gets its code back, and the end of the connection`() async throws {
        try await withEcho { server, _, seen in
            for (payload, code) in [
                ([UInt8](), 1005), ([3, 232], 1000), ([3, 233] + Array("bye".utf8), 1001), ([15, 160], 4000),
            ] {
                let socket = try server.webSocket()
                try socket.send(RawFrame(opcode: 8, payload))
                // What comes after a close is nobody's.
                try? socket.send("too late")
                socket.answersPings = false
                let answer = try socket.next()
                #expect(answer.opcode == 8 && answer.payload.prefix(2) == payload.prefix(2))
                #expect(try socket.isClosedByServer())
                #expect(seen.all.last == "end \(code)")
            }
            #expect(seen.all.count == 4)
            #expect(try await server.eventually { $0.connections == 0 && $0.openStreams == 0 })
        }
    }

    @Test func `the server says close and waits for the client's, but not for ever`() async throws {
        var limits = WebSocketLimits()
        limits.closeMilliseconds = 300
        limits.pingMilliseconds = 20
        try await withEcho(limits: limits) { server, sockets, seen in
            for round in 0..<2 {
                let socket = try server.webSocket()
                #expect(try await server.eventually { _ in sockets.open.count == round + 1 })
                try await server.onLoop { _ in
                    sockets.open[round].send(.text("last words".utf8))
                    sockets.open[round].close(4001, "because " + String(repeating: "é", count: 80))
                    sockets.open[round].close(4002, "again")
                    sockets.open[round].send(.text("too late".utf8))
                }
                socket.answersPings = false
                #expect(try socket.next() == .text("last words"))
                let close = try socket.next()
                #expect(close.closeCode == 4001)
                #expect(close.payload.count == 2 + 8 + 114 && close.text.hasSuffix("é"), "cut between characters")
                // A polite client answers; the other one says nothing.
                if round == 0 { try? socket.send(.close(4001)) }
                #expect(try socket.isClosedByServer())
                #expect(seen.all == Array(repeating: "end 4001", count: round + 1))
            }
            #expect(try await server.eventually { $0.connections == 0 })
        }
    }

    @Test func `a client that leaves without a word is noticed at once`() async throws {
        try await withEcho { server, sockets, seen in
            for round in 1...20 {
                let socket = try server.webSocket()
                try socket.send("hi")
                #expect(try socket.next() == .text("hi"))
                // In the middle of a frame, of a message, or between them.
                if round % 3 == 0 { try socket.http.send([0x81]) }
                if round % 3 == 1 { try socket.send(RawFrame(opcode: 1, [1], isFinal: false)) }
                if round % 2 == 0 { socket.http.reset() } else { socket.http.close() }
                #expect(try await server.eventually { _ in seen.all.count == round * 2 })
                #expect(seen.all.last == "end 1006")
                try await server.onLoop { _ in
                    #expect(!sockets.open[round - 1].isOpen && sockets.open[round - 1].pendingBytes == 0)
                    sockets.open[round - 1].send(.text("late".utf8))
                    sockets.open[round - 1].close(.normal)
                    sockets.open[round - 1].cut()
                }
            }
            #expect(try await server.eventually { $0.connections == 0 && $0.activeExchanges == 0 })
        }
    }

    @Test func `pings come by themselves, and a client that does not answer is closed`() async throws {
        var limits = WebSocketLimits()
        limits.pingMilliseconds = 50
        limits.pongMilliseconds = 150
        try await withEcho(limits: limits) { server, _, seen in
            let (polite, mute) = (try server.webSocket(), try server.webSocket())
            var closed: RawFrame?
            for _ in 0..<1000 where closed == nil {
                let ping = try polite.readFrame()
                #expect(ping == RawFrame(opcode: 9))
                try polite.send(RawFrame(opcode: 10))
                // Talking does not count as an answer.
                try mute.send("still here")
                if seen.all.contains("end 4408") {
                    mute.answersPings = false
                    var frame = try mute.next()
                    while frame.opcode == 1 { frame = try mute.next() }
                    closed = frame
                }
            }
            #expect(closed?.closeCode == 4408)
            try polite.send("fine")
            #expect(try polite.next() == .text("fine"))
        }
    }

    @Test func `a reader that takes nothing for too long is closed, one that is merely slow is not`() async throws {
        var limits = WebSocketLimits()
        limits.stallMilliseconds = 600
        limits.pingMilliseconds = 50
        limits.pongMilliseconds = 20_000
        limits.closeMilliseconds = 100
        try await withEcho(limits: limits) { server, sockets, seen in
            let slow = try server.webSocket(receiveBuffer: 4096)
            let stuck = try server.webSocket(receiveBuffer: 4096)
            #expect(try await server.eventually { _ in sockets.open.count == 2 })
            let block = WebSocketFrame.binary([UInt8](repeating: 1, count: 1 << 20))
            try await server.onLoop { _ in
                for socket in sockets.open { for _ in 0..<16 { socket.send(block) } }
            }
            slow.answersPings = false
            var blocks = 0
            while blocks < 16 {
                blocks += try slow.next().payload.count == 1 << 20 ? 1 : 100
            }
            #expect(blocks == 16)
            #expect(try await server.eventually { _ in seen.all.contains("end 4413") })
            #expect(try await server.eventually { $0.openStreams <= 1 })
            withExtendedLifetime(stuck) {}
        }
    }

    @Test func `a client that asks but does not read is not read from`() async throws {
        var limits = WebSocketLimits()
        limits.replyBytes = 64 * 1024
        try await withEcho(limits: limits) { server, sockets, seen in
            let socket = try server.webSocket(receiveBuffer: 4096)
            // 64 MiB of questions, of which the kernels hold some megabytes.
            let questions = (0..<16).flatMap { _ in
                RawWebSocket.bytes(RawFrame(opcode: 9, [UInt8](repeating: 1, count: 100)))
                    + RawWebSocket.bytes(RawFrame(opcode: 2, [UInt8](repeating: 2, count: 60_000)))
            }
            let sent = Seen()
            let http = UncheckedSend(value: socket.http)
            let writer = Task.detached {
                for _ in 0..<64 where (try? http.value.send(questions)) != nil { sent.add("block") }
            }
            #expect(
                try await server.eventually { _ in
                    guard let socket = sockets.open.first else { return false }
                    return socket.pendingBytes > 64 * 1024
                })
            let most = try await server.onLoop { _ in sockets.open[0].pendingBytes }
            #expect(most < 512 * 1024, "what waits is bounded")
            #expect(sent.all.count < 64)
            // It reads, and everything is answered.
            var (pongs, messages) = (0, 0)
            while messages < 64 * 16 || pongs < 64 * 16 {
                let frame = try socket.readFrame()
                if frame.opcode == 10 { pongs += 1 }
                if frame.opcode == 2 { messages += 1 }
            }
            await writer.value
            #expect(pongs == 64 * 16 && messages == 64 * 16 && seen.all.count == 64 * 16)
        }
    }

    @Test func `an owner that stops reading gets the rest later, in order`() async throws {
        try await withEcho { server, sockets, seen in
            let socket = try server.webSocket()
            #expect(try await server.eventually { _ in sockets.open.count == 1 })
            try await server.onLoop { _ in sockets.open[0].isReading = false }
            for number in 0..<300 { try socket.send(String(repeating: "z", count: number)) }
            try socket.send(RawFrame(opcode: 9, [9]))
            try await server.onLoop { _ in
                #expect(seen.all.isEmpty)
                sockets.open[0].isReading = true
            }
            for number in 0..<300 { #expect(try socket.readFrame().payload.count == number) }
            #expect(try socket.readFrame() == RawFrame(opcode: 10, [9]))
        }
    }
}

/// Carries a socket to the one thread that writes to it.
struct UncheckedSend<Value>: @unchecked Sendable {
    let value: Value
}
