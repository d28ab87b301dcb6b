import SojournLoop

/// Hears of each answer as it is given.
public protocol HTTPExchangeObserver: AnyObject {
    /// The exchange was answered, or its stream begun, with this status.
    func answered(_ exchange: HTTPExchange, status: Int)
}

/// One request and its one answer. Loop only.
///
/// The request's data stay readable until the answer is given, also after the client has left; giving an
/// answer after the client left is a harmless no-op, so a handler need not ask before each step. An exchange
/// that is dropped without an answer is answered 500, so that no client waits for ever.
public final class HTTPExchange {
    private let carrier: any HTTPCarrier
    private var answered = false
    private var extra: HTTPHeaders = []
    /// When the request was complete, in microseconds of the monotonic clock; `EventLoop.microseconds`.
    public let arrivedAt = EventLoop.microseconds
    /// Who hears of the answer.
    public var observer: (any HTTPExchangeObserver)?
    /// The observer's number for what this is.
    public var kind = -1
    /// What names the request in logs.
    public var name = ""
    /// Whether somebody waits with the answer for something that is not here yet: ``onClosed(_:)`` was set.
    public private(set) var isWaiting = false
    private lazy var parsedTarget = RequestTarget(self.carrier.target)

    init(carrier: any HTTPCarrier) { self.carrier = carrier }

    deinit {
        if !self.answered { self.carrier.answer(status: 500, headers: [], more: [], body: []) }
    }

    // MARK: Request

    /// The request's method.
    public var method: HTTPMethod { self.carrier.method }

    /// The path, `%XX` decoded (bytes that are not UTF-8 become U+FFFD). For routing use
    /// ``pathSegments``, in which an escaped slash is still told from a real one.
    public var path: String { self.parsedTarget.path }

    /// The path as it was sent, without the query.
    public var rawPath: String { self.parsedTarget.rawPath }

    /// The path's segments, each `%XX` decoded by itself; `/a/b` and `/a/b/` have the same two, `//a` has an empty one.
    public var pathSegments: [String] { self.parsedTarget.segments }

    /// The query's items in order, decoded (`+` is a space). Never an error: an item without `=` has an empty
    /// value, an invalid escape stays as it is.
    public var queryItems: [(name: String, value: String)] { self.parsedTarget.queryItems }

    /// The first header field of this name, whatever its case; nil when there is none. Trailer fields of a
    /// chunked body are never seen.
    public func header(_ name: String) -> String? { self.carrier.header(name) }

    /// All header fields of this name in order, whatever its case.
    public func headers(_ name: String) -> [String] { self.carrier.headers(name) }

    /// The body, de-chunked; empty when there is none. Each call copies it. HEAD and TRACE
    /// never have one; a request that says so is refused.
    public var body: [UInt8] { self.carrier.body }

    /// The peer's numeric address, or ``UnixSocket/peer``.
    public var remoteAddress: String { self.carrier.remoteAddress }

    // MARK: Waiting

    /// Whether nobody reads an answer any more. A client that leaves is noticed at once when ``onClosed(_:)``
    /// is set or a stream has started, else only when the answer is written.
    public var isClosed: Bool { self.carrier.isClosed }

    /// Calls `body` once if the client leaves (or the server closes) before an answer is given. Set it before a
    /// long wait: it makes the server look. A client that only shuts down its sending side counts as
    /// gone then. What `body` captures is released when the exchange is over.
    public func onClosed(_ body: @escaping () -> Void) {
        self.isWaiting = true
        self.carrier.onClosed = body
    }

    // MARK: Answer

    /// Gives the complete answer. Content-Length and Date are added; nothing else is. A field with a line break
    /// or NUL in it is left out. For HEAD the body's length is told and the body left out.
    ///
    /// An exchange is answered once: a second answer is a programming error and stops the process.
    public func respond(status: Int, headers: HTTPHeaders = [], body: [UInt8] = []) {
        self.claimAnswer(status)
        self.carrier.answer(status: status, headers: headers, more: self.extra, body: body)
    }

    /// Sends the head of an answer whose body follows piece by piece; it is the exchange's one answer, under the
    /// rule of ``respond(status:headers:body:)``. Exactly the given header fields are sent, with Date and (for
    /// HTTP/1.1) `Transfer-Encoding: chunked`; an HTTP/1.0 body ends with the connection. The connection is not
    /// used for another request afterwards.
    public func startStream(status: Int, headers: HTTPHeaders) -> HTTPStream {
        self.claimAnswer(status)
        self.carrier.startStream(status: status, headers: headers, more: self.extra)
        return HTTPStream(carrier: self.carrier)
    }

    /// Adds fields to the answer, whoever gives it and whichever it is.
    public func addToAnswer(_ headers: HTTPHeaders) {
        self.extra = self.extra.isEmpty ? headers : self.extra + headers
    }

    /// The carrier and the fields of the 101 answer, if this is the opening handshake of a WebSocket; whoever asks
    /// gives the answer.
    func upgrade(
        origins: WebSocketOrigins
    ) throws(WebSocketRefusal) -> (carrier: any HTTPCarrier, headers: HTTPHeaders) {
        let fields = try WebSocketHandshake.answer(to: self.carrier, origins: origins)
        self.claimAnswer(101)
        return (self.carrier, fields + self.extra)
    }

    private func claimAnswer(_ status: Int) {
        precondition(!self.answered, "an HTTP request was answered twice: \(self.method) \(self.rawPath)")
        self.answered = true
        self.observer?.answered(self, status: status)
        self.observer = nil
    }
}
