import Glibc
import SojournLoop

/// What carries requests of the load generator, one at a time.
protocol LoadLink: AnyObject {
    /// Sends a request; only while none is under way.
    func send(_ request: [UInt8], answer: @escaping (LoadConnection.Reply) -> Void)
    func close()
}

/// A keep-alive HTTP/1.1 connection of the load generator. Loop-confined.
@safe final class LoadConnection: LoadLink {
    /// What came back.
    struct Reply {
        /// The status; 0 when the connection broke.
        let status: Int
        let body: ArraySlice<UInt8>
    }

    private let loop: EventLoop
    private let endpoint: Endpoint
    private var stream: ByteStream?
    private var received: [UInt8] = []
    private var answer: ((Reply) -> Void)?
    private var isClosing = false
    /// Bytes over all connections of the same counter.
    private let traffic: Traffic

    /// Bytes sent and received.
    final class Traffic {
        var sent = 0
        var received = 0
    }

    init(loop: EventLoop, endpoint: Endpoint, traffic: Traffic) {
        self.loop = loop
        self.endpoint = endpoint
        self.traffic = traffic
        self.connect()
    }

    private func connect() {
        self.received.removeAll()
        self.stream = ByteStream.connect(
            to: self.endpoint, loop: self.loop, timeoutMs: 5000,
            handlers: unsafe .init(
                received: { [unowned self] bytes in unsafe self.take(bytes) },
                closed: { [weak self] _ in self?.closed() }))
    }

    /// Its answer must have a Content-Length.
    func send(_ request: [UInt8], answer: @escaping (Reply) -> Void) {
        precondition(self.answer == nil, "a load connection carries one request at a time")
        self.answer = answer
        self.traffic.sent += request.count
        self.stream?.write(request)
    }

    func close() {
        self.isClosing = true
        self.stream?.close()
    }

    private func closed() {
        let answer = self.answer
        self.answer = nil
        if !self.isClosing { self.connect() }
        answer?(Reply(status: 0, body: []))
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        self.traffic.received += bytes.count
        unsafe self.received.append(contentsOf: bytes)
        guard let head = ResponseHead(self.received), self.received.count >= head.length + head.contentLength else {
            return
        }
        let reply = Reply(status: head.status, body: self.received[head.length..<(head.length + head.contentLength)])
        self.received.removeAll(keepingCapacity: true)
        let answer = self.answer
        self.answer = nil
        answer?(reply)
    }
}

/// The head of a response, as far as the load generator needs it.
@safe struct ResponseHead {
    let status: Int
    /// Bytes up to the body.
    let length: Int
    let contentLength: Int

    /// Nil while the head is not whole.
    init?(_ bytes: [UInt8]) {
        guard let end = Self.find("\r\n\r\n", in: bytes, from: 0), bytes.count > 12 else { return nil }
        self.status = bytes[9..<12].reduce(0) { $0 * 10 + Int($1) - 48 }
        self.length = end + 4
        var contentLength = 0
        let field =
            Self.find("Content-Length: ", in: bytes, from: 0) ?? Self.find("content-length: ", in: bytes, from: 0)
        if let field, field < end {
            for byte in bytes[(field + 16)...] {
                guard byte >= 48, byte <= 57 else { break }
                contentLength = contentLength * 10 + Int(byte) - 48
            }
        }
        self.contentLength = contentLength
    }

    /// Where these ASCII bytes stand first.
    static func find(_ text: StaticString, in bytes: [UInt8], from start: Int) -> Int? {
        unsafe bytes.withUnsafeBytes { buffer -> Int? in
            let length = text.utf8CodeUnitCount
            var position = start
            while let base = buffer.baseAddress, position + length <= buffer.count,
                let hit = unsafe memchr(base + position, CInt(text.utf8Start[0]), buffer.count - length + 1 - position)
            {
                position = unsafe UnsafeRawPointer(hit) - base
                if unsafe memcmp(hit, text.utf8Start, length) == 0 { return position }
                position += 1
            }
            return nil
        }
    }
}
