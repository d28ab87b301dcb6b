import Foundation
import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

@Suite struct ExchangeTests {
    @Test func `a handler sees the request as it was sent`() async throws {
        let seen = Seen()
        try await withServer { exchange in
            seen.add(exchange.method.rawValue)
            seen.add(exchange.path)
            seen.add(exchange.rawPath)
            seen.add(exchange.queryItems.map { "\($0.name)=\($0.value)" }.joined(separator: ","))
            seen.add(exchange.header("x-ONE") ?? "none")
            seen.add(exchange.headers("X-One").joined(separator: ","))
            seen.add(exchange.header("X-Two") ?? "none")
            seen.add(String(decoding: exchange.body, as: UTF8.self))
            seen.add(exchange.remoteAddress)
            exchange.respond(
                status: 201, headers: [("X-Answer", "yes"), ("X-Answer", "again")], body: Array("done".utf8))
        } test: { server in
            let response = try server.request(
                "POST /a%2Fb%20c?x=1&y=a+b HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-one:2 \r\nContent-Length: 4\r\n\r\nbody"
            )
            #expect(response.status == 201)
            #expect(response.text == "done")
            #expect(response.head.hasPrefix("HTTP/1.1 201 Created\r\n"))
            #expect(response.head.contains("X-Answer: yes\r\nX-Answer: again\r\n"))
            #expect(response.header("Content-Length") == "4")
            #expect(response.header("Content-Type") == nil)
            #expect(
                seen.all == ["POST", "/a/b c", "/a%2Fb%20c", "x=1,y=a b", "1", "1,2", "none", "body", "127.0.0.1"])
        }
    }

    @Test(arguments: HTTPMethod.allCases)
    func `every known method reaches the handler`(method: HTTPMethod) async throws {
        try await withRecorder { server, seen in
            let client = try server.connect()
            let target = method == .connect ? "a:443" : "/m"
            try client.send(
                "\(method.rawValue) \(target) HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            let response = try client.readResponse(toHEAD: method == .head)
            #expect(response.status == 200)
            #expect(response.header("Content-Length") != nil)
            #expect(try client.readResponse().text == "ok /next")
            #expect(seen.all.count == 2 && seen.all.first?.hasPrefix("\(method.rawValue) ") == true)
        }
    }

    @Test func `HEAD tells the length and sends no body, 204 neither`() async throws {
        try await withServer { exchange in
            exchange.respond(status: exchange.path == "/none" ? 204 : 200, body: Array("12345".utf8))
        } test: { server in
            let client = try server.connect()
            try client.send(
                "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            #expect(try client.readResponse(toHEAD: true).header("Content-Length") == "5")
            let none = try client.readResponse()
            #expect(none.status == 204 && none.header("Content-Length") == nil)
            #expect(try client.readResponse().text == "12345")
        }
    }

    @Test func `pipelined requests are answered in order, also when answers take a while`() async throws {
        try await withServer { exchange, loop in
            let number = Int(exchange.path.dropFirst()) ?? 0
            // Each suspends for a time of its own; the order of the answers must not follow it.
            loop.spawn {
                await loop.sleep(milliseconds: number % 3)
                exchange.respond(status: 200, body: Array("\(number)".utf8))
            }
        } test: { server in
            let client = try server.connect()
            var text = ""
            for number in 0..<50 {
                text +=
                    "POST /\(number) HTTP/1.1\r\nHost: a\r\nContent-Length: \(number)\r\n\r\n"
                    + String(repeating: "b", count: number)
            }
            try client.send(text)
            for number in 0..<50 { #expect(try client.readResponse().text == "\(number)") }
        }
    }

    @Test func `many requests on one connection, each byte on its own`() async throws {
        try await withRecorder { server, seen in
            let client = try server.connect()
            for number in 0..<5 {
                for byte
                    in "PUT /\(number) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                    .utf8
                {
                    try client.send([byte])
                }
                #expect(try client.readResponse().text == "ok /\(number)")
            }
            #expect(seen.all == (0..<5).map { "PUT /\($0) abcde" })
        }
    }

    @Test func `an empty body with a JSON type arrives as an empty body`() async throws {
        try await withRecorder { server, seen in
            let client = try server.connect()
            for fields in [
                "", "Content-Length: 0\r\n", "Connection: keep-alive\r\n",
                "Connection: keep-alive\r\nContent-Length: 0\r\n",
            ] {
                let text = "POST /r HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\(fields)\r\n"
                // Whole, and cut behind the request line, which the parser has taken by then.
                try client.send(text)
                #expect(try client.readResponse().status == 200)
                try client.send(String(text.prefix(20)))
                #expect(try await server.eventually { $0.activeExchanges == 0 })
                try client.send(String(text.dropFirst(20)))
                #expect(try client.readResponse().status == 200)
            }
            #expect(seen.all == Array(repeating: "POST /r ", count: 8))
        }
    }

    @Test(arguments: ["GET", "DELETE", "OPTIONS", "CONNECT"])
    func `the body of a method that seldom has one is read as a body`(method: String) async throws {
        try await withRecorder { server, seen in
            let client = try server.connect()
            let smuggled = HostileInputTests.smuggled
            let text = "\(method) /d HTTP/1.1\r\nHost: a\r\nContent-Length: \(smuggled.utf8.count)\r\n\r\n\(smuggled)"
            try client.send(text + text)
            for _ in 0..<2 { #expect(try client.readResponse().text == "ok /d") }
            for byte in text.utf8 { try client.send([byte]) }
            #expect(try client.readResponse().text == "ok /d")
            try client.send("\(method) /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
            #expect(try client.readResponse().text == "ok /c")
            #expect(seen.all == Array(repeating: "\(method) /d \(smuggled)", count: 3) + ["\(method) /c a"])
        }
    }

    @Test func `a body up to the limit arrives, a larger one is 413`() async throws {
        var limits = HTTPLimits()
        limits.bodyBytes = 300_000
        try await withServer(limits: limits) { exchange in
            exchange.respond(status: 200, body: exchange.body)
        } test: { server in
            let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let client = try server.connect()
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
            try client.send(body)
            #expect(try client.readResponse().body == body)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300001\r\n\r\n")
            try? client.send(body)
            #expect(try client.readResponse().status == 413)
            let chunks = try server.connect()
            try chunks.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<40 {
                guard (try? chunks.send("2000\r\n" + String(repeating: "x", count: 8192) + "\r\n")) != nil else {
                    break
                }
            }
            let answer = try String(decoding: chunks.readToEnd().prefix(12), as: UTF8.self)
            #expect(answer == "HTTP/1.1 413" || answer.isEmpty)
        }
    }

    @Test func `a client that asks to continue is told to`() async throws {
        try await withRecorder { server, seen in
            let client = try server.connect()
            try client.send("POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            #expect(try client.readHead().status == 100)
            try client.send("abc")
            #expect(try client.readResponse().text == "ok /c")
            #expect(seen.all == ["POST /c abc"])
        }
    }

    @Test func `connections are kept or closed as the client asks`() async throws {
        try await withRecorder { server, _ in
            let close = try server.connect()
            try close.send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            #expect(try close.readResponse().header("Connection") == "close")
            #expect(try close.readToEnd().isEmpty)
            let old = try server.connect()
            try old.send("GET /a HTTP/1.0\r\n\r\n")
            #expect(try old.readResponse().text == "ok /a")
            let kept = try server.connect()
            try kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try kept.readResponse().text == "ok /a")
            try kept.send("GET /b HTTP/1.0\r\n\r\n")
            #expect(try kept.readResponse().text == "ok /b")
        }
    }

    @Test func `a field that breaks its line is left out`() async throws {
        try await withServer { exchange in
            exchange.respond(status: 200, headers: [("X-Bad", "a\r\nX-Evil: b"), ("X\nY", "c"), ("X-Good", "d")])
        } test: { server in
            let response = try server.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(response.header("X-Good") == "d")
            #expect(!response.head.contains("Evil") && !response.head.contains("Bad"))
        }
    }

    @Test func `an exchange that is dropped is answered 500`() async throws {
        try await withServer { _ in
        } test: { server in
            let response = try server.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(response.status == 500)
        }
    }
}
