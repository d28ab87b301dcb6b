import CEvent
import Glibc
import SojournCore
import SojournLoop

/// The server end on evhttp: accepts, counts connections, keeps deadlines.
@safe final class EvhttpServer {
    let loop: EventLoop
    let limits: HTTPLimits
    let log: Log
    let handler: (HTTPExchange) -> Void
    var activeExchanges = 0
    var openStreams = 0
    /// Requests and connections that were refused before a handler saw them.
    var refusals = 0
    /// Bytes of requests that have come and are not answered yet.
    var heldBytes = 0
    private(set) var isDraining = false
    /// What protects the connections accepted from now on.
    var tls: TLSContext?

    /// A listening socket as libevent and evhttp know it; evhttp owns both.
    @safe private struct Listener {
        let listener: OpaquePointer
        let bound: OpaquePointer
    }

    /// Nil once closed.
    private var evhttp: OpaquePointer?
    private var listeners: [Listener] = []
    /// By the address of evhttp's connection.
    private var connections: [UInt: EvhttpConnection] = [:]
    /// Accepted in this pass; evhttp's side is not known yet.
    private var fresh: [EvhttpConnection] = []
    /// With bytes that leave at the end of this pass.
    private var unflushed: [EvhttpConnection] = []
    private var sweeper: LoopTimer?
    /// How evhttp takes a connection; known once a unix socket is listened on.
    private var takeOver: evconnlistener_cb?
    /// Whether the connection that evhttp is being given came over a unix socket.
    private var isAcceptingLocal = false

    var connectionCount: Int { self.connections.count + self.fresh.count }

    var idleCount: Int { self.connections.values.count(where: \.isIdle) }

    init(loop: EventLoop, limits: HTTPLimits, log: Log, handler: @escaping (HTTPExchange) -> Void) {
        ignoreBrokenPipes()
        self.loop = loop
        self.limits = limits
        self.log = log
        self.handler = handler
        guard let evhttp = unsafe evhttp_new(loop.base) else { preconditionFailure("libevent: no memory for a server") }
        unsafe self.evhttp = evhttp
        unsafe evhttp_set_max_headers_size(evhttp, limits.headerBytes)
        unsafe evhttp_set_max_body_size(evhttp, limits.bodyBytes)
        unsafe evhttp_set_default_content_type(evhttp, nil)
        let methods = [
            EVHTTP_REQ_GET, EVHTTP_REQ_HEAD, EVHTTP_REQ_POST, EVHTTP_REQ_PUT, EVHTTP_REQ_PATCH, EVHTTP_REQ_DELETE,
            EVHTTP_REQ_OPTIONS, EVHTTP_REQ_TRACE, EVHTTP_REQ_CONNECT,
        ]
        unsafe evhttp_set_allowed_methods(evhttp, methods.reduce(0) { $0 | UInt16($1.rawValue) })
        // Released in `close`: an open server keeps itself alive, as its callbacks need it.
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        unsafe evhttp_set_bevcb(
            evhttp,
            { base, context in
                guard let base = unsafe base, let context = unsafe context else { return nil }
                return unsafe Unmanaged<EvhttpServer>.fromOpaque(context).takeUnretainedValue().accepted(base)
            }, context)
        unsafe evhttp_set_gencb(
            evhttp,
            { request, context in
                guard let request = unsafe request, let context = unsafe context else { return }
                unsafe Unmanaged<EvhttpServer>.fromOpaque(context).takeUnretainedValue().received(request)
            }, context)
        self.sweeper = LoopTimer(loop: loop) { [weak self] in self?.sweep() }
        self.sweeper?.start(afterMilliseconds: limits.sweepMilliseconds)
    }

    // MARK: Listening

    /// - Parameter isLocal: whether it is a unix socket.
    func listen(descriptor: CInt, isLocal: Bool = false) throws(HTTPListenError) {
        guard let evhttp = unsafe self.evhttp else { throw HTTPListenError(description: "the HTTP server is closed") }
        let flags = UInt32(LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC)
        let refusal = HTTPListenError(description: "libevent refused the listening socket \(descriptor)")
        guard let listener = unsafe evconnlistener_new(self.loop.base, nil, nil, flags, 0, descriptor) else {
            Glibc.close(descriptor)
            throw refusal
        }
        let bound =
            unsafe isLocal
            ? sojourn_bind_listener(evhttp, listener, &self.takeOver) : evhttp_bind_listener(evhttp, listener)
        guard let bound = unsafe bound else {
            unsafe evconnlistener_free(listener)
            throw refusal
        }
        if isLocal {
            unsafe evconnlistener_set_cb(
                listener,
                { listener, descriptor, _, _, context in
                    guard let context = unsafe context else { return }
                    unsafe Unmanaged<EvhttpServer>.fromOpaque(context).takeUnretainedValue()
                        .acceptedLocal(descriptor, listener)
                }, Unmanaged.passUnretained(self).toOpaque())
        }
        // Out of descriptors: the socket stays readable, and the loop would spin. The sweep listens again.
        unsafe evconnlistener_set_error_cb(listener) { listener, _ in unsafe evconnlistener_disable(listener) }
        unsafe self.listeners.append(Listener(listener: listener, bound: bound))
    }

