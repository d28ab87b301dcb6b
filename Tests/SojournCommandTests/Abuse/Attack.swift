import SojournTesting

/// What somebody does who means no good.
enum Attack: CaseIterable {
    /// Asks once and keeps the connection.
    case idle
    /// A byte of a header now and then.
    case slowHeaders
    /// A byte of a body now and then.
    case slowBody
    /// Bytes that are no request.
    case garbage
    /// Writes on the event stream that it reads.
    case writesOnStream
    /// Fragments of a message that never ends, one byte in each.
    case fragments

    /// What is sent first.
    func opening(_ session: String) -> [UInt8] {
        let text =
            switch self {
            case .idle: "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
            case .slowHeaders: "GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: "
            case .slowBody:
                "POST \(NodeProcess.sessions)/\(session)/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
            case .garbage: ""
            case .writesOnStream: "GET \(NodeProcess.sessions)/\(session)/stream?after=0 HTTP/1.1\r\nHost: a\r\n\r\n"
            case .fragments: RawWebSocket.handshake("/api/messaging/ws")
            }
        return Array(text.utf8)
    }

    /// What is sent each time; `number` tells connections apart.
    func more(isFirst: Bool, _ number: Int) -> [UInt8] {
        switch self {
        case .idle: []
        case .slowHeaders, .slowBody: [UInt8(ascii: "x")]
        case .garbage: isFirst ? Self.rubbish[number % Self.rubbish.count] : []
        case .writesOnStream: Self.noise
        case .fragments: isFirst ? Self.first + Self.next : Self.next
        }
    }

    /// Milliseconds until one that was thrown out is back.
    var absence: Int { self == .garbage ? 2000 : 200 }
    /// What one of them may cost the node, in bytes: an idle connection little more than evhttp's own record of it, one in
    /// the middle of something what the limits allow it, a live one what it may send unasked.
    var mayCost: Int {
        switch self {
        case .idle: 4 << 10
        case .slowHeaders, .slowBody, .garbage: 16 << 10
        case .writesOnStream, .fragments: 64 << 10
        }
    }
    /// Whether its opening must be answered before it goes on.
    var waitsForAnswer: Bool { self == .writesOnStream || self == .fragments }

    private static let noise = [UInt8](repeating: UInt8(ascii: "n"), count: 8192)
    private static let first = RawWebSocket.bytes(RawFrame(opcode: 1, [120], isFinal: false))
    private static let next = (0..<200).flatMap { _ in RawWebSocket.bytes(RawFrame(opcode: 0, [120], isFinal: false)) }
    private static let rubbish: [[UInt8]] = {
        var random = SeededGenerator(seed: 6)
        let noise = (0..<16).map { _ in (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) } }
        let texts = [
            "\r\n\r\n\r\n\r\n", "GET", "GET / HTTP/1.1\r\n: \r\n\r\n", "\u{0}\u{0}\u{0}\u{0}",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
        ]
        return noise + texts.map { Array($0.utf8) } + [[UInt8](repeating: UInt8(ascii: "G"), count: 65_536)]
    }()
}
