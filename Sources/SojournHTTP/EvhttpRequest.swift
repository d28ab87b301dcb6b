import CEvent
import Glibc
import SojournCore
import SojournLoop

/// A request of evhttp as the carrier of an exchange.
///
/// Who frees the request: evhttp, when the answer has left; this object, when the connection ended before
/// that (the request is marked as owned by its user, so evhttp leaves it alone then). Its data can therefore
/// be read until the answer has left, whatever the client does.
@safe final class EvhttpRequest: HTTPCarrier {
    let method: HTTPMethod
    private var request: OpaquePointer?
    /// Nil when the connection has ended or the answer has left.
    private var connection: EvhttpConnection?
    private let headerCount: Int
    private let isChunkable: Bool
    private let loop: EventLoop
    /// Whether `request` is ours to free.
    private var isOrphan = false
    private(set) var isAnswered = false
    private var isStream = false
    private var isTunnel = false
    /// Whether the stream's pieces are framed as chunks, thrown away (HEAD), or sent as they are.
    private enum Framing {
        case chunked
        case plain
        case none
    }
    private var framing = Framing.chunked
    private var outputCallback: OpaquePointer?
    private var drainTold = true
    private(set) var lastWriteProgress = 0
    var onDrained: (() -> Void)?
    private var onReadable: (() -> Void)?
    var onClosed: (() -> Void)? {
        didSet { if self.onClosed != nil, !self.isAnswered { self.connection?.keepReading(noticingEnd: true) } }
    }

    init(_ request: OpaquePointer, on connection: EvhttpConnection) {
        unsafe self.request = request
        self.connection = connection
        self.method = connection.guarded.method
        self.isChunkable = connection.guarded.minorVersion == 1
        self.headerCount = connection.guarded.headerCount
        self.loop = connection.server.loop
        connection.server.activeExchanges += 1
        unsafe evhttp_request_own(request)
    }

    deinit {
        if self.isOrphan { unsafe evhttp_request_free(self.request) }
    }

    // MARK: Request

    var target: String {
        guard let request = unsafe self.request, let uri = unsafe evhttp_request_get_uri(request) else { return "" }
        return unsafe String(cString: uri)
    }

    var remoteAddress: String {
        guard let connection = self.connection, let evcon = unsafe connection.evcon else { return "" }
        if connection.isLocal { return UnixSocket.peer }
        var address: UnsafeMutablePointer<CChar>?
        var port: UInt16 = 0
        unsafe evhttp_connection_get_peer(evcon, &address, &port)
        guard let address = unsafe address else { return "" }
        return unsafe String(cString: address)
    }

