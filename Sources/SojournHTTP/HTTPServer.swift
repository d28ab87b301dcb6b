import Glibc
public import SojournCore
public import SojournLoop

/// An HTTP/1.1 server of one loop (RFC 9110 and 9112). It is created, used and closed on that loop.
///
/// Several servers, one per loop, may listen on the same port; the kernel spreads connections over them. What
/// is malformed never reaches the handler: the server answers it by itself with ``HTTPLimits/refusalBody`` and
/// closes the connection. Chunked bodies that are malformed or too large are answered by the parser's own
/// HTML page (400 or 413). An open server keeps itself alive until ``close()``.
public final class HTTPServer {
    private let end: EvhttpServer

    /// A server that listens nowhere yet. The handler runs on the loop once per request, when its body is
    /// complete, and answers then or later; requests of one connection come one after the other.
    public init(
        loop: EventLoop, limits: HTTPLimits = HTTPLimits(), log: Log = .silent,
        handler: @escaping (HTTPExchange) -> Void
    ) {
        self.end = EvhttpServer(loop: loop, limits: limits, log: log, handler: handler)
    }

    /// Listens on a numeric address (`localhost` is 127.0.0.1) and returns the port, which is picked by the
    /// system when `port` is 0. The socket shares its port with other servers of this user (SO_REUSEPORT), also
    /// of another process.
    @discardableResult
    public func listen(host: String, port: Int) throws(HTTPListenError) -> Int {
        let descriptor = try bindListeningSocket(host: host, port: port)
        try self.listen(descriptor: descriptor)
        return boundPort(of: descriptor)
    }

    /// Checks that nobody listens there: sockets that share a port would not notice another process.
    ///
    /// - Throws: an error whose sentence names the address.
    public static func ensureUnused(host: String, port: Int) throws(HTTPListenError) {
        guard port != 0 else { return }
        Glibc.close(try bindListeningSocket(host: host, port: port, sharing: false))
    }

    /// Listens on a unix socket, as other servers may; the first that comes takes a connection. What comes there is never
    /// protected by TLS: who reaches it is on this machine, and the file's mode says who that may be.
    public func listen(_ socket: UnixSocket) throws(HTTPListenError) {
        try self.end.listen(descriptor: try socket.share(), isLocal: true)
    }

    /// Takes a listening, non-blocking TCP socket (such as one handed over by systemd) and owns it from now on.
    /// Not for unix sockets, which have a method of their own.
    public func listen(descriptor: CInt) throws(HTTPListenError) { try self.end.listen(descriptor: descriptor) }

    /// What protects the connections that are accepted from now on; those that are open keep what they have. Nil is plain.
    public var tls: TLSContext? {
        get { self.end.tls }
        set { self.end.tls = newValue }
    }

    /// Open connections.
    public var connections: Int { self.end.connectionCount }

    /// Those on which no request is under way.
    public var idleConnections: Int { self.end.idleCount }

    /// Bytes of requests that have come and are not answered yet.
    public var heldBytes: Int { self.end.heldBytes }

    /// Requests whose answer has not completely left, streams included.
    public var activeExchanges: Int { self.end.activeExchanges }

    /// Requests and connections that were refused before the handler saw them.
    public var refusals: Int { self.end.refusals }

    /// Streams that are open.
    public var openStreams: Int { self.end.openStreams }

    /// Closes the listening sockets; from now on each answer closes its connection. The first step of a drain,
    /// followed by ``closeIdleConnections()``, by ending the streams, and by ``close()`` when
    /// ``activeExchanges`` is 0.
    public func stopAccepting() { self.end.stopAccepting() }

    /// Closes the connections on which no request is under way.
    public func closeIdleConnections() { self.end.closeIdleConnections() }

    /// Closes everything at once; pending exchanges see their client leave. Idempotent. Not from inside a
    /// handler that runs right in its request's arrival: use ``EventLoop/atEndOfTick(_:)`` there.
    public func close() { self.end.close() }
}
