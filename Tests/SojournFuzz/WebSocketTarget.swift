import Glibc
import SojournLoop

@testable import SojournHTTP

/// Frames of a WebSocket's peer: whatever comes, what we say is well-formed, we close once, and are silent then.
struct WebSocketTarget: FuzzTarget {
    private let loop = EventLoop(name: "fuzz")

    func check(_ input: [UInt8]) {
        let loop = self.loop
        let done = Latch()
        Task {
            let carrier = try? await loop.run { () -> Confined<Peer> in
                let peer = Peer()
                try? peer.open(loop)
                for piece in pieces(of: input) { peer.receive(piece) }
                return Confined(peer, to: loop)
            }
            // What was put off to the end of the pass has happened by now.
            try? await loop.run { carrier?.value.judge() }
            done.open()
        }
        done.wait()
    }
}

/// The other end, as the server sees it.
private final class Peer: HTTPCarrier {
    private var incoming: [UInt8] = []
    private var outgoing: [UInt8] = []
    private var readable: (() -> Void)?
    private var socket: WebSocket?
    private var ends = 0

    let method = HTTPMethod.get
    let target = "/ws"
    let remoteAddress = "127.0.0.1"
    let body: [UInt8] = []
    let fields = [
        "upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "host": "a",
    ]
    var isClosed = false
    var onClosed: (() -> Void)?
    var onDrained: (() -> Void)?
    var isReceiving = true
    let isHTTP11 = true
    let unconfirmedBytes = 0
    let pendingBytes = 0
    let lastWriteProgress = 0

    func header(_ name: String) -> String? { self.fields[name.lowercased()] }
    func headers(_ name: String) -> [String] { self.header(name).map { [$0] } ?? [] }
    func answer(status: Int, headers: HTTPHeaders, more: HTTPHeaders, body: [UInt8]) { fatalError("refused") }
    func startStream(status: Int, headers: HTTPHeaders, more: HTTPHeaders) { fatalError("a stream began") }
    func takeOver(headers: HTTPHeaders, readable: @escaping () -> Void) { self.readable = readable }
    func write(_ bytes: Span<UInt8>) { for index in bytes.indices { self.outgoing.append(bytes[index]) } }
    func endStream() { self.isClosed = true }
    func abort() { self.isClosed = true }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, self.incoming.count)
        buffer.copyBytes(from: self.incoming.prefix(count))
        self.incoming.removeFirst(count)
        return count
    }

    func open(_ loop: EventLoop) throws(WebSocketRefusal) {
        var limits = WebSocketLimits()
        limits.messageBytes = 4096
        limits.fragments = 16
        let socket = try WebSocket.accept(HTTPExchange(carrier: self), loop: loop, limits: limits)
        self.socket = socket
        socket.onMessage { [unowned socket] message in
            switch message {
            case .text(let text):
                precondition(String(validating: text, as: UTF8.self) != nil, "text that is not UTF-8")
                precondition(text.count <= 4096, "a message over the limit")
                if text == Array("bye".utf8) { socket.close(.goingAway) } else { socket.reply(.text(text)) }
            case .binary(let bytes):
                precondition(bytes.count <= 4096, "a message over the limit")
                socket.reply(.binary(bytes))
            }
        }
        socket.onEnd { [unowned self] _ in self.ends += 1 }
    }

    func receive(_ bytes: ArraySlice<UInt8>) {
        guard !self.isClosed else { return }
        self.incoming += bytes
        self.readable?()
    }

    /// Reads what the server said: whole frames, not masked, and nothing after a close.
    func judge() {
        precondition(self.ends <= 1, "ended twice")
        precondition(!self.isClosed || self.ends == 1, "closed without a word to its owner")
        var rest = self.outgoing[...]
        var hasClosed = false
        while let first = rest.popFirst() {
            precondition(!hasClosed, "something after a close")
            guard let second = rest.popFirst() else { fatalError("half a frame") }
            precondition(first & 0x70 == 0 && first & 0x80 != 0 && second & 0x80 == 0, "a frame no server may send")
            precondition([1, 2, 8, 9, 10].contains(first & 15), "an opcode that does not exist")
            var length = Int(second)
            if length > 125 {
                let count = length == 126 ? 2 : 8
                precondition(rest.count >= count, "half a length")
                length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
                rest = rest.dropFirst(count)
            }
            precondition(rest.count >= length, "half a frame")
            hasClosed = first & 15 == 8
            rest = rest.dropFirst(length)
        }
        // What the server keeps while it waits for a close must not outlive this input.
        self.isClosed = true
        let closed = self.onClosed
        (self.onClosed, self.onDrained, self.readable) = (nil, nil, nil)
        closed?()
        self.socket = nil
    }
}

/// Lets the thread of the fuzzer wait for the loop.
private final class Latch: @unchecked Sendable {
    // A semaphore may be used by any thread; it is allocated once and freed when nobody can hold it any more.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(self.semaphore, 0, 0) }

    deinit {
        sem_destroy(self.semaphore)
        self.semaphore.deallocate()
    }

    func open() { sem_post(self.semaphore) }

    func wait() { while sem_wait(self.semaphore) != 0 {} }
}
