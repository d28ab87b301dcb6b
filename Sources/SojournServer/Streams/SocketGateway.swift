import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// One client that reads and writes many sessions over a WebSocket. Loop-confined.
///
/// All its sessions share one outbox: when it is full, none is given events until the socket has drained, and then each
/// goes on from the log.
final class SocketGateway: ReaderOutlet {
    let connection: ReaderConnection
    let server: NodeServer
    let socket: WebSocket
    var readers: [SessionID: SessionReader] = [:]
    /// Subscriptions that are being opened.
    var opening: Set<SessionID> = []
    /// What waits behind the operation of the same session that is being carried out.
    private var lines: [String: [SocketOperation]] = [:]
    /// Operations that are not answered yet.
    private var unanswered = 0
    private var isAdmitted: Bool
    /// Cuts off who does not authenticate, later who is to go elsewhere.
    private var timer: LoopTimer?
    /// Whether somebody found the outbox full since it drained last.
    private var wasFull = false
    private(set) var isOver = false

    init(server: NodeServer, socket: WebSocket, connection: ReaderConnection, isAdmitted: Bool) {
        self.server = server
        self.socket = socket
        self.connection = connection
        self.isAdmitted = isAdmitted
    }

    func start() {
        self.socket.onMessage { [weak self] in self?.received($0) }
        self.socket.onDrained { [weak self] in self?.drained() }
        self.socket.onEnd { [weak self] in self?.over($0) }
        guard !self.isAdmitted else { return }
        self.timer = LoopTimer(loop: self.server.loop) { [weak self] in
            self?.socket.close(.notAuthenticated, "not authenticated in time")
        }
        self.timer?.start(afterMilliseconds: self.server.configuration.authenticationLimit)
    }

    // MARK: Events

    var hasRoom: Bool {
        if self.socket.pendingBytes < self.server.configuration.outboxBytes { return true }
        self.wasFull = true
        return false
    }

    func write(_ event: LiveEvent) { self.socket.send(EventFrame.webSocket(of: event)) }

    func readerEnded(_ reader: SessionReader, isOutrun: Bool) {
        self.readers[reader.id] = nil
        if isOutrun { self.socket.close(.tooSlow, "the log has moved on; reconnect with your cursor") }
    }

    private func drained() {
        guard self.wasFull else { return }
        self.wasFull = false
        for reader in self.readers.values { reader.resume() }
    }

    // MARK: Operations

    private func received(_ message: WebSocketMessage) {
        guard case .text(let bytes) = message else {
            return self.socket.close(.unsupported, "only JSON in text messages is understood here")
        }
        let operation: SocketOperation
        do throws(StoreError) {
            operation = try SocketOperation(bytes)
        } catch {
            return self.refuse(nil, error)
        }
        if operation.name == "auth" { return self.authenticate(operation) }
        guard self.isAdmitted else {
            self.refuse(operation, StoreError(.unauthorized, "The first operation must be 'auth' with a valid token"))
            return self.socket.close(.policy, "not authenticated")
        }
        if operation.name == "ping" { return self.answer(operation, "pong", [:]) }
        self.enqueue(operation)
    }

    private func authenticate(_ operation: SocketOperation) {
        guard let token = operation.fields["token"]?.string, self.server.admits(token: token) else {
            if self.server.isOpen { return self.answer(operation, "ok", [:]) }
            self.refuse(operation, StoreError(.unauthorized, "Missing or invalid token"))
            return self.socket.close(.policy, "not authenticated")
        }
        self.isAdmitted = true
        self.timer = nil
        self.answer(operation, "ok", [:])
    }

    /// Operations of one session are carried out in the order in which they came, those of different ones at once.
    private func enqueue(_ operation: SocketOperation) {
        self.unanswered += 1
        if self.unanswered >= self.server.configuration.socketOperations { self.socket.isReading = false }
        let line = operation.line
        guard self.lines[line] == nil else {
            self.lines[line]?.append(operation)
            return
        }
        self.lines[line] = []
        self.begin(operation)
    }

    private func begin(_ operation: SocketOperation) {
        guard operation.opensStream else { return self.server.loop.spawn { await self.carryOut(operation) } }
        self.server.openings.enter { [weak self, weak server = self.server] in
            server?.loop.spawn {
                guard let self else { return server?.openings.leave() ?? () }
                await self.carryOut(operation)
            }
        }
    }

    private func carryOut(_ operation: SocketOperation) async {
        guard !self.isOver else {
            if operation.opensStream { self.server.openings.leave() }
            return
        }
        do throws(StoreError) {
            try await self.perform(operation)
        } catch {
            self.refuse(operation, error)
        }
        self.unanswered -= 1
        if !self.socket.isReading { self.socket.isReading = true }
        if self.lines[operation.line]?.isEmpty == false, let next = self.lines[operation.line]?.removeFirst() {
            self.begin(next)
        } else {
            self.lines[operation.line] = nil
        }
    }

    /// Answers `{"op": name, "id": …, …}`.
    func answer(_ operation: SocketOperation?, _ name: String, _ fields: JSONObject) {
        var body: JSONObject = ["op": .string(name)]
        if let id = operation?.fields["id"] { body["id"] = id }
        self.socket.reply(.text(JSON.object(body.merging(fields)).bytes))
    }

    private func refuse(_ operation: SocketOperation?, _ error: StoreError) {
        let body = ErrorBody.json(error, at: self.server.shard.now)
        self.answer(operation, "error", ["error": body["error"] ?? .null])
    }

    // MARK: Life

    /// Sends the client elsewhere at some moment within these milliseconds, so that not all come back at once.
    func drain(within milliseconds: Int) {
        self.timer = LoopTimer(loop: self.server.loop) { [weak self] in
            guard let self else { return }
            self.server.counters.drained += 1
            self.socket.close(.goingAway, "drain retry=\(Int.random(in: 100...3000))")
        }
        self.timer?.start(afterMilliseconds: Int.random(in: 0...max(0, milliseconds)))
    }

    private func over(_ code: WebSocketCloseCode) {
        guard !self.isOver else { return }
        self.isOver = true
        self.timer = nil
        let readers = self.readers.values
        self.readers = [:]
        for reader in readers { reader.stop() }
        if code == .tooSlow || code == .noPong {
            if code == .tooSlow { self.server.counters.stalled += 1 } else { self.server.counters.silent += 1 }
            self.server.log(
                .info, "a WebSocket was closed because its client took nothing, or answered no ping",
                ["close.code": String(code.number), "subscriptions": String(readers.count)])
        }
        self.server.forget(self)
    }
}

extension WebSocketCloseCode {
    /// Nobody said in time who this is.
    static let notAuthenticated: WebSocketCloseCode = 4401
}
