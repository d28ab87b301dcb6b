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
    private let session: Session
    private let dialect: EventFrame.Dialect
    private var reader: SessionReader?
    private var heartbeat: LoopTimer?
    private var isOver = false

    static let headers: HTTPHeaders = [
        ("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"), ("Connection", "keep-alive"),
        ("X-Accel-Buffering", "no"),
    ]

    init(server: NodeServer, context: RouteContext, session: Session, dialect: EventFrame.Dialect) {
        self.server = server
        self.session = session
        self.dialect = dialect
        self.connection = ReaderConnection(.sse, client: context.query("client"))
        self.stream = context.exchange.startStream(status: 200, headers: Self.headers)
        self.stream.onClosed { [weak self] in self?.over() }
        self.stream.onDrained { [weak self] in self?.reader?.resume() }
        self.heartbeat = LoopTimer(loop: server.loop) { [weak self] in self?.beat() }
    }

    func start(after cursor: Cursor) {
        // The pause before a reconnect, with jitter, so that clients do not come back all at once. No blank line: some
        // clients would see an empty event.
        self.stream.write("retry: \(Int.random(in: 1000...3000))\n")
        self.heartbeat?.start(afterMilliseconds: self.server.configuration.streamHeartbeat)
        let reader = SessionReader(server: self.server, session: self.session, outlet: self)
        self.reader = reader
        reader.start(after: cursor)
    }

    /// Bytes that the client has not taken yet.
    var pendingBytes: Int { self.stream.pendingBytes }

    // MARK: Reader

    var hasRoom: Bool { self.stream.pendingBytes < self.server.configuration.outboxBytes }

    func write(_ event: LiveEvent) { self.stream.write(EventFrame.bytes(of: event, dialect: self.dialect)) }

    func readerEnded(_ reader: SessionReader, isOutrun: Bool) {
        self.over()
        // Whoever was outrun may resume with its cursor, and is told then what is missing.
        self.stream.end()
    }

    // MARK: Life

    /// Ends the stream; `reason` tells the client whether to come back.
    func end(_ reason: String) {
        guard !self.isOver else { return }
        self.reader?.end(reason)
        self.over()
        self.stream.end()
    }

    private func over() {
        guard !self.isOver else { return }
        self.isOver = true
        self.heartbeat?.stop()
        self.reader?.stop()
        self.server.forget(self)
    }

    private func beat() {
        guard !self.isOver else { return }
        if self.stream.pendingBytes > 0,
            self.stream.millisecondsSinceProgress > self.server.configuration.outboxStall
        {
            self.server.counters.stalled += 1
            self.server.log(
                .info, "a stream took no byte for too long; it is closed and may resume with its cursor",
                ["session.id": self.session.id.text, "outbox.bytes": String(self.stream.pendingBytes)])
            self.over()
            self.stream.close()
            return
        }
        if self.server.shard.agents[self.session.agentID]?.aliveWhileWatched == true {
            self.server.loop.spawn { [server, session] in _ = try? await server.shard.heartbeat(session.id) }
        }
        if self.stream.pendingBytes == 0 { self.stream.write(EventFrame.heartbeat) }
        self.heartbeat?.start(afterMilliseconds: self.server.configuration.streamHeartbeat)
    }
}
