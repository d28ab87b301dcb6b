import CEvent
import Glibc

/// One connected socket: bytes out, bytes in, and one last word. Loop only.
///
/// What is written during one pass of the loop leaves in one system call at its end. The stream lives as
/// long as its owner holds it; letting go of it closes it silently. Handlers are dropped after `closed`.
@safe public final class ByteStream {
    /// How the bytes are protected on the wire.
    public enum Security: Sendable {
        /// Not at all.
        case plain
        /// By TLS, as a client, whose server bears this name.
        case tls(TLSContext, serverName: String)
        /// By TLS, as a server.
        case tlsServer(TLSContext)

        var isPlain: Bool {
            if case .plain = self { return true }
            return false
        }
    }

    /// Why a stream ended.
    public enum CloseReason: Sendable, Hashable, CustomStringConvertible {
        /// ``ByteStream/close()`` was called.
        case local
        /// The peer closed its side.
        case endOfFile
        /// No connection was made in time.
        case connectTimeout
        /// The name could not be turned into an address; the resolver's words.
        case unresolved(String)
        /// TLS found fault with the peer, or it with us; OpenSSL's words.
        case insecure(String)
        /// The system reported this `errno`.
        case failed(CInt)

        /// The reason in words.
        public var description: String {
            switch self {
            case .local: "closed by us"
            case .endOfFile: "the peer closed the connection"
            case .connectTimeout: "no connection within the time limit"
            case .unresolved(let words): "the address could not be resolved: \(words)"
            case .insecure(let words): "TLS failed: \(words)"
            case .failed(let code): unsafe String(cString: strerror(code))
            }
        }
    }

    /// What the owner is told. Each may write to or close the stream.
    @safe public struct Handlers {
        var connected: () -> Void
        var received: (UnsafeRawBufferPointer) -> Void
        var closed: (CloseReason) -> Void

        /// `connected` comes once, before any bytes; `received` lends bytes for the time of the call; `closed`
        /// comes exactly once and last, also after a local close (then before `close` returns).
        public init(
            connected: @escaping () -> Void = {}, received: @escaping (UnsafeRawBufferPointer) -> Void,
            closed: @escaping (CloseReason) -> Void
        ) {
            self.connected = connected
            unsafe self.received = received
            self.closed = closed
        }
    }

    private let loop: EventLoop
    private let security: Security
    private var handlers: Handlers?
    private var bufferevent: OpaquePointer?
    /// Addresses not tried yet, while connecting.
    private var untried: [SocketAddress] = []
    /// What was written before there was a connection.
    private var early: [UInt8] = []
    private var deadline: LoopTimer?
    private var flushIsDue = false

    /// True from `connected` until `closed`.
    public private(set) var isConnected = false

    private init(loop: EventLoop, security: Security, handlers: Handlers) {
        loop.checkIsolated()
        self.loop = loop
        self.security = security
        self.handlers = handlers
    }

    deinit {
        if let bufferevent = unsafe self.bufferevent { unsafe Self.dispose(bufferevent) }
    }

    // MARK: Opening

    /// Starts connecting; the handlers are called later, never before this returns.
    ///
    /// Names are resolved on another thread; their addresses are tried in turn within `timeoutMs` milliseconds.
    public static func connect(
        to endpoint: Endpoint, loop: EventLoop, security: Security = .plain, timeoutMs: Int, handlers: Handlers
    ) -> ByteStream {
        let stream = ByteStream(loop: loop, security: security, handlers: handlers)
        let deadline = LoopTimer(loop: loop) { [weak stream] in stream?.finish(.connectTimeout) }
        deadline.start(afterMilliseconds: timeoutMs)
        stream.deadline = deadline
        SocketAddress.resolve(endpoint, loop: loop) { [weak stream] resolution in
            guard let stream, stream.handlers != nil else { return }
            switch resolution {
            case .failed(let words): stream.finish(.unresolved(words))
            case .found(let addresses):
                stream.untried = addresses
                stream.tryNextAddress(after: .failed(EADDRNOTAVAIL))
            }
        }
        return stream
    }

