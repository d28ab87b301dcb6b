import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// One client that reads a session's events over SSE. Loop-confined.
///
/// When it takes no byte for too long it is closed and may resume.
final class EventStream: ReaderOutlet {
    let connection: ReaderConnection
    private let server: NodeServer
    private let stream: HTTPStream
    private let sessionID: SessionID
    private let dialect: EventFrame.Dialect
    private var reader: SessionReader?
    /// Its slot in the wheel of heartbeats.
    private var slot: Int?
    private var isOver = false
    private let address: String
    private var expiry: ExpiryWatch?

    static let headers: HTTPHeaders = [
        ("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"), ("Connection", "keep-alive"),
        ("X-Accel-Buffering", "no"),
    ]

    /// - Throws: when there are too many streams.
    init(
        server: NodeServer, context: RouteContext, session: Session, request: StreamRequest
    ) throws(StoreError) {
        let address = server.addresses.counted(context.exchange)
        try server.census.enter(address)
        self.address = address
        self.server = server
        self.sessionID = session.id
        self.dialect = request.dialect
        self.connection = ReaderConnection(.sse, client: request.client)
        self.stream = context.exchange.startStream(status: 200, headers: Self.headers)
        self.stream.onClosed { [weak self] in self?.over(.left) }
        self.stream.onDrained { [weak self] in self?.reader?.resume() }
        self.expiry = server.watchExpiry(of: context.caller) { [weak self] in self?.end(.expired) }
    }

    func start(_ session: Session, _ request: StreamRequest) {
        // The pause before a reconnect, with jitter, so that clients do not come back all at once. No blank line: some
        // clients would see an empty event.
        self.stream.write("retry: \(Int.random(in: 1000...3000))\n")
        self.slot = self.server.beats.add(self)
        let reader = SessionReader(
            server: self.server, session: session, outlet: self, wantsPresence: request.presence)
        self.reader = reader
        reader.start(session, after: request.after)
    }

    /// Bytes that the client has not taken yet.
    var pendingBytes: Int { self.stream.pendingBytes }

    // MARK: Reader

    var hasRoom: Bool { self.stream.pendingBytes < self.server.configuration.outboxBytes }

    func write(_ event: LiveEvent) {
        self.server.counters.eventsToStreams += 1
        self.stream.write(EventFrame.bytes(of: event, dialect: self.dialect))
    }

    func readerEnded(_ reader: SessionReader, isOutrun: Bool) {
        self.over(isOutrun ? .outrun : .closed)
        // Whoever was outrun may resume with its cursor, and is told then what is missing.
        self.stream.end()
    }

    // MARK: Life

    /// Tells the client to reconnect elsewhere after so many milliseconds, and ends the stream.
    func drain(retry: Int) {
        guard !self.isOver else { return }
        self.stream.write("retry: \(retry)\n")
        self.end(.drain, ["retry": JSON(retry)])
    }

    private func end(_ reason: StreamEnd, _ more: JSONObject = [:]) {
        guard !self.isOver else { return }
        self.reader?.end(reason.rawValue, more)
        self.over(reason)
        self.stream.end()
    }

    private func over(_ end: StreamEnd) {
        guard !self.isOver else { return }
        self.isOver = true
        self.server.counters.ends[end, default: 0] += 1
        if let slot = self.slot { self.server.beats.remove(self, from: slot) }
        self.expiry = nil
        self.server.census.leave(self.address)
        self.reader?.stop()
        self.server.forget(self)
    }

    /// Says that the stream is alive, and looks whether its client is.
    func beat() {
        guard !self.isOver else { return }
        if self.stream.pendingBytes > 0,
            self.stream.millisecondsSinceProgress > self.server.configuration.outboxStall
        {
            self.server.counters.stalled += 1
            self.server.log(
                .info, "a stream took no byte for too long; it is closed and may resume with its cursor",
                ["session.id": self.sessionID.text, "outbox.bytes": String(self.stream.pendingBytes)])
            self.over(.stalled)
            self.stream.close()
            return
        }
        if self.stream.pendingBytes == 0 { self.stream.write(EventFrame.heartbeat) }
    }
}
