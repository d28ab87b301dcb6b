import SojournHTTP
import SojournLoop
import SojournTesting
import Testing

@Suite struct WebSocketHandshakeTests {
    @Test func `the handshake of the standard is answered as the standard says`() async throws {
        try await withEcho { server, _, _ in
            for headers in [
                [:], ["Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"], ["Connection": "upgrade"],
                ["Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"],
                ["Sec-WebSocket-Protocol": "chat, superchat"],
            ] {
                let socket = try server.webSocket(headers: headers)
                #expect(socket.head.status == 101)
                #expect(socket.head.header("Sec-WebSocket-Accept") == RawWebSocket.accept)
                #expect(socket.head.header("Upgrade") == "websocket")
                #expect(socket.head.header("Connection") == "Upgrade")
                #expect(socket.head.header("Sec-WebSocket-Extensions") == nil, "compression is refused")
                #expect(socket.head.header("Sec-WebSocket-Protocol") == nil)
                try socket.send("hello")
                #expect(try socket.next() == .text("hello"))
            }
        }
    }

    @Test func `what is no handshake is refused with its reason`() async throws {
        try await withEcho { server, sockets, _ in
            let rows: [([String: String], Int, String)] = [
                (["Upgrade": ""], 426, "Upgrade: websocket"), (["Upgrade": "h2c"], 426, "Upgrade: websocket"),
                (["Connection": "keep-alive"], 400, "Connection: Upgrade"),
                (["Connection": ""], 400, "Connection: Upgrade"),
                (["Sec-WebSocket-Version": "8"], 426, "version 13"), (["Sec-WebSocket-Version": ""], 426, "version 13"),
                (["Sec-WebSocket-Key": ""], 400, "Sec-WebSocket-Key"),
                (["Sec-WebSocket-Key": "c2hvcnQ="], 400, "Sec-WebSocket-Key"),
                (["Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=!"], 400, "Sec-WebSocket-Key"),
                (["Origin": "https://evil.example"], 403, "origin"), (["Origin": "null"], 403, "origin"),
            ]
            for (headers, status, word) in rows {
                let answer = try server.request(RawWebSocket.handshake("/echo", headers: headers))
                #expect(answer.status == status, "\(headers)")
                #expect(answer.text.contains(word), "\(answer.text)")
                if status == 426 { #expect(answer.header("Upgrade") == "websocket") }
                if word == "version 13" { #expect(answer.header("Sec-WebSocket-Version") == "13") }
            }
            let old = RawWebSocket.handshake("/echo").replacing("HTTP/1.1", with: "HTTP/1.0")
            #expect(try server.request(old).status == 400)
            let posted = RawWebSocket.handshake("/echo").replacing("GET ", with: "POST ")
            #expect(try server.request(posted).status == 426)
            #expect(try await server.onLoop { _ in sockets.open.isEmpty })
        }
    }

    @Test func `pages may connect to their own host, or as they are listed`() {
        let own = WebSocketOrigins()
        #expect(own.admits(nil, to: "chat.example"))
        #expect(own.admits("https://Chat.example", to: "chat.example"))
        #expect(own.admits("http://chat.example:3000", to: "chat.example:3000"))
        #expect(own.admits("https://chat.example:443", to: "chat.example"))
        #expect(!own.admits("https://chat.example:444", to: "chat.example"))
        #expect(!own.admits("https://chat.example.evil.example", to: "chat.example"))
        #expect(!own.admits("file://chat.example", to: "chat.example"))
        #expect(!own.admits("null", to: "chat.example"))
        let listed = WebSocketOrigins(["https://App.example"])
        #expect(listed.admits("https://app.example", to: "chat.example"))
        #expect(!listed.admits("https://chat.example", to: "chat.example"))
        #expect(listed.admits(nil, to: "chat.example"))
        #expect(WebSocketOrigins(["*"]).admits("https://any.example", to: "chat.example"))
    }

    @Test func `frames that come with the handshake are read, and the connection is no HTTP any more`() async throws {
        try await withEcho { server, _, seen in
            let client = try server.connect()
            try client.send(
                Array(RawWebSocket.handshake("/echo").utf8) + RawWebSocket.bytes(.text("early"))
                    + RawWebSocket.bytes(.text("GET / HTTP/1.1")))
            #expect(try client.readHead().status == 101)
            #expect(try client.take(count: 7) == [0x81, 5] + Array("early".utf8))
            #expect(try client.take(count: 16) == [0x81, 14] + Array("GET / HTTP/1.1".utf8))
            #expect(seen.all == ["text 5", "text 14"])
        }
    }
}
