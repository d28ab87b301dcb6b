import SojournLoop

/// A WebSocket of the load generator: one operation at a time. Loop-confined.
///
/// An answer of op `error` has the status 400, any other 200. Pings are answered, so it stays open.
@safe final class SocketConnection: LoadLink {
    private let loop: EventLoop
    private let endpoint: Endpoint
    private let traffic: LoadConnection.Traffic
    private var stream: ByteStream?
    private var received: [UInt8] = []
    private var isOpen = false
    private var isClosing = false
    private var answer: ((LoadConnection.Reply) -> Void)?

    init(loop: EventLoop, endpoint: Endpoint, traffic: LoadConnection.Traffic) {
        self.loop = loop
        self.endpoint = endpoint
        self.traffic = traffic
        self.connect()
    }

    private func connect() {
        self.received.removeAll()
        self.isOpen = false
        let stream = ByteStream.connect(
            to: self.endpoint, loop: self.loop, timeoutMs: 5000,
            handlers: unsafe .init(
                received: { [unowned self] bytes in unsafe self.take(bytes) },
                closed: { [weak self] _ in self?.closed() }))
        self.stream = stream
        stream.write(BenchRequest.handshake("/api/messaging/ws"))
    }

    func send(_ request: [UInt8], answer: @escaping (LoadConnection.Reply) -> Void) {
        precondition(self.answer == nil, "a socket of the load generator carries one operation at a time")
        self.answer = answer
        let frame = BenchRequest.frame(request)
        self.traffic.sent += frame.count
        self.stream?.write(frame)
    }

    func close() {
        self.isClosing = true
        self.stream?.close()
    }

    private func closed() {
        if !self.isClosing { self.connect() }
        self.reply(status: 0, [])
    }

    private func reply(status: Int, _ body: ArraySlice<UInt8>) {
        let answer = self.answer
        self.answer = nil
        answer?(LoadConnection.Reply(status: status, body: body))
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        self.traffic.received += bytes.count
        unsafe self.received.append(contentsOf: bytes)
        if !self.isOpen {
            guard let end = ResponseHead.find("\r\n\r\n", in: self.received, from: 0) else { return }
            self.received.removeSubrange(..<(end + 4))
            self.isOpen = true
        }
        while let frame = ServerFrame(self.received) {
            let payload = self.received[frame.payload]
            self.received.removeSubrange(..<frame.payload.upperBound)
            switch frame.operation {
            case 1:
                let isError = payload.starts(with: Array(#"{"op":"error""#.utf8))
                self.reply(status: isError ? 400 : 200, payload)
            case 9: self.stream?.write(BenchRequest.frame(Array(payload), operation: 10))
            default: break
            }
        }
    }
}

/// The head of a frame that a server has sent: not masked, and not in parts.
private struct ServerFrame {
    let operation: UInt8
    let payload: Range<Int>

    /// Nil while the frame is not whole.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 2 else { return nil }
        let more = bytes[1] == 127 ? 8 : bytes[1] == 126 ? 2 : 0
        guard bytes.count >= 2 + more else { return nil }
        let length = more == 0 ? Int(bytes[1]) : bytes[2..<(2 + more)].reduce(0) { $0 << 8 | Int($1) }
        self.operation = bytes[0] & 15
        self.payload = (2 + more)..<(2 + more + length)
        guard bytes.count >= self.payload.upperBound else { return nil }
    }
}
