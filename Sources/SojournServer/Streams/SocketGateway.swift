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
    /// Who asks; nil until that was said.
    private(set) var caller: Caller?
    /// How often that was said.
    private(set) var authentications = 0
    private var expiry: ExpiryWatch?
    /// Of the subscriptions that came with a token of their own.
    var expiries: [SessionID: ExpiryWatch] = [:]
    /// What it is counted as.
    let address: String
    /// Cuts off who does not authenticate.
    private var deadline: LoopTimer?
    /// Sends the client elsewhere.
    private var farewell: LoopTimer?
    /// Whether somebody found the outbox full since it drained last.
    private var wasFull = false
    private(set) var isOver = false

    /// - Parameter address: as which it was counted already.
    init(server: NodeServer, socket: WebSocket, connection: ReaderConnection, address: String, caller: Caller?) {
        self.server = server
        self.socket = socket
        self.connection = connection
        self.address = address
        self.caller = caller
    }

    func start() {
        self.socket.onMessage { [weak self] in self?.received($0) }
        self.socket.onDrained { [weak self] in self?.drained() }
        self.socket.onEnd { [weak self] in self?.over($0) }
        if let caller { return self.watch(caller) }
        self.deadline = LoopTimer(loop: self.server.loop) { [weak self] in
            self?.socket.close(.notAuthenticated, "not authenticated in time")
        }
        self.deadline?.start(afterMilliseconds: self.server.configuration.authenticationLimit)
    }

    private func watch(_ caller: Caller) {
        self.expiry = self.server.watchExpiry(of: caller) { [weak self] in
            self?.socket.close(.tokenExpired, ExpiryWatch.reason)
        }
    }

    // MARK: Events

    var hasRoom: Bool {
        if self.socket.pendingBytes < self.server.configuration.outboxBytes { return true }
        self.wasFull = true
        return false
    }

    func write(_ event: LiveEvent) {
        self.server.counters.eventsToSockets += 1
        self.socket.send(EventFrame.webSocket(of: event))
    }

    func readerEnded(_ reader: SessionReader, isOutrun: Bool) {
        self.forget(reader.id)
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
        self.server.counters.operations[operation.counted, default: 0] += 1
        if operation.name == "auth" { return self.authenticate(operation) }
        guard self.caller != nil || self.isIntroduced(by: operation) else {
            self.refuse(operation, StoreError(.unauthorized, "The first operation must be 'auth' with a valid token"))
            return self.socket.close(.policy, "not authenticated")
        }
        if operation.name == "ping" { return self.answer(operation, "pong", [:]) }
        self.enqueue(operation)
    }

    private func authenticate(_ operation: SocketOperation) {
        guard let known = self.known(by: operation.fields["token"]?.string) else {
            self.refuse(operation, StoreError(.unauthorized, "Missing or invalid token"))
            return self.socket.close(.policy, "not authenticated")
        }
        self.enter(known)
        self.answer(operation, "ok", [:])
        if !self.readers.isEmpty { self.server.loop.spawn { await self.readmit(known, self.authentications) } }
    }

    private func enter(_ caller: Caller) {
        self.deadline = nil
        self.caller = caller
        self.authentications += 1
        self.watch(caller)
    }

    /// The token of a first subscription says who this is.
    private func isIntroduced(by operation: SocketOperation) -> Bool {
        guard operation.name == "subscribe", let token = operation.fields["token"]?.string,
            let known = self.server.caller(of: token)
        else { return false }
        self.enter(known)
        return true
    }

    /// Where no keys are set nobody needs a token.
    private func known(by token: String?) -> Caller? {
        guard let token else { return self.caller?.isAnyone == true ? self.caller : nil }
        return self.server.caller(of: token)
    }

    /// Ends the subscriptions that another caller opened and this one may not: they would outlive their token.
    private func readmit(_ caller: Caller, _ authentication: Int) async {
        for (id, reader) in self.readers where self.expiries[id] == nil {
            let isAdmitted: Bool
            do throws(StoreError) {
                try await self.server.admit(caller, to: id.text, for: reader.needs)
                isAdmitted = true
            } catch {
                isAdmitted = false
            }
            // Who has come meanwhile is asked for by itself.
            guard authentication == self.authentications, !self.isOver else { return }
            guard !isAdmitted, self.readers[id] === reader else { continue }
            reader.end(ExpiryWatch.reason)
            self.forget(id)
        }
    }

    /// The subscription is over.
    func forget(_ id: SessionID) {
        self.readers[id] = nil
        self.expiries[id] = nil
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
        let start = EventLoop.microseconds
        do throws(StoreError) {
            try await self.perform(operation)
            self.tell(operation, since: start, nil)
        } catch {
            self.refuse(operation, error)
            self.tell(operation, since: start, error)
        }
        self.unanswered -= 1
        if !self.socket.isReading { self.socket.isReading = true }
        if self.lines[operation.line]?.isEmpty == false, let next = self.lines[operation.line]?.removeFirst() {
            self.begin(next)
        } else {
            self.lines[operation.line] = nil
        }
    }

    private func tell(_ operation: SocketOperation, since start: Int, _ error: StoreError?) {
        let took = EventLoop.microseconds - start
        let isSlow = self.server.isSlow(took) && self.server.slowLines.admit()
        self.server.log(
            isSlow ? .warning : .debug, isSlow ? "an operation took long" : "an operation was answered",
            [
                "connection.id": self.connection.id, "op": operation.counted,
                "session.id": String(operation.line.prefix(64)),
                "error.code": error?.code.name ?? "", "duration.ms": NodeServer.milliseconds(took),
                "client.address": self.address,
            ])
    }

    /// Answers `{"op": name, "id": …, …}`.
    func answer(_ operation: SocketOperation?, _ name: String, _ fields: JSONObject) {
        var body: JSONObject = ["op": .string(name)]
        if let id = operation?.fields["id"] { body["id"] = id }
        self.socket.reply(.text(JSON.object(body.merging(fields)).bytes))
    }

    /// The same, whose fields are written where they belong.
    func answer(_ operation: SocketOperation, _ name: String, _ fields: (inout JSONWriter) -> Void) {
        var body = JSONWriter()
        body.open()
        body.member("op", name)
        if let id = operation.fields["id"] { body.member("id", id) }
        fields(&body)
        body.close()
        self.socket.reply(.text(body.bytes))
    }

    private func refuse(_ operation: SocketOperation?, _ error: StoreError) {
        let body = ErrorBody.json(error, at: self.server.shard.now)
        var fields: JSONObject = ["error": body["error"] ?? .null]
        if let seconds = error.retryAfter { fields["retryAfter"] = JSON(seconds) }
        self.answer(operation, "error", fields)
    }

    // MARK: Life

    /// Sends the client elsewhere at some moment within these milliseconds, so that not all come back at once.
    func drain(within milliseconds: Int) {
        self.farewell = LoopTimer(loop: self.server.loop) { [weak self] in
            guard let self else { return }
            self.server.counters.drained += 1
            self.socket.close(.goingAway, "drain retry=\(Int.random(in: 100...3000))")
        }
        self.farewell?.start(afterMilliseconds: Int.random(in: 0...max(0, milliseconds)))
    }

    private func over(_ code: WebSocketCloseCode) {
        guard !self.isOver else { return }
        self.isOver = true
        self.server.counters.closes[code.counted, default: 0] += 1
        self.deadline = nil
        self.farewell = nil
        self.expiry = nil
        let readers = self.readers.values
        self.readers = [:]
        self.expiries = [:]
        self.server.census.leave(self.address)
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
    /// The time of the token is over, and nobody has given a newer one.
    static let tokenExpired: WebSocketCloseCode = 4403

    /// The number, if it means something here; clients may send any.
    fileprivate var counted: UInt16? {
        [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 4401, 4403, 4408, 4413].contains(self.number)
            ? self.number : nil
    }
}
