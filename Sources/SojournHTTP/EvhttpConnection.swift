import CEvent
import SojournCore
import SojournLoop

/// One accepted connection: guards what evhttp reads from it, and keeps its deadlines.
///
/// evhttp owns the connection and its parsing. This object looks at each byte as it enters the input buffer,
/// before evhttp does (an evbuffer callback runs before the read callback), and throws away what evhttp must
/// not see. It never frees the connection from inside a callback of the connection: that waits for the end
/// of the loop's pass.
@safe final class EvhttpConnection {
    /// What the next bytes are.
    enum Phase {
        /// The head of a request, or nothing yet.
        case head
        /// A body that evhttp reads.
        case body
        /// Nothing: a request is being answered. Later requests may wait in the buffer.
        case answering
        /// Nothing: a stream is being sent; what comes is thrown away.
        case streaming
        /// Another protocol, which reads for itself.
        case tunnel
        /// Nothing any more: thrown away until our last words (a refusal, the end of a tunnel) have left.
        case leaving
        /// The same, until the client has read them and closes.
        case lingering
        /// Anything; the connection ends with this pass of the loop.
        case closing
        case closed
    }

    /// Bytes a client may send on its open stream.
    private static let unsolicitedLimit = 64 * 1024
    /// Milliseconds a refused client may take to read the refusal.
    private static let lingerMilliseconds = 2000
    /// Bytes that wait in a tunnel whose other side does not read.
    private static let tunnelBytes = 4096

    let server: EvhttpServer
    /// Kept alive by a reference of its own until `closed`, so that no use can come too late.
    let bufferevent: OpaquePointer
    /// Whether its bytes are protected by TLS.
    let isSecure: Bool
    /// Whether it came over a unix socket.
    let isLocal: Bool
    /// evhttp's side; nil before `attach` and after the end.
    private(set) var evcon: OpaquePointer?
    var phase = Phase.head
    /// Whether the end of a stream is on its way.
    var streamHasEnded = false
    /// When the connection is cut, in monotonic ms; nil is never.
    var deadline: Int?
    /// When it was accepted, or its last answer left, in monotonic ms.
    private(set) var idleSince: Int
    /// The guard of the head under way or read last.
    private(set) var guarded: HeadGuard
    /// The guard of a chunked body that is not complete.
    private var chunks: ChunkGuard?
    private var current: EvhttpRequest?
    /// Bytes given to the guard and what came with them, since the head began.
    private var headFed = 0
    private var unsolicited = 0
    /// Bytes of requests that have come and are not answered yet.
    private var held = 0 {
        didSet { self.server.heldBytes += self.held - oldValue }
    }
    private var flushIsDue = false
    private var inputCallback: OpaquePointer?
    /// evhttp's callback for the end of the connection, while that is not to be called.
    private var endCallback: bufferevent_event_cb?

    var input: OpaquePointer? { unsafe bufferevent_get_input(self.bufferevent) }
    var output: OpaquePointer? { unsafe bufferevent_get_output(self.bufferevent) }
    /// Whether a request is complete to the guards, too.
    var isRequestComplete: Bool { self.phase == .body && self.chunks == nil }
    /// Whether no request is under way.
    var isIdle: Bool { self.phase == .head && self.guarded.bytes == 0 }