    var body: [UInt8] {
        guard let request = unsafe self.request, let buffer = unsafe evhttp_request_get_input_buffer(request) else {
            return []
        }
        let count = unsafe evbuffer_get_length(buffer)
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
            initialized = unsafe max(0, evbuffer_copyout(buffer, bytes.baseAddress, count))
        }
    }

    func header(_ name: String) -> String? {
        var found: String?
        self.visitHeaders(named: name) { value in
            found = value()
            return false
        }
        return found
    }

    func headers(_ name: String) -> [String] {
        var found: [String] = []
        self.visitHeaders(named: name) { value in
            found.append(value())
            return true
        }
        return found
    }

    /// Visits the fields of this name in order until the visitor returns false.
    private func visitHeaders(named name: String, _ visit: (_ value: () -> String) -> Bool) {
        guard let request = unsafe self.request, let list = unsafe evhttp_request_get_input_headers(request) else {
            return
        }
        // evhttp appends the trailers of a chunked body; they must not pass for fields of the head.
        let count = self.isStream ? 0 : self.headerCount
        // Once for all fields: as an argument the name would be copied to the heap for each.
        unsafe name.withCString { wanted in
            var next = unsafe list.pointee.tqh_first
            for _ in 0..<count {
                guard let field = unsafe next else { return }
                if unsafe strcasecmp(field.pointee.key, wanted) == 0 {
                    guard visit({ unsafe String(cString: field.pointee.value) }) else { return }
                }
                unsafe next = field.pointee.next.tqe_next
            }
        }
    }

    // MARK: End

    var isClosed: Bool { self.connection.map { $0.phase == .closing } ?? true }

    /// The connection ended before the answer had left.
    func connectionEnded() {
        self.isOrphan = true
        // evhttp goes on to take the request off its list, so it must live through this pass.
        self.loop.atEndOfTick { withExtendedLifetime(self) {} }
        let closed = self.onClosed
        self.finish()
        closed?()
    }

    /// The answer has left; evhttp frees the request when this returns.
    func answerLeft() {
        unsafe self.request = nil
        self.finish()
    }

    private func finish() {
        if let connection = self.connection {
            if unsafe self.outputCallback != nil {
                unsafe evbuffer_remove_cb_entry(connection.output, self.outputCallback)
                unsafe self.outputCallback = nil
            }
            connection.server.activeExchanges -= 1
            if self.isStream { connection.server.openStreams -= 1 }
        }
        self.connection = nil
        self.onClosed = nil
        self.onDrained = nil
        self.onReadable = nil
    }

    // MARK: Answer

    func answer(status: Int, headers: HTTPHeaders, more: HTTPHeaders, body: [UInt8]) {
        guard let connection = self.connection, let request = unsafe self.request, !self.isAnswered, !self.isClosed
        else {
            return
        }
        self.isAnswered = true
        self.onClosed = nil
        connection.deadline = EventLoop.now + connection.server.limits.answerMilliseconds
        self.add(headers, on: connection)
        self.add(more, on: connection)
        if connection.server.isDraining { self.add([(name: "Connection", value: "close")], on: connection) }
        let hasBody = status != 204 && status != 304
        if hasBody { self.add([(name: "Content-Length", value: String(body.count))], on: connection) }
        // evhttp would send a body here in any case; the client would take it for the head of the next answer.
        if hasBody && self.method != .head && !body.isEmpty {
            let buffer = unsafe evhttp_request_get_output_buffer(request)
            _ = unsafe body.withUnsafeBytes { unsafe evbuffer_add(buffer, $0.baseAddress, $0.count) }
        }
        unsafe evhttp_send_reply(request, CInt(status), reasonPhrase(status), nil)
        connection.flushSoon()
    }

    private func add(_ headers: HTTPHeaders, on connection: EvhttpConnection) {
        guard let request = unsafe self.request else { return }
        let list = unsafe evhttp_request_get_output_headers(request)
        for field in headers {
            if breaksLine(field) {
                connection.server.log(
                    .warning, "left out a header field with a line break", ["http.header": field.name])
            } else {
                unsafe evhttp_add_header(list, field.name, field.value)
            }
        }
    }

    // MARK: Stream

    func startStream(status: Int, headers: HTTPHeaders, more: HTTPHeaders) {
        guard let connection = self.connection, let request = unsafe self.request, !self.isAnswered, !self.isClosed
        else {
            return
        }
        self.isAnswered = true
        self.isStream = true
        connection.server.openStreams += 1
        self.framing = self.method == .head ? .none : self.isChunkable ? .chunked : .plain
        self.add(headers, on: connection)
        self.add(more, on: connection)
        self.watchOutput(of: connection)
        unsafe evhttp_send_reply_start(request, CInt(status), reasonPhrase(status))
        // A stream may last for days; the fields have been read and sent, and a browser's take 2 KiB. So has the body.
        unsafe self.forgetBody(of: request)
        unsafe evhttp_clear_headers(evhttp_request_get_input_headers(request))
        unsafe evhttp_clear_headers(evhttp_request_get_output_headers(request))
        connection.beginStream()
        connection.flushSoon()
        if self.method == .head { self.endStream() }
    }

    private func forgetBody(of request: OpaquePointer) {
        guard let buffer = unsafe evhttp_request_get_input_buffer(request) else { return }
        unsafe evbuffer_drain(buffer, evbuffer_get_length(buffer))
    }

    private func watchOutput(of connection: EvhttpConnection) {
        self.lastWriteProgress = EventLoop.now
        unsafe self.outputCallback = evbuffer_add_cb(
            connection.output,
            { _, info, context in
                guard let info = unsafe info, let context = unsafe context, unsafe info.pointee.n_deleted > 0 else {
                    return
                }
                unsafe Unmanaged<EvhttpRequest>.fromOpaque(context).takeUnretainedValue().outputShrank()
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    func write(_ bytes: Span<UInt8>) {
        guard let connection = self.connection, self.isStream, self.framing != .none, !self.isClosed else { return }
        let output = unsafe connection.output
        if self.framing == .chunked {
            let size = Array((String(bytes.count, radix: 16) + "\r\n").utf8)
            _ = unsafe size.withUnsafeBytes { unsafe evbuffer_add(output, $0.baseAddress, $0.count) }
        }
        _ = unsafe bytes.withUnsafeBytes { unsafe evbuffer_add(output, $0.baseAddress, $0.count) }
        if self.framing == .chunked { unsafe evbuffer_add(output, "\r\n", 2) }
        connection.flushSoon()
    }

    func endStream() {
        guard let connection = self.connection, let request = unsafe self.request, self.isStream, !self.isClosed else {
            return
        }
        self.framing = .none
        if self.isTunnel { return connection.endTunnel(milliseconds: connection.server.limits.tunnelEndMilliseconds) }
        connection.deadline = EventLoop.now + connection.server.limits.answerMilliseconds
        connection.streamHasEnded = true
        unsafe evhttp_send_reply_end(request)
        // Without chunks evhttp only waits for libevent to write what is left, which `flush` may have told it not to.
        if connection.phase == .streaming, unsafe evbuffer_get_length(connection.output) > 0 {
            unsafe bufferevent_enable(connection.bufferevent, Int16(EV_WRITE))
        }
    }

    // MARK: Tunnel

    var isHTTP11: Bool { self.isChunkable }

    func takeOver(headers: HTTPHeaders, readable: @escaping () -> Void) {
        guard let connection = self.connection, let request = unsafe self.request, !self.isAnswered, !self.isClosed
        else {
            return
        }
        self.isAnswered = true
        self.isStream = true
        self.isTunnel = true
        self.framing = .plain
        connection.server.openStreams += 1
        self.onReadable = readable
        self.watchOutput(of: connection)
        // Thousands of idle tunnels need not keep what their handshakes said.
        unsafe self.forgetBody(of: request)
        unsafe evhttp_clear_headers(evhttp_request_get_input_headers(request))
        var head = "HTTP/1.1 101 \(reasonPhrase(101))\r\n"
        for field in headers where !breaksLine(field) { head += "\(field.name): \(field.value)\r\n" }
        connection.beginTunnel()
        self.write(Array((head + "\r\n").utf8).span)
    }

    func becameReadable() { self.onReadable?() }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let connection = self.connection, connection.phase == .tunnel else { return 0 }
        return unsafe Int(max(0, evbuffer_remove(connection.input, buffer.baseAddress, buffer.count)))
    }

    var isReceiving = true {
        didSet {
            guard let connection = self.connection, connection.phase == .tunnel, self.isReceiving != oldValue else {
                return
            }
            if self.isReceiving {
                unsafe bufferevent_enable(connection.bufferevent, Int16(EV_READ))
            } else {
                unsafe bufferevent_disable(connection.bufferevent, Int16(EV_READ))
            }
        }
    }

    var unconfirmedBytes: Int {
        guard let connection = self.connection else { return 0 }
        var count: CInt = 0
        let code = unsafe ioctl(bufferevent_getfd(connection.bufferevent), UInt(TIOCOUTQ), &count)
        return code == 0 ? Int(count) : 0
    }

    func abort() {
        guard !self.isClosed else { return }
        self.connection?.closeSoon()
    }

    var pendingBytes: Int {
        guard let connection = self.connection else { return 0 }
        return unsafe evbuffer_get_length(connection.output)
    }

    private func outputShrank() {
        self.lastWriteProgress = EventLoop.now
        guard self.onDrained != nil, self.drainTold, self.pendingBytes == 0 else { return }
        // Not from here: the bufferevent is in the middle of a write.
        self.drainTold = false
        self.loop.atEndOfTick {
            self.drainTold = true
            if !self.isClosed { self.onDrained?() }
        }
    }
}
