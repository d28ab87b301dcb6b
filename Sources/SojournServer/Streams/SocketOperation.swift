import SojournCore
import SojournHTTP
import SojournStore

/// What a client asks over a WebSocket: `{"op": "…", "id": …, …}`; the id comes back with the answer.
struct SocketOperation {
    let name: String
    let fields: JSONObject

    /// - Throws: `VALIDATION_ERROR` when the bytes are no operation.
    init(_ bytes: [UInt8]) throws(StoreError) {
        let json: JSON
        do {
            json = try JSON.parse(bytes)
        } catch {
            throw .validation("Invalid JSON in message: \(error)", field: "message")
        }
        guard let fields = json.object, let name = fields["op"]?.string else {
            throw .validation("Invalid message: Must be an object with an 'op'", field: "op")
        }
        self.name = name
        self.fields = fields
    }

    /// What it is counted as.
    var counted: String {
        let known = ["auth", "ping", "subscribe", "unsubscribe", "heartbeat", "message"]
        return known.contains(self.name) ? self.name : "other"
    }

    /// Whether it reads a session and its log, for which it waits at the gate.
    var opensStream: Bool { self.name == "subscribe" }

    /// Operations of one line are carried out one after the other.
    var line: String { self.fields["sessionId"]?.string?.lowercased() ?? "" }

    /// The session that it is about, as it was written.
    ///
    /// - Throws: `VALIDATION_ERROR` when it names none.
    var sessionText: String {
        get throws(StoreError) {
            guard let text = self.fields["sessionId"]?.string else {
                throw .validation("Missing required fields: sessionId", field: "sessionId")
            }
            return text
        }
    }

    /// What a retry repeats; nil when it has none.
    ///
    /// - Throws: `VALIDATION_ERROR` when it is no key: a retry must never pass as another message.
    var idempotencyKey: String? {
        get throws(StoreError) {
            switch self.fields["idempotencyKey"] {
            case nil, .null?: return nil
            case .string(let key)? where (1...255).contains(key.utf8.count): return key
            default:
                throw .validation(
                    "Invalid idempotencyKey: Must be a string of 1 to 255 bytes", field: "idempotencyKey")
            }
        }
    }

    /// All but what belongs to this one attempt, as JSON: a retry looks the same.
    var request: [UInt8] {
        var fields = self.fields
        fields["id"] = nil
        fields["traceparent"] = nil
        return JSON.object(fields).bytes
    }
}

extension SocketGateway {
    func perform(_ operation: SocketOperation) async throws(StoreError) {
        switch operation.name {
        case "subscribe": try await self.subscribe(operation)
        case "unsubscribe":
            let id = try self.sessionID(operation)
            self.readers[id]?.stop()
            self.forget(id)
            self.answer(operation, "ok", ["sessionId": .string(id.text)])
        case "heartbeat": try await self.heartbeat(operation)
        case "message":
            guard try Transport(.object(operation.fields)) == .websocket else {
                throw Input.invalidContent("On a WebSocket the answer comes over the live feed", field: "transport")
            }
            let id = try operation.sessionText
            try await self.admit(self.caller, operation, for: .write, as: .write)
            let sent = try await self.server.say(
                .object(operation.fields), in: id,
                trace: operation.fields["traceparent"]?.string.flatMap(TraceParent.init)
            ) { draft throws(StoreError) in
                try Idempotency(
                    header: try operation.idempotencyKey, clientKey: draft.metadata?["clientMessageId"],
                    request: operation.request)
            }
            self.answer(operation, "ok") { body in
                body.name("message")
                sent.write(to: &body)
            }
        default:
            throw .validation(
                "Unknown op '\(operation.name)': Must be one of: auth, subscribe, unsubscribe, heartbeat, message, ping",
                field: "op")
        }
    }

    /// Keeps a caller to what it may do, and counts that it did.
    private func admit(
        _ caller: Caller?, _ operation: SocketOperation, for rights: Rights, as kind: RateRules.Kind
    ) async throws(StoreError) {
        guard let caller else { throw StoreError(.unauthorized, "Missing or invalid token") }
        try await self.server.admit(caller, to: operation.line, for: rights)
        try await self.server.limit(kind, of: caller, session: operation.line, address: self.address)
    }

    private func sessionID(_ operation: SocketOperation) throws(StoreError) -> SessionID {
        try self.server.shard.sessionID(try operation.sessionText.lowercased())
    }

    /// Holds a place in the gate, which the reader takes over.
    private func subscribe(_ operation: SocketOperation) async throws(StoreError) {
        var reader: SessionReader?
        defer { if reader == nil { self.server.openings.leave() } }
        let id = try self.sessionID(operation)
        let token = operation.fields["token"]?.string
        let wantsPresence = operation.fields["presence"]?.bool ?? false
        let needs: Rights = wantsPresence ? [.read, .presence] : .read
        let opener = token.map { self.server.caller(of: $0) } ?? self.caller
        var authentication = self.authentications
        try await self.admit(opener, operation, for: needs, as: .read)
        let most = self.server.configuration.subscriptionsPerSocket
        guard self.readers[id] == nil else {
            throw .validation("Session '\(id)' is subscribed already", field: "sessionId")
        }
        guard self.readers.count + self.opening.count < most else {
            throw StoreError(
                .tooManySubscriptions, "One WebSocket carries at most \(most) subscriptions: open another one")
        }
        self.opening.insert(id)
        defer { self.opening.remove(id) }
        let session = try await self.server.shard.session(id)
        let after: String?
        switch operation.fields["after"] {
        case nil, .null?: after = nil
        case .string(let text)?: after = text
        case .number(let text)?: after = text
        default: throw Input.invalidCursor
        }
        let cursor = try Input.cursor(after, in: session)
        while token == nil, authentication != self.authentications, let caller = self.caller {
            // Somebody else asks now.
            authentication = self.authentications
            try await self.server.admit(caller, to: id.text, for: needs)
        }
        guard self.socket.isOpen, !self.isOver else { return }
        self.answer(
            operation, "ok",
            [
                "sessionId": .string(id.text),
                "cursor": .string(Cursor(epoch: session.epoch, seq: session.head).description),
            ])
        // The answer may have found the client gone.
        guard !self.isOver else { return }
        let opened = SessionReader(
            server: self.server, session: session, outlet: self, wantsPresence: wantsPresence)
        reader = opened
        self.readers[id] = opened
        if token != nil, let opener {
            self.expiries[id] = self.server.watchExpiry(of: opener) { [weak self] in
                self?.readers[id]?.end(ExpiryWatch.reason)
                self?.forget(id)
            }
        }
        opened.start(session, after: cursor)
    }

    private func heartbeat(_ operation: SocketOperation) async throws(StoreError) {
        guard operation.fields["sessions"] == nil else {
            guard let caller = self.caller else { return }
            try caller.require(.heartbeat)
            try await self.server.limit(.heartbeat, of: caller, session: nil, address: self.address)
            let beats = try await self.server.heartbeats(.object(operation.fields), by: caller)
            return self.answer(operation, "ok") { beats.write(to: &$0) }
        }
        let id = try self.sessionID(operation)
        try await self.admit(self.caller, operation, for: .heartbeat, as: .heartbeat)
        let (session, extended) = try await self.server.shard.heartbeat(id)
        let agent = self.server.shard.agents[session.agentID]
        self.answer(operation, "ok") { body in
            body.name("session")
            SessionBody.write(session, agent: agent, to: &body) { $0.member("extended", extended) }
        }
    }
}