    func stopAccepting() {
        self.isDraining = true
        guard let evhttp = unsafe self.evhttp else { return }
        for listener in self.listeners { unsafe evhttp_del_accept_socket(evhttp, listener.bound) }
        self.listeners.removeAll()
    }

    // MARK: Connections

    /// Hands a connection of a unix socket to evhttp, under an address that it can name.
    private func acceptedLocal(_ descriptor: CInt, _ listener: OpaquePointer?) {
        self.isAcceptingLocal = true
        defer { self.isAcceptingLocal = false }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        let length = CInt(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard let takeOver = unsafe self.takeOver, let evhttp = unsafe self.evhttp else {
                    Glibc.close(descriptor)
                    return
                }
                unsafe takeOver(listener, descriptor, address, length, UnsafeMutableRawPointer(evhttp))
            }
        }
    }

    /// evhttp accepted a connection and asks for its bufferevent.
    private func accepted(_ base: OpaquePointer) -> OpaquePointer? {
        // Without BEV_OPT_CLOSE_ON_FREE, as evhttp does by itself: it closes the descriptor. One of TLS closes it by
        // itself, which evhttp knows.
        // Who reaches a unix socket is on this machine.
        let tls = self.isAcceptingLocal ? nil : self.tls
        let made = unsafe tls.map { unsafe $0.makeBufferevent(loop: self.loop, descriptor: -1, isServer: true) }
        guard let bufferevent = unsafe made ?? bufferevent_socket_new(base, -1, 0) else {
            preconditionFailure("libevent: no memory for a connection")
        }
        if self.connectionCount >= self.limits.connections { self.makeRoom() }
        let isSurplus = self.connectionCount >= self.limits.connections
        let connection = unsafe EvhttpConnection(
            server: self, bufferevent: bufferevent, isSecure: tls != nil, isLocal: self.isAcceptingLocal)
        if self.fresh.isEmpty { self.loop.atEndOfTick { self.attachFresh() } }
        self.fresh.append(connection)
        if isSurplus { connection.refuse(status: 503, message: "Too many connections") }
        return unsafe bufferevent
    }

    /// Closes those that have been idle for longest: whoever holds thousands of them must not keep the others out. Some
    /// at once, because looking at all of them takes a while.
    private func makeRoom() {
        let end = EventLoop.now - self.limits.spareMilliseconds
        let idle = self.connections.values.filter { $0.isIdle && $0.idleSince <= end }
        let longest = idle.sorted { $0.idleSince < $1.idleSince }.prefix(max(1, self.limits.connections / 32))
        for connection in longest { connection.close() }
    }

    private func attachFresh() {
        // Emptied first, so that each connection's leaving the list costs nothing.
        let fresh = self.fresh
        self.fresh.removeAll()
        for connection in fresh { connection.attach() }
    }

    func adopt(_ connection: EvhttpConnection, as evcon: OpaquePointer) {
        self.fresh.removeAll { $0 === connection }
        self.connections[UInt(bitPattern: evcon)] = connection
    }

    func forget(_ connection: EvhttpConnection, as evcon: OpaquePointer?) {
        self.fresh.removeAll { $0 === connection }
        if let evcon = unsafe evcon { self.connections[UInt(bitPattern: evcon)] = nil }
    }

    /// Flushes the connection at the end of this pass.
    func flushSoon(_ connection: EvhttpConnection) {
        if self.unflushed.isEmpty { self.loop.atEndOfTick { self.flush() } }
        self.unflushed.append(connection)
    }

    private func flush() {
        let unflushed = self.unflushed
        self.unflushed.removeAll(keepingCapacity: true)
        for connection in unflushed { connection.flush() }
    }

    private func received(_ request: OpaquePointer) {
        guard let evcon = unsafe evhttp_request_get_connection(request),
            let connection = self.connections[UInt(bitPattern: evcon)], connection.isRequestComplete
        else {
            // Nothing the guard has not seen may reach a handler.
            return unsafe evhttp_send_error(request, 400, nil)
        }
        unsafe connection.handle(request)
    }

    private func sweep() {
        let now = EventLoop.now
        // Listed first: closing changes the table.
        let expired = self.connections.values.filter { ($0.deadline ?? now + 1) <= now }
        for connection in expired { connection.close() }
        for listener in self.listeners { unsafe evconnlistener_enable(listener.listener) }
        self.sweeper?.start(afterMilliseconds: self.limits.sweepMilliseconds)
    }

    func closeIdleConnections() {
        self.attachFresh()
        for connection in self.connections.values.filter(\.isIdle) { connection.close() }
    }

    func close() {
        guard let evhttp = unsafe self.evhttp else { return }
        self.stopAccepting()
        self.attachFresh()
        self.sweeper?.stop()
        self.sweeper = nil
        unsafe self.evhttp = nil
        unsafe evhttp_free(evhttp)
        unsafe Unmanaged.passUnretained(self).release()
    }
}
