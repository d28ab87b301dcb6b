import CWslay
public import SojournLoop

/// A message of a WebSocket's peer.
public enum WebSocketMessage: Sendable {
    /// Text, valid UTF-8.
    case text([UInt8])
    /// Bytes.
    case binary([UInt8])
}

/// The server's end of a WebSocket (RFC 6455). Loop only.
///
/// What is read goes through wslay, which knows frames, fragments, UTF-8 and close codes, and answers pings. What is
/// sent is written past it: a frame that goes to many is encoded once. The connection keeps this object alive.
@safe public final class WebSocket {
    /// The conversation, as far as it has come.
    private enum Phase {
        case open
        /// We said close and wait for the peer to say it too.
        case closing
        /// Nothing is read or said any more.
        case over
    }

    private let carrier: any HTTPCarrier
    private let loop: EventLoop
    let limits: WebSocketLimits
    private var phase = Phase.open
    private var timer: LoopTimer?
    private var nextPing: Int
    /// When the oldest unanswered ping was sent.
    private var pingedAt: Int?
    /// What the client's kernel had not confirmed when that was looked at last.
    private var unconfirmed = 0
    private var closeBy = 0
    private var handler: ((WebSocketMessage) -> Void)?
    private var ended: ((WebSocketCloseCode) -> Void)?
    private var drained: (() -> Void)?
    /// Bytes of replies since nothing waited last.
    private var replied = 0
    private var isPumping = false
    /// Whether the owner asked not to be given messages for now.
    private var isPaused = false
    /// wslay's side; there only while a message is on its way, because it is several kilobytes.
    var context: wslay_event_context_ptr?
    var track = FrameTrack()
    /// Bytes that are to come of the payload of the frame that wslay is writing.
    private var owedPayload = 0

    private init(carrier: any HTTPCarrier, loop: EventLoop, limits: WebSocketLimits) {
        self.carrier = carrier
        self.loop = loop
        self.limits = limits
        self.nextPing = EventLoop.now + Int.random(in: 0..<max(1, limits.pingMilliseconds))
    }

    deinit { self.freeContext() }

    /// Answers the opening handshake.
    ///
    /// - Throws: ``WebSocketRefusal``; then the exchange still wants its answer.
    public static func accept(
        _ exchange: HTTPExchange, loop: EventLoop, origins: WebSocketOrigins = WebSocketOrigins(),
        limits: WebSocketLimits = WebSocketLimits()
    ) throws(WebSocketRefusal) -> WebSocket {
        let (carrier, fields) = try exchange.upgrade(origins: origins)
        let socket = WebSocket(carrier: carrier, loop: loop, limits: limits)
        // The connection keeps the socket, up to and including its end.
        carrier.onClosed = { socket.lost() }
        carrier.onDrained = { [weak socket] in socket?.outboxDrained() }
        carrier.takeOver(headers: fields) { socket.pump() }
        socket.timer = LoopTimer(loop: loop) { [weak socket] in socket?.tick() }
        socket.timer?.start(afterMilliseconds: limits.tickMilliseconds)
        return socket
    }

    // MARK: What the owner hears

    /// Calls `body` with each message, in order. It may close the socket, but not expect more messages then.
    public func onMessage(_ body: @escaping (WebSocketMessage) -> Void) { self.handler = body }

    /// Calls `body` once when the conversation is over, by whichever side and however; what is sent afterwards goes
    /// nowhere. The code is the peer's, or ours if we closed first.
    public func onEnd(_ body: @escaping (WebSocketCloseCode) -> Void) { self.ended = body }

    /// Calls `body` at the end of each pass in which the last pending byte left.
    public func onDrained(_ body: @escaping () -> Void) { self.drained = body }

    // MARK: Sending

    /// Whether messages can be sent.
    public var isOpen: Bool { self.phase == .open && !self.carrier.isClosed }

    /// Bytes written but not taken by the kernel yet.
    public var pendingBytes: Int { self.carrier.pendingBytes }

    /// Writes a frame; nothing when the socket is not open. What is written during one pass leaves in one system call.
    public func send(_ frame: WebSocketFrame) {
        guard self.isOpen else { return }
        self.write(frame)
    }

    /// Writes the answer to a message. A peer that asks and asks but does not read is not read from until it does.
    public func reply(_ frame: WebSocketFrame) {
        guard self.isOpen else { return }
        self.noteReply(frame.bytes.count)
        self.write(frame)
    }

    private func write(_ frame: WebSocketFrame) { self.carrier.write(frame.bytes.span) }

    private func noteReply(_ bytes: Int) {
        if self.carrier.pendingBytes == 0 { self.replied = 0 }
        self.replied += bytes
    }

