/// What one server allows its clients. Every limit holds per loop, since a server belongs to one loop.
public struct HTTPLimits: Sendable {
    /// Most bytes of a request line and its headers together; more is answered 431. 16 KiB.
    public var headerBytes = 16 * 1024
    /// Most header fields; more is answered 431. 100.
    public var headerCount = 100
    /// Most bytes of a request body; more is answered 413. 1 MiB.
    public var bodyBytes = 1024 * 1024
    /// Most bytes of requests that are held at once, over all connections. Beyond, a request that has brought more than
    /// ``headerBytes`` and brings more yet is answered 503; small ones are served. 64 MiB.
    public var heldBytes = 64 << 20
    /// Most open connections; one more closes idle ones, or, when there are none, is answered 503 and closed. 10,000.
    public var connections = 10_000
    /// Milliseconds for which a connection is idle before it may be closed to make room for another one. 1 s.
    public var spareMilliseconds = 1_000
    /// Milliseconds from a request's first byte (or from the accept) to the end of its headers. 10 s.
    public var headerMilliseconds = 10_000
    /// Milliseconds from the end of the headers to the end of the body. 30 s.
    public var bodyMilliseconds = 30_000
    /// Milliseconds between requests on a kept connection. 75 s.
    public var idleMilliseconds = 75_000
    /// Milliseconds a client may take to accept a complete answer; streams are not meant. 60 s.
    public var answerMilliseconds = 60_000
    /// Milliseconds a client may take to accept the last words of a protocol that took over its connection, and to
    /// close. 5 s.
    public var tunnelEndMilliseconds = 5_000
    /// The body of an answer the server gives by itself (400, 413, 431, 501, 503, 505), as JSON, from its status
    /// and a sentence. The layer above decides its shape.
    public var refusalBody: @Sendable (_ status: Int, _ message: String) -> String

    /// The defaults above; `refusalBody` defaults to `{"error":"<message>"}`.
    public init(
        refusalBody: @escaping @Sendable (_ status: Int, _ message: String) -> String = { #"{"error":"\#($1)"}"# }
    ) {
        self.refusalBody = refusalBody
    }

    /// How often deadlines are looked at: often enough for the shortest one, once a second at most.
    var sweepMilliseconds: Int {
        let shortest = min(
            self.headerMilliseconds, self.bodyMilliseconds, self.idleMilliseconds, self.answerMilliseconds,
            self.tunnelEndMilliseconds)
        return max(20, min(1000, shortest / 4))
    }
}
