/// Requests of the load generator, as bytes.
enum BenchRequest {
    static let base = "/api/messaging/sessions"

    static func get(_ path: String) -> [UInt8] {
        Array("GET \(path) HTTP/1.1\r\nHost: bench\r\n\r\n".utf8)
    }

    static func delete(_ path: String) -> [UInt8] {
        Array("DELETE \(path) HTTP/1.1\r\nHost: bench\r\n\r\n".utf8)
    }

    /// The opening handshake of a WebSocket and a frame that subscribes to a session.
    static func subscribe(_ session: String) -> [UInt8] {
        let operation = Array(#"{"op":"subscribe","id":1,"sessionId":"\#(session)"}"#.utf8)
        return self.handshake("/api/messaging/ws") + self.frame(operation)
    }

    /// A client's frame of less than 64 KiB, by default of text. Its mask is zero, which is allowed.
    static func frame(_ payload: [UInt8], operation: UInt8 = 1) -> [UInt8] {
        let length =
            payload.count < 126
            ? [0x80 | UInt8(payload.count)] : [0xfe, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        return [0x80 | operation] + length + [0, 0, 0, 0] + payload
    }

    static func handshake(_ path: String) -> [UInt8] {
        Array(
            """
            GET \(path) HTTP/1.1\r
            Host: bench\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Version: 13\r
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
            \r

            """.utf8)
    }

    static func events(_ path: String) -> [UInt8] {
        Array("GET \(path) HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n".utf8)
    }

    static func post(_ path: String, _ body: String = "") -> [UInt8] {
        Array(
            """
            POST \(path) HTTP/1.1\r
            Host: bench\r
            Content-Type: application/json\r
            Content-Length: \(body.utf8.count)\r
            \r
            \(body)
            """.utf8)
    }

    /// A session of one of 1,000 users with one of 16 agents.
    static func create(_ number: Int, timeoutMinutes: Double? = nil) -> [UInt8] {
        let timeout = timeoutMinutes.map { #","timeoutConfig":{"timeoutMinutes":\#($0)}"# } ?? ""
        return self.post(
            self.base,
            #"{"agentId":"\#(self.uuid(number % 16))","userId":"\#(self.uuid(1000 + number % 1000))"\#(timeout)}"#)
    }

    private static func uuid(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return "11111111-1111-4111-8111-" + String(repeating: "0", count: 12 - digits.count) + digits
    }

    /// The session id in the answer to a create, whose first member it is.
    static func sessionID(_ body: ArraySlice<UInt8>) -> String {
        String(decoding: body.dropFirst(#"{"sessionId":""#.utf8.count).prefix(36), as: UTF8.self)
    }
}
