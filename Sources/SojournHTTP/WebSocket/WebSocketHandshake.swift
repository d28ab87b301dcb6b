import COpenSSL

/// Why a request did not become a WebSocket.
public struct WebSocketRefusal: Error, Sendable {
    /// The HTTP status: 400, 403 or 426.
    public let status: Int
    /// The sentence for the client.
    public let message: String
    /// What the answer must carry (RFC 6455 section 4.4, RFC 9110 section 15.5.22).
    public let headers: HTTPHeaders
}

/// Which pages may connect: browsers name theirs in `Origin`, and nobody else has to.
public struct WebSocketOrigins: Sendable {
    /// Origins such as `https://chat.example`, lower case; `*` is every one. None means the host of the request.
    public var allowed: Set<String>

    /// The pages of these origins; of none, those from the host that they connect to.
    public init(_ allowed: [String] = []) { self.allowed = Set(allowed.map { $0.lowercased() }) }

    /// Whether a page of this origin may connect to this host. Without an origin it is no browser.
    public func admits(_ origin: String?, to host: String?) -> Bool {
        guard let origin = origin?.lowercased() else { return true }
        if !self.allowed.isEmpty { return self.allowed.contains(origin) || self.allowed.contains("*") }
        guard let host = host?.lowercased(), let scheme = ["http://", "https://"].first(where: origin.hasPrefix) else {
            return false
        }
        let port = scheme == "http://" ? ":80" : ":443"
        func bare(_ text: some StringProtocol) -> String {
            text.hasSuffix(port) ? String(text.dropLast(port.count)) : String(text)
        }
        return bare(origin.dropFirst(scheme.count)) == bare(host)
    }
}

/// The opening handshake, server side (RFC 6455 section 4.2). No extension and no subprotocol is ever agreed to, so
/// `permessage-deflate` stays off.
enum WebSocketHandshake {
    private static let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// The fields of the 101 answer.
    static func answer(
        to request: some HTTPCarrier, origins: WebSocketOrigins
    ) throws(WebSocketRefusal) -> HTTPHeaders {
        guard request.method == .get, Self.tokens(request, "Upgrade").contains("websocket") else {
            throw WebSocketRefusal(
                status: 426, message: "This is a WebSocket: the request must ask for 'Upgrade: websocket'",
                headers: [("Upgrade", "websocket"), ("Connection", "Upgrade")])
        }
        guard request.isHTTP11, Self.tokens(request, "Connection").contains("upgrade") else {
            throw Self.malformed("The handshake must be HTTP/1.1 with 'Connection: Upgrade'")
        }
        guard request.headers("Sec-WebSocket-Version").map(Self.trimmed) == ["13"] else {
            throw WebSocketRefusal(
                status: 426, message: "Only version 13 of the WebSocket protocol is spoken here",
                headers: [("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket"), ("Connection", "Upgrade")])
        }
        let keys = request.headers("Sec-WebSocket-Key").map(Self.trimmed)
        guard keys.count == 1, let key = keys.first, Self.isKey(key) else {
            throw Self.malformed("Sec-WebSocket-Key must be given once, as base64 of 16 bytes")
        }
        guard origins.admits(request.header("Origin"), to: request.header("Host")) else {
            throw WebSocketRefusal(status: 403, message: "Pages of this origin may not connect", headers: [])
        }
        return [
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", Self.accept(key)),
        ]
    }

    private static func malformed(_ message: String) -> WebSocketRefusal {
        WebSocketRefusal(status: 400, message: message, headers: [])
    }

    /// The comma-separated words of a field, lower case.
    private static func tokens(_ request: some HTTPCarrier, _ name: String) -> [String] {
        request.headers(name).flatMap { $0.split(separator: ",") }.map { Self.trimmed(String($0)).lowercased() }
    }

    private static func trimmed(_ text: String) -> String {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        var rest = text[...].drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return String(rest)
    }

    /// 16 bytes in base64 are 22 letters and two signs.
    private static func isKey(_ text: String) -> Bool {
        let letters = text.utf8.prefix(22)
        return text.utf8.count == 24 && text.hasSuffix("==")
            && letters.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
            }
    }

    /// Proves that the key was read (section 4.2.2, item 5.4): base64 of SHA-1 of the key and a fixed text.
    static func accept(_ key: String) -> String {
        let text = Array((key + Self.guid).utf8)
        var digest = [UInt8](repeating: 0, count: 20)
        var length: UInt32 = 0
        let ok = unsafe EVP_Digest(text, text.count, &digest, &length, EVP_sha1(), nil)
        precondition(ok == 1 && length == 20, "OpenSSL refused SHA-1")
        var encoded = [UInt8](repeating: 0, count: 29)
        let count = unsafe EVP_EncodeBlock(&encoded, digest, 20)
        return String(decoding: encoded.prefix(Int(count)), as: UTF8.self)
    }
}