    /// Takes over a connected, non-blocking socket, such as one that `accept4` returned.
    ///
    /// `connected` is not called; the stream is connected.
    public init(accepted fd: CInt, loop: EventLoop, security: Security = .plain, handlers: Handlers) {
        loop.checkIsolated()
        self.loop = loop
        self.security = security
        self.handlers = handlers
        unsafe self.bufferevent = self.makeBufferevent(fd: fd)
        // With TLS the handshake comes first.
        if security.isPlain { self.didConnect() }
    }

    /// The one place that makes a bufferevent, and so the one that TLS changes.
    private func makeBufferevent(fd: CInt) -> OpaquePointer {
        let made: OpaquePointer?
        switch self.security {
        case .plain:
            unsafe made = bufferevent_socket_new(self.loop.base, fd, Int32(BEV_OPT_CLOSE_ON_FREE.rawValue))
        case .tls(let context, let name):
            unsafe made = context.makeBufferevent(loop: self.loop, descriptor: fd, serverName: name, isServer: false)
        case .tlsServer(let context):
            unsafe made = context.makeBufferevent(loop: self.loop, descriptor: fd, isServer: true)
        }
        guard let bufferevent = unsafe made else { preconditionFailure("libevent: no memory for a bufferevent") }
        unsafe bufferevent_setcb(
            bufferevent,
            { _, context in unsafe ByteStream.from(context)?.didReceive() },
            { _, context in unsafe ByteStream.from(context)?.didDrain() },
            { _, events, context in
                let code = errno
                unsafe ByteStream.from(context)?.didHappen(Int32(events), errno: code)
            },
            Unmanaged.passUnretained(self).toOpaque())
        return unsafe bufferevent
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> ByteStream? {
        unsafe context.map { unsafe Unmanaged<ByteStream>.fromOpaque($0).takeUnretainedValue() }
    }

    private func tryNextAddress(after reason: CloseReason) {
        var reason = reason
        while !self.untried.isEmpty {
            let address = self.untried.removeFirst()
            self.disposeLater()
            let bufferevent = unsafe self.makeBufferevent(fd: -1)
            unsafe self.bufferevent = bufferevent
            let code = unsafe address.withPointer { unsafe bufferevent_socket_connect(bufferevent, $0, $1) }
            if code == 0 { return }
            reason = .failed(errno)
        }
        self.finish(reason)
    }

    private func didConnect() {
        self.deadline = nil
        self.untried = []
        self.isConnected = true
        guard let bufferevent = unsafe self.bufferevent else { return }
        var on: CInt = 1
        // Refused for Unix sockets, where nothing waits anyway.
        _ = unsafe setsockopt(
            bufferevent_getfd(bufferevent), CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        // Writing is ours (see `flush`): libevent writes only what the socket did not take at once. TLS is libevent's.
        if self.security.isPlain { unsafe bufferevent_disable(bufferevent, Int16(EV_WRITE)) }
        unsafe bufferevent_enable(bufferevent, Int16(EV_READ))
        self.write(self.early)
        self.early = []
        self.handlers?.connected()
    }

    // MARK: Bytes

    /// The bytes written that the system has not taken yet.
    public var pendingBytes: Int {
        self.loop.checkIsolated()
        guard self.isConnected, let bufferevent = unsafe self.bufferevent else { return self.early.count }
        return unsafe evbuffer_get_length(bufferevent_get_output(bufferevent))
    }

    /// Queues bytes, which leave at the end of this pass of the loop. Ignored after the stream has closed.
    public func write(_ bytes: UnsafeRawBufferPointer) {
        self.loop.checkIsolated()
        guard self.handlers != nil, bytes.count > 0 else { return }
        guard self.isConnected, let bufferevent = unsafe self.bufferevent else {
            unsafe self.early.append(contentsOf: bytes)
            return
        }
        unsafe evbuffer_add(bufferevent_get_output(bufferevent), bytes.baseAddress, bytes.count)
        guard !self.flushIsDue, self.security.isPlain else { return }
        self.flushIsDue = true
        self.loop.atEndOfTick { [weak self] in self?.flush() }
    }

    /// Queues bytes, which leave at the end of this pass of the loop. Ignored after the stream has closed.
    public func write(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe self.write($0) }
    }

    /// Writes straight to the socket, which saves libevent two changes of its poll set per pass.
    private func flush() {
        self.flushIsDue = false
        guard let bufferevent = unsafe self.bufferevent, self.isConnected, self.security.isPlain else { return }
        let output = unsafe bufferevent_get_output(bufferevent)
        guard unsafe bufferevent_get_enabled(bufferevent) & Int16(EV_WRITE) == 0 else { return }
        // libevent freezes the front of the buffer against everyone but itself.
        unsafe evbuffer_unfreeze(output, 1)
        _ = unsafe evbuffer_write(output, bufferevent_getfd(bufferevent))
        unsafe evbuffer_freeze(output, 1)
        // A full socket and a broken one alike: libevent waits for it and reports what happens.
        if unsafe evbuffer_get_length(output) > 0 { unsafe bufferevent_enable(bufferevent, Int16(EV_WRITE)) }
    }

    private func didDrain() {
        guard self.isConnected, self.security.isPlain, let bufferevent = unsafe self.bufferevent else { return }
        if unsafe evbuffer_get_length(bufferevent_get_output(bufferevent)) == 0 {
            unsafe bufferevent_disable(bufferevent, Int16(EV_WRITE))
        }
    }

    private func didReceive() {
        // A handler may close the stream: the buffer itself outlives this pass.
        while let bufferevent = unsafe self.bufferevent, let handlers = self.handlers {
            let input = unsafe bufferevent_get_input(bufferevent)
            var chunk = unsafe iovec()
            guard unsafe evbuffer_peek(input, -1, nil, &chunk, 1) > 0, unsafe chunk.iov_len > 0 else { return }
            unsafe handlers.received(UnsafeRawBufferPointer(start: chunk.iov_base, count: chunk.iov_len))
            unsafe evbuffer_drain(input, chunk.iov_len)
        }
    }

    // MARK: Closing

    /// Sends what the system takes at once, closes, and tells `closed(.local)` before it returns.
    public func close() {
        self.loop.checkIsolated()
        if self.flushIsDue { self.flush() }
        self.finish(.local)
    }

    private func didHappen(_ events: Int32, errno code: CInt) {
        if events & Int32(BEV_EVENT_CONNECTED) != 0 { return self.didConnect() }
        var reason: CloseReason = events & Int32(BEV_EVENT_EOF) != 0 ? .endOfFile : .failed(code)
        if let bufferevent = unsafe self.bufferevent, let words = unsafe TLSContext.failure(of: bufferevent) {
            reason = .insecure(words)
        }
        if self.isConnected { self.finish(reason) } else { self.tryNextAddress(after: reason) }
    }

    private func finish(_ reason: CloseReason) {
        guard let handlers = self.handlers else { return }
        self.handlers = nil
        self.isConnected = false
        self.deadline = nil
        self.untried = []
        self.early = []
        self.disposeLater()
        handlers.closed(reason)
    }

    /// Lets go of the bufferevent, whose callbacks may be on the stack, after this pass.
    private func disposeLater() {
        guard let bufferevent = unsafe self.bufferevent else { return }
        unsafe self.bufferevent = nil
        unsafe bufferevent_setcb(bufferevent, nil, nil, nil, nil)
        unsafe bufferevent_disable(bufferevent, Int16(EV_READ | EV_WRITE))
        self.loop.atEndOfTick { unsafe bufferevent_free(bufferevent) }
    }

    private static func dispose(_ bufferevent: OpaquePointer) {
        unsafe bufferevent_setcb(bufferevent, nil, nil, nil, nil)
        unsafe bufferevent_free(bufferevent)
    }
}