    /// Stops or goes on giving messages; what the peer sends meanwhile waits, at some point in the peer.
    public var isReading: Bool {
        get { !self.isPaused }
        set {
            self.isPaused = !newValue
            self.pumpLater()
        }
    }

    /// Says close with a code and a reason of at most 123 bytes of UTF-8, and waits for the peer to agree.
    public func close(_ code: WebSocketCloseCode, _ reason: String = "") {
        guard self.phase == .open else { return }
        self.write(.close(code, reason))
        self.phase = .closing
        self.closeBy = EventLoop.now + self.limits.closeMilliseconds
        self.tell(code)
        // What the peer has sent already may be its own close.
        self.pumpLater()
    }

    /// Cuts the connection.
    public func cut() { self.carrier.abort() }

    // MARK: Time

    private func tick() {
        guard self.phase != .over else { return }
        let now = EventLoop.now
        defer { self.timer?.start(afterMilliseconds: self.limits.tickMilliseconds) }
        if self.phase == .closing {
            if now >= self.closeBy { self.finish() }
            return
        }
        if self.pendingBytes > 0 {
            // Pings wait behind the rest; whether any of it moves is what counts.
            self.pingedAt = nil
            if now - self.carrier.lastWriteProgress > self.limits.stallMilliseconds {
                self.close(.tooSlow, "no byte was taken for too long; reconnect with your cursor")
            }
            return
        }
        if self.pingedAt != nil {
            // The kernels hold megabytes for a slow client; while those move, the ping is still on its way.
            let unconfirmed = self.carrier.unconfirmedBytes
            if unconfirmed > 0, unconfirmed < self.unconfirmed { self.pingedAt = now }
            self.unconfirmed = unconfirmed
        }
        if let pingedAt, now - pingedAt > self.limits.pongMilliseconds { return self.close(.noPong, "no pong") }
        if now >= self.nextPing {
            self.nextPing = now + self.limits.pingMilliseconds
            self.pingedAt = self.pingedAt ?? now
            self.write(.ping)
        }
    }

    // MARK: Receiving

    /// Whether nothing is taken for now. While we wait for the peer's close, everything is.
    private var isHeld: Bool { self.phase == .open && (self.isPaused || self.replied > self.limits.replyBytes) }

    /// Takes what came.
    private func pump() {
        guard self.phase != .over, !self.isPumping else { return }
        self.isPumping = true
        let verdict = self.runFrames()
        self.isPumping = false
        self.carrier.isReceiving = !self.isHeld
        switch verdict {
        case .more: break
        case .closed(let code):
            self.tell(code)
            self.finish()
        case .failed:
            self.tell(.protocolError)
            self.carrier.abort()
        }
    }

    private func pumpLater() { self.loop.atEndOfTick { self.pump() } }

    private func outboxDrained() {
        let wasHeld = self.replied > self.limits.replyBytes
        self.replied = 0
        if wasHeld { self.pump() }
        self.drained?()
    }

    // MARK: Frames, as wslay asks and tells

    /// Bytes for the parser; nil for none now.
    func take(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        if self.isHeld { return nil }
        let count = unsafe self.carrier.read(into: buffer)
        return count > 0 ? count : nil
    }

    /// What wslay has to say by itself: pongs, and its close. Once we said close there is nothing to add.
    func emit(_ bytes: Span<UInt8>) {
        guard self.phase == .open else { return }
        self.noteReply(bytes.count)
        // wslay gives the header of a frame by itself, then its payload; only control frames come from there.
        let isHeader = self.owedPayload == 0
        self.owedPayload = isHeader ? Int(bytes[1] & 0x7F) : self.owedPayload - bytes.count
        // For some broken rules wslay says close without a code.
        if isHeader, bytes.count == 2, bytes[0] == 0x88, bytes[1] == 0, !self.track.isBareClose {
            return self.write(.close(.protocolError, ""))
        }
        self.carrier.write(bytes)
    }

    func received(_ message: WebSocketMessage) {
        guard self.isOpen else { return }
        self.handler?(message)
    }

    func receivedPong() { self.pingedAt = nil }

    // MARK: End

    /// The connection is gone.
    private func lost() {
        self.tell(.abnormal)
        self.settle()
    }

    /// Both have said what they had to say: the connection ends when the peer has read it.
    private func finish() {
        guard self.phase != .over else { return }
        self.carrier.endStream()
        self.settle()
    }

    private func settle() {
        self.phase = .over
        self.timer?.stop()
        if !self.isPumping { self.freeContext() }
    }

    private func tell(_ code: WebSocketCloseCode) {
        let ended = self.ended
        self.ended = nil
        self.handler = nil
        self.drained = nil
        ended?(code)
    }
}