    init(server: EvhttpServer, bufferevent: OpaquePointer, isSecure: Bool, isLocal: Bool) {
        self.server = server
        self.isSecure = isSecure
        self.isLocal = isLocal
        unsafe self.bufferevent = bufferevent
        self.guarded = HeadGuard(limits: server.limits)
        self.idleSince = EventLoop.now
        self.deadline = self.idleSince + server.limits.headerMilliseconds
        unsafe bufferevent_incref(bufferevent)
        unsafe self.inputCallback = evbuffer_add_cb(
            self.input,
            { _, info, context in
                guard let info = unsafe info, let context = unsafe context, unsafe info.pointee.n_added > 0 else {
                    return
                }
                unsafe Unmanaged<EvhttpConnection>.fromOpaque(context).takeUnretainedValue()
                    .inputGrew(from: info.pointee.orig_size, by: info.pointee.n_added)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    // MARK: Life

    /// Learns evhttp's connection, which does not exist yet when evhttp asks for the bufferevent: it is the
    /// argument of the bufferevent's callbacks. False when the connection has already ended.
    @discardableResult
    func attach() -> Bool {
        guard unsafe self.evcon == nil, self.phase != .closed else { return self.phase != .closed }
        var context: UnsafeMutableRawPointer?
        unsafe bufferevent_getcb(self.bufferevent, nil, nil, nil, &context)
        guard let context = unsafe context else {
            self.ended()
            return false
        }
        let evcon = OpaquePointer(context)
        unsafe self.evcon = evcon
        unsafe evhttp_connection_set_closecb(
            evcon,
            { _, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<EvhttpConnection>.fromOpaque(context).takeUnretainedValue().ended()
            }, Unmanaged.passUnretained(self).toOpaque())
        unsafe self.server.adopt(self, as: evcon)
        return true
    }

    /// evhttp is about to free the connection, or already has.
    private func ended() {
        guard self.phase != .closed else { return }
        self.phase = .closed
        self.held = 0
        unsafe evbuffer_remove_cb_entry(self.input, self.inputCallback)
        if self.isSecure { unsafe TLSContext.sayGoodbye(self.bufferevent) }
        self.current?.connectionEnded()
        self.current = nil
        let evcon = unsafe self.evcon
        unsafe self.evcon = nil
        unsafe self.server.forget(self, as: evcon)
        unsafe bufferevent_decref(self.bufferevent)
    }

    /// Ends the connection now. Not from inside a callback of this connection.
    func close() {
        guard let evcon = unsafe self.evcon else { return }
        unsafe evhttp_connection_free(evcon)
    }

    /// Ends the connection after this pass of the loop.
    func closeSoon() {
        guard self.phase != .closed else { return }
        self.phase = .closing
        self.discardInput()
        self.server.loop.atEndOfTick { self.close() }
    }

    // MARK: Input

    private func inputGrew(from offset: Int, by added: Int) {
        guard self.attach() else { return }
        if self.phase == .head || self.phase == .body {
            self.held += added
            let limits = self.server.limits
            if self.server.heldBytes > limits.heldBytes, self.held > limits.headerBytes {
                return self.refuse(status: 503, message: "Too many large requests are under way")
            }
        }
        switch self.phase {
        case .head: self.readHead(from: offset)
        case .body: self.readChunks(from: offset)
        case .answering, .tunnel, .closed: break
        case .streaming:
            self.discardInput()
            self.unsolicited += added
            if self.unsolicited > Self.unsolicitedLimit { self.closeSoon() }
        case .leaving, .lingering, .closing: self.discardInput()
        }
    }

    private func readHead(from offset: Int) {
        if self.guarded.bytes == 0 {
            self.deadline = EventLoop.now + self.server.limits.headerMilliseconds
        }
        let length = unsafe evbuffer_get_length(self.input)
        self.headFed += length - offset
        switch self.visitInput(from: offset, { self.guarded.feed($0) }) {
        case .more: break
        case .refuse(let status, let message): self.refuse(status: status, message: message)
        case .complete:
            self.phase = .body
            self.deadline = EventLoop.now + self.server.limits.bodyMilliseconds
            if self.guarded.isChunked {
                self.chunks = ChunkGuard(limits: self.server.limits)
                // evhttp may have taken lines of the head off the front already.
                self.readChunks(from: self.guarded.bytes - (self.headFed - length))
            }
        }
    }

    private func readChunks(from offset: Int) {
        guard self.chunks != nil else { return }
        switch self.visitInput(from: offset, { self.chunks?.feed($0) ?? .complete }) {
        case .more: break
        case .complete: self.chunks = nil
        case .refuse(let status, let message): self.refuse(status: status, message: message)
        }
    }

    /// Shows the input from an offset on to a guard, until it has made up its mind.
    private func visitInput(from offset: Int, _ visit: (Span<UInt8>) -> HeadGuard.Verdict) -> HeadGuard.Verdict {
        let length = unsafe evbuffer_get_length(self.input)
        var position = offset
        while position < length {
            var pointer = unsafe evbuffer_ptr()
            var block = unsafe iovec()
            guard unsafe evbuffer_ptr_set(self.input, &pointer, position, EVBUFFER_PTR_SET) == 0,
                unsafe evbuffer_peek(self.input, length - position, &pointer, &block, 1) > 0
            else { break }
            let bytes = unsafe UnsafeRawBufferPointer(
                start: block.iov_base, count: min(block.iov_len, length - position)
            ).bindMemory(to: UInt8.self)
            let verdict = unsafe visit(bytes.span)
            guard verdict == .more else { return verdict }
            position += bytes.count
        }
        return .more
    }

    private func discardInput() {
        unsafe evbuffer_drain(self.input, evbuffer_get_length(self.input))
    }

    // MARK: Requests

    /// evhttp has read a request.
    func handle(_ request: OpaquePointer) {
        self.phase = .answering
        self.deadline = nil
        let carrier = unsafe EvhttpRequest(request, on: self)
        self.current = carrier
        unsafe evhttp_request_set_on_complete_cb(
            request,
            { _, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<EvhttpConnection>.fromOpaque(context).takeUnretainedValue().answerLeft()
            }, Unmanaged.passUnretained(self).toOpaque())
        self.server.handler(HTTPExchange(carrier: carrier))
        if self.current === carrier, !carrier.isAnswered, carrier.onClosed == nil {
            self.keepReading(noticingEnd: false)
        }
    }

    /// Leaves reading on while an answer is prepared, without evhttp, which stops the process when it reads then. What
    /// comes (a next request) waits in the buffer, at most some KiB of it. Where the end of the client shall be noticed
    /// this shows it; else it saves two system calls, for evhttp would turn reading off now and on again later, and a
    /// client that has only said its last word still gets its answer. With that evhttp sets its callbacks again.
    func keepReading(noticingEnd: Bool) {
        guard self.phase == .answering, noticingEnd || !self.isSecure else { return }
        var write: bufferevent_data_cb?
        var end: bufferevent_event_cb?
        var context: UnsafeMutableRawPointer?
        unsafe bufferevent_getcb(self.bufferevent, nil, &write, &end, &context)
        if let end = unsafe end { unsafe self.endCallback = end }
        unsafe bufferevent_setcb(self.bufferevent, nil, write, noticingEnd ? self.endCallback : nil, context)
        unsafe bufferevent_setwatermark(self.bufferevent, Int16(EV_READ), 0, Self.tunnelBytes)
        unsafe bufferevent_enable(self.bufferevent, Int16(EV_READ))
    }

    /// The kernel took the last byte of the answer; evhttp will now close, or read the next request.
    private func answerLeft() {
        self.current?.answerLeft()
        self.current = nil
        guard self.phase == .answering else { return self.closeSoon() }
        unsafe bufferevent_setwatermark(self.bufferevent, Int16(EV_READ), 0, 0)
        self.guarded = HeadGuard(limits: self.server.limits)
        self.chunks = nil
        self.headFed = 0
        self.held = unsafe evbuffer_get_length(self.input)
        self.phase = .head
        self.idleSince = EventLoop.now
        self.deadline = self.idleSince + self.server.limits.idleMilliseconds
        if unsafe evbuffer_get_length(self.input) > 0 { self.readHead(from: 0) }
    }

    /// A stream's head was written: nothing is read as a request any more, and only the stream's owner decides
    /// how long it lasts.
    func beginStream() {
        self.phase = .streaming
        self.held = 0
        self.deadline = nil
        self.discardInput()
        unsafe bufferevent_setwatermark(self.bufferevent, Int16(EV_READ), 0, 0)
        unsafe bufferevent_enable(self.bufferevent, Int16(EV_READ))
    }

    /// Another protocol has the connection from now on: `current` is told when there is something to read, and evhttp
    /// hears of nothing but its end.
    func beginTunnel() {
        self.phase = .tunnel
        self.held = 0
        self.deadline = nil
        unsafe bufferevent_setcb(
            self.bufferevent,
            { _, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<EvhttpConnection>.fromOpaque(context).takeUnretainedValue().current?.becameReadable()
            }, nil,
            { _, _, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<EvhttpConnection>.fromOpaque(context).takeUnretainedValue().close()
            }, Unmanaged.passUnretained(self).toOpaque())
        // What the other protocol does not take stays there, and at some point in the client.
        unsafe bufferevent_setwatermark(self.bufferevent, Int16(EV_READ), 0, Self.tunnelBytes)
        unsafe bufferevent_enable(self.bufferevent, Int16(EV_READ))
        // What came with the request waits already.
        guard unsafe evbuffer_get_length(self.input) > 0 else { return }
        self.server.loop.atEndOfTick { self.current?.becameReadable() }
    }

    // MARK: Output

    /// Sends what waits at the end of this pass, in one write.
    func flushSoon() {
        guard !self.flushIsDue else { return }
        self.flushIsDue = true
        self.server.flushSoon(self)
    }

    /// Writes straight to the socket. libevent would first wait until the socket is writable, which it almost always
    /// is: two changes of the poll set and one more pass of the loop for each answer and each event.
    func flush() {
        self.flushIsDue = false
        let isWriting = self.phase == .answering || self.phase == .streaming || self.phase == .tunnel
        // TLS is left to libevent, which writes whenever writing is enabled; and the last bytes of a stream to evhttp, which
        // wants to see them leave.
        if self.isSecure {
            if isWriting { unsafe bufferevent_enable(self.bufferevent, Int16(EV_WRITE)) }
            return
        }
        guard isWriting, !self.streamHasEnded,
            unsafe evbuffer_get_length(self.output) > 0
        else { return }
        unsafe bufferevent_disable(self.bufferevent, Int16(EV_WRITE))
        // libevent freezes the front of the buffer against everyone but itself.
        unsafe evbuffer_unfreeze(self.output, 1)
        _ = unsafe evbuffer_write(self.output, bufferevent_getfd(self.bufferevent))
        unsafe evbuffer_freeze(self.output, 1)
        if unsafe evbuffer_get_length(self.output) > 0 {
            // A full socket and a broken one alike: libevent waits for it and reports what happens.
            unsafe bufferevent_enable(self.bufferevent, Int16(EV_WRITE))
        } else if self.phase == .answering {
            // evhttp goes on to the next request as if libevent had written.
            unsafe bufferevent_trigger(self.bufferevent, Int16(EV_WRITE), Int32(BEV_TRIG_IGNORE_WATERMARKS.rawValue))
        }
    }

    // MARK: Last words

    /// Answers by ourselves, after this pass, and closes; nothing more of this connection is ever a request.
    func refuse(status: Int, message: String) {
        self.server.refusals += 1
        self.phase = .leaving
        self.held = 0
        self.discardInput()
        self.deadline = EventLoop.now + Self.lingerMilliseconds
        let body = self.server.limits.refusalBody(status, message)
        let refusal = Array(
            """
            HTTP/1.1 \(status) \(reasonPhrase(status))\r
            Content-Type: application/json\r
            Content-Length: \(body.utf8.count)\r
            Connection: close\r
            \r
            \(body)
            """.utf8)
        self.server.log(.debug, "refused an HTTP request", ["http.status": "\(status)", "http.reason": message])
        self.server.loop.atEndOfTick {
            guard self.phase == .leaving, self.attach() else { return }
            _ = unsafe refusal.withUnsafeBytes { unsafe evbuffer_add(self.output, $0.baseAddress, $0.count) }
            self.leave()
        }
    }

    /// Sends what waits and closes, in this order; the client may take as long as that to read it.
    func endTunnel(milliseconds: Int) {
        guard self.phase == .tunnel else { return }
        self.phase = .leaving
        self.discardInput()
        self.deadline = EventLoop.now + milliseconds
        self.leave()
    }

    private func leave() {
        // evhttp's callbacks are cut off: it must not take our bytes for the end of an answer of its own.
        unsafe bufferevent_setcb(
            self.bufferevent, nil,
            { _, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<EvhttpConnection>.fromOpaque(context).takeUnretainedValue().lastWordsLeft()
            },
            { _, _, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<EvhttpConnection>.fromOpaque(context).takeUnretainedValue().close()
            }, Unmanaged.passUnretained(self).toOpaque())
        unsafe bufferevent_setwatermark(self.bufferevent, Int16(EV_READ), 0, 0)
        unsafe bufferevent_enable(self.bufferevent, Int16(EV_READ | EV_WRITE))
        if unsafe evbuffer_get_length(self.output) == 0 { self.lastWordsLeft() }
    }

    /// Closing at once would reset the connection while the client still sends, and lose our last words.
    private func lastWordsLeft() {
        guard self.phase == .leaving else { return }
        self.phase = .lingering
        if self.isSecure { unsafe TLSContext.sayGoodbye(self.bufferevent) }
        unsafe shutdown(bufferevent_getfd(self.bufferevent), CInt(SHUT_WR))
    }
}
