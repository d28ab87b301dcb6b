import Foundation
import Glibc
import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

/// The streams a handler has started, kept on the loop.
final class Streams: @unchecked Sendable {
    // Why unchecked: touched on the server's loop only, as `Confined` checks for what comes from elsewhere.
    var open: [HTTPStream] = []
}

let eventStream: HTTPHeaders = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")]
let get = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite struct StreamTests {
    /// A server whose handler starts a stream, tells `seen` when it closes and drains, and keeps it.
    func withStreams(
        limits: HTTPLimits = HTTPLimits(), _ body: (TestServer, Streams, Seen) async throws -> Void
    ) async throws {
        let streams = Streams()
        let seen = Seen()
        try await withServer(limits: limits) { exchange in
            if exchange.path != "/stream" {
                seen.add("request \(exchange.path)")
                return exchange.respond(status: 200, body: Array("ok".utf8))
            }
            let stream = exchange.startStream(status: 200, headers: eventStream)
            stream.onClosed { seen.add("closed") }
            streams.open.append(stream)
        } test: { server in
            try await body(server, streams, seen)
            try await server.onLoop { _ in streams.open = [] }
        }
    }

    @Test func `events arrive in order, with heartbeats between, as they are written`() async throws {
        try await self.withStreams { server, streams, _ in
            let client = try server.connect()
            try client.send(get)
            let head = try client.readHead()
            #expect(head.status == 200)
            #expect(head.header("Content-Type") == "text/event-stream")
            #expect(head.header("Transfer-Encoding") == "chunked")
            #expect(head.header("Cache-Control") == "no-cache")
            for round in 0..<20 {
                try await server.onLoop { _ in
                    streams.open[0].write(": hb\n")
                    for number in 0..<50 {
                        streams.open[0].write(
                            "event: e\nid: \(round).\(number)\ndata: \(String(repeating: "d", count: number * 20))\n\n")
                    }
                }
                for number in 0..<50 {
                    let event = try client.readEvent()
                    let data = String(repeating: "d", count: number * 20)
                    #expect(
                        event
                            == RawEvent(
                                event: "e", id: "\(round).\(number)", data: data, comments: number == 0 ? ["hb"] : []))
                }
            }
            try await server.onLoop { _ in streams.open[0].end() }
            #expect(try client.readEvent() == nil)
            #expect(try client.readToEnd().isEmpty)
            #expect(
                try await server.eventually { $0.connections == 0 && $0.activeExchanges == 0 && $0.openStreams == 0 })
        }
    }

    @Test func `an HTTP-1-0 client gets a body that ends with the connection`() async throws {
        try await self.withStreams { server, streams, _ in
            let client = try server.connect()
            try client.send("GET /stream HTTP/1.0\r\n\r\n")
            #expect(try client.readHead().header("Transfer-Encoding") == nil)
            #expect(try await server.eventually { $0.openStreams == 1 })
            try await server.onLoop { _ in streams.open[0].write("data: 1\n\n") }
            #expect(try client.readEvent()?.data == "1")
            try await server.onLoop { _ in
                streams.open[0].write("data: 2\n\n")
                streams.open[0].end()
            }
            #expect(try client.readEvent()?.data == "2")
            #expect(try client.readToEnd().isEmpty)
        }
    }

    @Test func `HEAD of a stream is its head`() async throws {
        try await self.withStreams { server, streams, _ in
            let client = try server.connect()
            try client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readHead().header("Content-Type") == "text/event-stream")
            #expect(try client.readToEnd().isEmpty)
            #expect(try await server.eventually { _ in streams.open[0].isClosed })
        }
    }

    @Test func `a client that leaves is noticed at once, however it leaves`() async throws {
        try await self.withStreams { server, streams, seen in
            for round in 1...20 {
                let client = try server.connect()
                try client.send(get)
                #expect(try client.readHead().status == 200)
                if round % 2 == 0 { client.reset() } else { client.close() }
                #expect(try await server.eventually { _ in seen.all.count == round })
                try await server.onLoop { _ in
                    // Writing to a stream that has closed does nothing.
                    let stream = streams.open[round - 1]
                    #expect(stream.isClosed && stream.pendingBytes == 0)
                    stream.write("data: late\n\n")
                    if round % 3 == 0 { stream.end() } else if round % 3 == 1 { stream.close() }
                }
            }
            #expect(seen.all == Array(repeating: "closed", count: 20))
        }
    }

    @Test func `what a slow reader does not take is counted, and its catching up is told`() async throws {
        try await self.withStreams { server, streams, seen in
            let client = try server.connect(receiveBuffer: 4096)
            try client.send(get)
            #expect(try client.readHead().status == 200)
            let block = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
            try await server.onLoop { _ in
                streams.open[0].onDrained { seen.add("drained") }
                for _ in 0..<16 { streams.open[0].write(block) }
            }
            // The kernel takes some megabytes, then nothing moves until the client reads.
            #expect(try await server.eventually { _ in streams.open[0].millisecondsSinceProgress > 100 })
            let (pending, progress) = try await server.onLoop { _ in
                (streams.open[0].pendingBytes, streams.open[0].lastWriteProgress)
            }
            #expect(pending > 1 << 20 && pending <= 16 * ((1 << 20) + 10))
            #expect(seen.all.isEmpty)
            var taken = 0
            while taken < 16 { taken += try client.readChunk()?.count == 1 << 20 ? 1 : 16 }
            #expect(try await server.eventually { _ in seen.all == ["drained"] })
            try await server.onLoop { _ in
                #expect(streams.open[0].pendingBytes == 0 && streams.open[0].millisecondsSinceProgress == 0)
                #expect(streams.open[0].lastWriteProgress > progress)
                streams.open[0].close()
                #expect(streams.open[0].isClosed)
            }
            #expect(try await server.eventually { $0.connections == 0 })
            #expect(seen.all == ["drained", "closed"])
        }
    }

    @Test func `a stream that ended is cut when its client does not read`() async throws {
        var limits = HTTPLimits()
        limits.answerMilliseconds = 100
        try await self.withStreams(limits: limits) { server, streams, seen in
            let client = try server.connect(receiveBuffer: 4096)
            try client.send(get)
            #expect(try client.readHead().status == 200)
            try await server.onLoop { _ in
                streams.open[0].write([UInt8](repeating: 1, count: 16 << 20))
                streams.open[0].end()
            }
            #expect(try await server.eventually { $0.connections == 0 })
            #expect(seen.all == ["closed"])
        }
    }

    @Test func `data sent on an open stream grows nothing and is never a request`() async throws {
        try await self.withStreams { server, streams, seen in
            let client = try server.connect()
            try client.send(get + "GET /pipelined HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readHead().status == 200)
            // The kernel's buffers hold some megabytes; 64 would have to be taken by the server.
            let junk = [UInt8](repeating: 0, count: 1 << 20)
            var sent = 0
            while sent < 64, (try? client.send(junk)) != nil { sent += 1 }
            #expect(sent < 64)
            #expect(try await server.eventually { $0.connections == 0 })
            #expect(seen.all == ["closed"])
            // A little is thrown away, and the stream goes on.
            let other = try server.connect()
            try other.send(get)
            #expect(try other.readHead().status == 200)
            try other.send("GET /pipelined HTTP/1.1\r\nHost: a\r\n\r\n")
            try await server.onLoop { _ in streams.open[1].write("data: 1\n\n") }
            #expect(try other.readEvent()?.data == "1")
            #expect(seen.all == ["closed"])
        }
    }

    @Test func `a stream that is dropped is cut, not ended`() async throws {
        try await withServer { exchange in
            exchange.startStream(status: 200, headers: eventStream).write("data: 1\n\n")
        } test: { server in
            let client = try server.connect()
            try client.send(get)
            let bytes = try client.readToEnd()
            #expect(!String(decoding: bytes, as: UTF8.self).contains("\r\n0\r\n"))
        }
    }
}
