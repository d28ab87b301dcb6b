import Foundation

/// One frame as it came.
public struct RawFrame: Sendable, Equatable {
    /// Whether it ends its message.
    public var isFinal: Bool
    /// 1 text, 2 binary, 8 close, 9 ping, 10 pong, 0 more of the same.
    public var opcode: UInt8
    /// Its payload.
    public var payload: [UInt8]

    /// A frame of these.
    public init(opcode: UInt8, _ payload: [UInt8] = [], isFinal: Bool = true) {
        self.opcode = opcode
        self.payload = payload
        self.isFinal = isFinal
    }

    /// A text frame.
    public static func text(_ text: String) -> RawFrame { RawFrame(opcode: 1, Array(text.utf8)) }

    /// A close frame.
    public static func close(_ code: Int, _ reason: String = "") -> RawFrame {
        RawFrame(opcode: 8, [UInt8(code >> 8), UInt8(code & 255)] + reason.utf8)
    }

    /// The payload as text.
    public var text: String { String(decoding: self.payload, as: UTF8.self) }

    /// The code of a close frame; nil when there is none.
    public var closeCode: Int? {
        self.opcode == 8 && self.payload.count >= 2 ? Int(self.payload[0]) << 8 | Int(self.payload[1]) : nil
    }
}

/// A blocking WebSocket client for tests, which can break every rule. Every read has a deadline.
public final class RawWebSocket {
    /// The connection.
    public let http: RawHTTP
    /// The answer to the handshake.
    public let head: RawResponse
    /// Whether ``next()`` answers pings.
    public var answersPings = true

    /// The key of RFC 6455 section 1.3, and what answers it.
    public static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    /// The value that proves that the key was read.
    public static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    /// The bytes of a handshake; a header of an empty value is left out.
    public static func handshake(_ target: String, headers: [String: String] = [:]) -> String {
        var fields = [
            "Host": "test", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": Self.key,
        ]
        fields.merge(headers) { $1 }
        let lines = fields.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }
        return "GET \(target) HTTP/1.1\r\n\(lines.joined())\r\n"
    }

    /// Connects and shakes hands; `head` says whether that worked.
    public init(_ http: RawHTTP, target: String = "/", headers: [String: String] = [:]) throws {
        self.http = http
        try http.send(Self.handshake(target, headers: headers))
        self.head = try http.readHead()
    }

    /// The bytes of a frame from a client.
    public static func bytes(
        _ frame: RawFrame, reserved: UInt8 = 0, mask: [UInt8]? = [0x37, 0xfa, 0x21, 0x3d], claiming: Int? = nil
    ) -> [UInt8] {
        let length = claiming ?? frame.payload.count
        var bytes: [UInt8] = [(frame.isFinal ? 0x80 : 0) | reserved << 4 | frame.opcode]
        let marked: UInt8 = mask == nil ? 0 : 0x80
        if length < 126 {
            bytes.append(marked | UInt8(length))
        } else if length < 65_536 {
            bytes += [marked | 126, UInt8(length >> 8), UInt8(length & 255)]
        } else {
            bytes.append(marked | 127)
            bytes += (0..<8).reversed().map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) }
        }
        guard let mask else { return bytes + frame.payload }
        return bytes + mask + frame.payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    /// Sends a frame.
    public func send(_ frame: RawFrame) throws { try self.http.send(Self.bytes(frame)) }

    /// Sends a text message.
    public func send(_ text: String) throws { try self.send(.text(text)) }

    /// The next frame, whatever it is.
    public func readFrame() throws -> RawFrame {
        let head = try self.http.take(count: 2)
        guard head[1] & 0x80 == 0, head[0] & 0x70 == 0 else {
            throw RawHTTPError.malformed("a server's frame with the first bytes \(head)")
        }
        var length = Int(head[1])
        if length > 125 {
            length = try self.http.take(count: length == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) }
        }
        return RawFrame(
            opcode: head[0] & 15, try self.http.take(count: length), isFinal: head[0] & 0x80 != 0)
    }

    /// The next frame that is no ping or pong; pings are answered.
    public func next() throws -> RawFrame {
        while true {
            let frame = try self.readFrame()
            if frame.opcode == 9, self.answersPings { try self.send(RawFrame(opcode: 10, frame.payload)) }
            if frame.opcode < 9 { return frame }
        }
    }

    /// Whether the server closes the connection now, without another byte.
    public func isClosedByServer() throws -> Bool { try self.http.readToEnd().isEmpty }
}
