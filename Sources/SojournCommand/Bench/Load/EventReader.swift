import SojournLoop

/// A subscriber of the load generator: counts the stamped messages of one session. Loop-confined.
///
/// A stamped message carries the time at which its sending was due; ``stamp(_:)`` makes its content.
@safe final class EventReader {
    private var stream: ByteStream?
    private var pending: [UInt8] = []
    private let onStamp: (_ due: Int) -> Void
    private let ready: StaticString
    private var onOpen: (() -> Void)?
    private(set) var isOpen = false
    private(set) var hasEnded = false

    convenience init(
        loop: EventLoop, endpoint: Endpoint, path: String, onOpen: @escaping () -> Void,
        onStamp: @escaping (_ due: Int) -> Void
    ) {
        self.init(
            loop: loop, endpoint: endpoint, request: BenchRequest.get(path), ready: "event: stream.ready",
            onOpen: onOpen, onStamp: onStamp)
    }

    /// Reads over a WebSocket of its own. It answers no ping, so it is closed after a minute or so.
    convenience init(
        loop: EventLoop, endpoint: Endpoint, session: String, onOpen: @escaping () -> Void,
        onStamp: @escaping (_ due: Int) -> Void = { _ in }
    ) {
        self.init(
            loop: loop, endpoint: endpoint, request: BenchRequest.subscribe(session),
            ready: "\"type\":\"stream.ready\"", onOpen: onOpen, onStamp: onStamp)
    }

    /// Reads what another server sends on a path.
    convenience init(
        loop: EventLoop, endpoint: Endpoint, peer path: String, overWebSocket: Bool, onOpen: @escaping () -> Void,
        onStamp: @escaping (_ due: Int) -> Void
    ) {
        self.init(
            loop: loop, endpoint: endpoint,
            request: overWebSocket ? BenchRequest.handshake(path) : BenchRequest.events(path),
            ready: overWebSocket ? "HTTP/1.1 101" : "HTTP/1.1 200", onOpen: onOpen, onStamp: onStamp)
    }

    private init(
        loop: EventLoop, endpoint: Endpoint, request: [UInt8], ready: StaticString, onOpen: @escaping () -> Void,
        onStamp: @escaping (_ due: Int) -> Void
    ) {
        self.ready = ready
        self.onStamp = onStamp
        self.onOpen = onOpen
        let stream = ByteStream.connect(
            to: endpoint, loop: loop, timeoutMs: 10_000,
            handlers: unsafe .init(
                received: { [unowned self] bytes in unsafe self.take(bytes) },
                closed: { [weak self] _ in self?.hasEnded = true }))
        self.stream = stream
        stream.write(request)
    }

    func close() {
        self.stream?.close()
        self.stream = nil
    }

    /// The content of a message due at this time.
    static func stamp(_ due: Int) -> String {
        let digits = String(due)
        return "@" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static let mark: StaticString = "\"content\":\"@"

    private func take(_ bytes: UnsafeRawBufferPointer) {
        unsafe self.pending.append(contentsOf: bytes)
        if !self.isOpen {
            guard let ready = ResponseHead.find(self.ready, in: self.pending, from: 0) else { return }
            self.isOpen = true
            self.pending.removeSubrange(..<ready)
            self.onOpen?()
            self.onOpen = nil
        }
        var position = 0
        while let hit = ResponseHead.find(Self.mark, in: self.pending, from: position) {
            let start = hit + Self.mark.utf8CodeUnitCount
            guard start + 16 <= self.pending.count else {
                self.pending.removeSubrange(..<hit)
                return
            }
            self.onStamp(self.pending[start..<(start + 16)].reduce(0) { $0 * 10 + Int($1) - 48 })
            position = start + 16
        }
        // What may be the beginning of a mark stays.
        let kept = min(self.pending.count - position, Self.mark.utf8CodeUnitCount)
        self.pending.removeSubrange(..<(self.pending.count - kept))
    }
}
