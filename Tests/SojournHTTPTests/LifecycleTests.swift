import Foundation
import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

@Suite struct LifecycleTests {
    @Test func `a late answer to a client that left is harmless, noticed or not`() async throws {
        let seen = Seen()
        let answered = Seen()
        try await withServer { exchange, loop in
            if exchange.path == "/watched" { exchange.onClosed { seen.add("closed") } }
            loop.spawn {
                await loop.sleep(milliseconds: 30)
                // The request's data are still there.
                if exchange.header("Host") == "a", exchange.body.count == 3 { answered.add(exchange.path) }
                if exchange.path == "/stream" {
                    let stream = exchange.startStream(status: 200, headers: [])
                    stream.write("x")
                    stream.end()
                } else {
                    exchange.respond(status: 200, body: [UInt8](repeating: 1, count: 100_000))
                }
            }
        } test: { server in
            for round in 0..<300 {
                let path = ["/watched", "/plain", "/stream"][round % 3]
                let client = try server.connect()
                try client.send("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
                // Sometimes the next request is already there.
                if round % 2 == 0 { try client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n") }
                #expect(try await server.eventually { _ in true })
                if round % 4 < 2 { client.reset() } else { client.close() }
            }
            #expect(try await server.eventually { $0.connections == 0 && $0.activeExchanges == 0 })
            #expect(answered.all.count >= 250)
            #expect(seen.all.count >= 80)
            #expect(try server.request("POST /plain HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").status == 200)
        }
    }

    @Test func `a client that has said its last word gets its late answers, if nobody watches it`() async throws {
        try await withServer { exchange, loop in
            loop.spawn {
                await loop.sleep(milliseconds: 20)
                exchange.respond(status: 200, body: Array("\(exchange.body.count)".utf8))
            }
        } test: { server in
            let client = try server.connect()
            let body = String(repeating: "b", count: 20_000)
            let request = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n\(body)"
            try client.send(request + "GET /b HTTP/1.1\r\nHost: a\r\n\r\n" + request)
            client.finishSending()
            for expected in ["20000", "0", "20000"] { #expect(try client.readResponse().text == expected) }
            #expect(try await server.eventually { $0.connections == 0 && $0.activeExchanges == 0 })
        }
    }

    @Test func `a watched client that stays gets its answer, and its next requests theirs`() async throws {
        let closed = Seen()
        try await withServer { exchange, loop in
            exchange.onClosed { closed.add("closed") }
            loop.spawn {
                await loop.sleep(milliseconds: 20)
                exchange.respond(status: 200, body: Array("\(exchange.body.count)".utf8))
            }
        } test: { server in
            let client = try server.connect()
            // More than the 4 KiB that are read while an answer is due.
            let body = String(repeating: "b", count: 20_000)
            let request = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n\(body)"
            try client.send(request + request + "GET /b HTTP/1.1\r\nHost: a\r\n\r\n" + request)
            #expect(try client.readResponse().text == "20000")
            #expect(try client.readResponse().text == "20000")
            #expect(try client.readResponse().text == "0")
            #expect(try client.readResponse().text == "20000")
            #expect(closed.all.isEmpty)
        }
    }

    @Test(arguments: [false, true])
    func `bytes that arrive while an answer is due wait for their turn`(watched: Bool) async throws {
        let released = Seen()
        try await withServer { exchange, loop in
            if watched { exchange.onClosed {} }
            loop.spawn {
                while exchange.path == "/1", released.all.isEmpty { await loop.sleep(milliseconds: 1) }
                exchange.respond(status: 200, body: Array(exchange.path.utf8))
            }
        } test: { server in
            let client = try server.connect()
            try client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await server.eventually { $0.activeExchanges == 1 })
            // A whole request, then a part of one, each on its own while the first answer is due.
            for part in ["GET /2 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /3 HTTP/1.1\r\nHo"] {
                try client.send(part)
                #expect(try await server.eventually { $0.activeExchanges == 1 })
            }
            released.add("now")
            #expect(try client.readResponse().text == "/1")
            #expect(try client.readResponse().text == "/2")
            try client.send("st: a\r\n\r\n")
            #expect(try client.readResponse().text == "/3")
        }
    }

    @Test func `a client that leaves while its answer is due is noticed before the answer`() async throws {
        let seen = Seen()
        try await withServer { exchange, loop in
            exchange.onClosed { seen.add("closed \(exchange.isClosed)") }
            loop.spawn {
                while !exchange.isClosed { await loop.sleep(milliseconds: 1) }
                seen.add("over")
                exchange.respond(status: 200)
            }
        } test: { server in
            let client = try server.connect()
            try client.send(get)
            #expect(try await server.eventually { $0.activeExchanges == 1 })
            client.close()
            #expect(try await server.eventually { _ in seen.all == ["closed true", "over"] })
        }
    }

    @Test func `a client that does not read its answer is cut`() async throws {
        var limits = HTTPLimits()
        limits.answerMilliseconds = 100
        let seen = Seen()
        try await withServer(limits: limits) { exchange in
            seen.add("request")
            exchange.respond(status: 200, body: [UInt8](repeating: 1, count: 16 << 20))
        } test: { server in
            let client = try server.connect(receiveBuffer: 4096)
            try client.send(get)
            #expect(try await server.eventually { _ in seen.all == ["request"] })
            #expect(try await server.eventually { $0.connections == 0 && $0.activeExchanges == 0 })
        }
    }

    @Test func `connections over the cap take the places of idle ones, or are refused`() async throws {
        var limits = HTTPLimits()
        limits.connections = 10
        limits.spareMilliseconds = 20
        try await withRecorder(limits: limits) { server, _ in
            func speak() throws -> RawHTTP {
                let client = try server.connect()
                try client.send(get)
                #expect(try client.readResponse().status == 200)
                return client
            }
            let first = try (0..<10).map { _ in try speak() }
            #expect(try await server.onLoop { $0.connections } == 10)
            try await server.loop.run { await server.loop.sleep(milliseconds: 25) }
            var clients = try (0..<10).map { _ in try speak() }
            #expect(try await server.onLoop { $0.connections } == 10)
            for client in first { #expect(try client.readToEnd().isEmpty) }
            // Those that are in the middle of something stay.
            for client in clients { try client.send("GET / HTTP/1.1\r\n") }
            #expect(try await server.eventually { $0.idleConnections == 0 })
            for _ in 0..<5 {
                let surplus = try server.connect()
                let response = try surplus.readResponse()
                #expect(response.status == 503)
                #expect(try surplus.readToEnd().isEmpty)
            }
            for client in clients.prefix(7) {
                try client.send("Host: a\r\n\r\n")
                #expect(try client.readResponse().status == 200)
            }
            clients.removeLast(3)
            #expect(try await server.eventually { $0.connections == 7 })
            #expect(try server.request(get).status == 200)
        }
    }

    @Test func `a drain lets requests finish and closes what is idle`() async throws {
        let draining = Seen()
        try await withServer { exchange, loop in
            loop.spawn {
                while exchange.path == "/slow", draining.all.isEmpty { await loop.sleep(milliseconds: 1) }
                exchange.respond(status: 200, body: Array(exchange.path.utf8))
            }
        } test: { server in
            let idle = try server.connect()
            try idle.send("GET /fast HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try idle.readResponse().text == "/fast")
            let busy = try server.connect()
            try busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await server.eventually { $0.activeExchanges == 1 })
            try await server.onLoop {
                $0.stopAccepting()
                $0.closeIdleConnections()
            }
            #expect(try idle.readToEnd().isEmpty)
            #expect(throws: RawHTTPError.self) { try server.connect() }
            draining.add("yes")
            let response = try busy.readResponse()
            #expect(response.text == "/slow")
            #expect(response.header("Connection") == "close")
            #expect(try busy.readToEnd().isEmpty)
            #expect(try await server.eventually { $0.connections == 0 && $0.activeExchanges == 0 })
        }
    }

    @Test func `closing with requests and streams under way ends them, and late answers do nothing`() async throws {
        let seen = Seen()
        let streams = Streams()
        try await withServer { exchange, loop in
            exchange.onClosed { seen.add("closed") }
            if exchange.path == "/stream" {
                let stream = exchange.startStream(status: 200, headers: eventStream)
                stream.onClosed { seen.add("stream closed") }
                return streams.open.append(stream)
            }
            loop.spawn {
                while !exchange.isClosed { await loop.sleep(milliseconds: 1) }
                exchange.respond(status: 200, body: exchange.body)
                seen.add("answered late")
            }
        } test: { server in
            let first = try server.connect()
            try first.send("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na")
            let second = try server.connect()
            try second.send(get)
            #expect(try second.readHead().status == 200)
            let third = try server.connect()
            #expect(try await server.eventually { $0.activeExchanges == 2 && $0.connections == 3 })
            try await server.onLoop { $0.close() }
            for client in [first, second, third] { #expect(try client.readToEnd().isEmpty) }
            #expect(try await server.eventually { _ in seen.all.count == 3 })
            #expect(Set(seen.all) == ["closed", "stream closed", "answered late"])
            try await server.onLoop { _ in streams.open = [] }
        }
    }

    @Test func `several loops on one port each get connections`() async throws {
        let seen = Seen()
        try await withServer { exchange in
            seen.add("first")
            exchange.respond(status: 200)
        } test: { server in
            let loop = EventLoop(name: "http test 2")
            let second = try await loop.run {
                Confined(
                    HTTPServer(loop: loop) { exchange in
                        seen.add("second")
                        exchange.respond(status: 200)
                    }, to: loop)
            }
            let port = server.port
            let bound = try await loop.run { try second.value.listen(host: "127.0.0.1", port: port) }
            #expect(bound == port)
            for _ in 0..<200 { #expect(try server.request(get).status == 200) }
            #expect(Set(seen.all) == ["first", "second"])
            try await loop.run { second.value.close() }
            loop.stop()
        }
    }

    @Test(arguments: [("not.numeric", 0), ("127.0.0.1", 70_000), ("192.0.2.1", 0)])
    func `an address that cannot be had is named`(host: String, port: Int) async throws {
        try await withRecorder { server, _ in
            let message = try await server.onLoop { server in
                do {
                    try server.listen(host: host, port: port)
                    return "listens"
                } catch { return "\(error)" }
            }
            #expect(message.hasPrefix("cannot listen on \(host) port \(port): "))
        }
    }
}
