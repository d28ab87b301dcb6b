import SojournCore
import SojournHTTP
import SojournStore

/// Sending messages and reading the history.
extension NodeServer {
    var messageRoutes: [Route] {
        [
            Route(.post, Self.base + "/:id/messages") { [unowned self] context throws(StoreError) in
                try await self.send(context)
            },
            Route(.get, Self.base + "/:id/messages") { [unowned self] context throws(StoreError) in
                try await self.history(context)
            },
            Route(.get, Self.base + "/:id/events") { [unowned self] context throws(StoreError) in
                try await self.events(context)
            },
        ]
    }

    private func send(_ context: RouteContext) async throws(StoreError) -> Answer {
        let body = try context.body()
        let transport = try Transport(body)
        let said = try await self.say(body, in: context.captures[0], trace: context.trace) { draft throws(StoreError) in
            try Idempotency(context, clientKey: draft.metadata?["clientMessageId"])
        }
        let (id, message) = (said.session.id, said.message)
        switch transport {
        case .websocket: return .bytes(201, said.body())
        case .http:
            let (answer, ending) = await AgentAnswer.wait(
                self, id, after: message.cursor, turn: message.turnID, exchange: context.exchange)
            if let answer {
                let response: JSON = ["text": .string(answer.content), "messageId": .string(answer.id)]
                return .bytes(201, said.body { $0.member("agentResponse", response) })
            }
            if let ending { return .bytes(201, said.body { $0.member("turnStatus", ending) }) }
            let turn = message.turnID == nil ? await self.lateTurn(of: message, in: id) : nil
            return .bytes(
                201,
                said.body {
                    $0.member("pending", true)
                    if let turn { $0.member("turnId", turn) }
                })
        case .sse:
            let answer = AnswerStream(exchange: context.exchange, server: self, sent: said.body())
            answer.start(id, after: message.cursor, turn: message.turnID)
            return .taken
        }
    }

    /// A message as it was sent.
    struct Said {
        let session: Session
        let draft: MessageDraft
        let message: SentMessage

        func write(to body: inout JSONWriter, adding more: (inout JSONWriter) -> Void = { _ in }) {
            MessageBody.write(self.message, self.draft, in: self.session, to: &body, adding: more)
        }

        func body(adding more: (inout JSONWriter) -> Void = { _ in }) -> [UInt8] {
            var body = JSONWriter(reserving: 2048 + 4 * self.draft.content.utf8.count)
            self.write(to: &body, adding: more)
            return body.bytes
        }
    }

    /// Says what a body of whatever transport says. The checks come in the order that clients know: shape, 404, 410,
    /// length, metadata.
    func say(
        _ body: JSON?, in text: String, trace: TraceParent?,
        idempotency: (MessageDraft) throws(StoreError) -> Idempotency?
    ) async throws(StoreError) -> Said {
        guard let object = body?.object, let content = object["content"]?.string else {
            throw Input.invalidContent("Invalid message request format")
        }
        var attachments = object["attachments"]
        if attachments == .null { attachments = nil }
        guard attachments == nil || attachments?.array != nil else {
            throw Input.invalidContent("Invalid message request format", field: "attachments")
        }
        let id = try self.shard.sessionID(text.lowercased())
        // The append says whether the session lives; all else that a message needs of it never changes.
        let session = try await self.shard.known(id)
        let metadata: JSONObject?
        do throws(StoreError) {
            try Input.content(content)
            metadata = try Input.metadata(object["metadata"])
        } catch {
            // That a session is over is said before a wrong message.
            _ = try await self.shard.session(id)
            throw error
        }
        var draft = MessageDraft(
            authorID: session.userID, content: content, attachments: attachments,
            metadata: metadata)
        draft.trace = trace
        let agent = self.shard.agents[session.agentID]
        let mode = try Input.ifBusy(object["ifBusy"]) ?? session.ifBusy ?? agent?.ifBusy
        let message = try await self.shard.say(
            draft, to: id, ifBusy: mode ?? .enqueue, idempotency: try idempotency(draft),
            byTurns: mode != nil || agent != nil)
        return Said(session: session, draft: draft, message: message)
    }

    /// The turn of a message that came before anybody worked by turns; nil when there is none, or it cannot be asked.
    private func lateTurn(of message: SentMessage, in id: SessionID) async -> JSON? {
        let turns = try? await self.shard.turns(of: id).turns
        return turns?.last { $0.input.contains(message.cursor.seq) }.map { .string($0.id.text) }
    }

    private func history(_ context: RouteContext) async throws(StoreError) -> Answer {
        let id = try self.shard.sessionID(context.captures[0])
        let limit = Input.limit(context.query("limit"), default: 50, maximum: 100)
        // An unknown or ended session is said before a wrong parameter.
        let isArchived = try await self.readsAnywhere(id, context)
        let before = try PageBound(context, "before")
        let after = try PageBound(context, "after")
        let page =
            isArchived
            ? try await self.shard.anyMessages(of: id, limit: limit, before: before, after: after)
            : try await self.shard.messages(of: id, limit: limit, before: before, after: after)
        var body: JSONObject = [
            "messages": .array(page.messages.map { MessageBody.history($0, in: page.session) }),
            "hasMore": .bool(page.hasMore),
        ]
        if let before = page.before, let after = page.after {
            body["cursors"] = ["before": before.cursor, "after": after.cursor]
        }
        if isArchived { body["archived"] = .bool(page.session.ending != nil) }
        return .json(200, .object(body))
    }

    private func events(_ context: RouteContext) async throws(StoreError) -> Answer {
        let id = try self.shard.sessionID(context.captures[0])
        let limit = Input.limit(context.query("limit"), default: 50, maximum: 1000)
        let isArchived = try await self.readsAnywhere(id, context)
        let (after, before) = (try Input.seq(context, "after"), try Input.seq(context, "before"))
        let names = context.queryList("types")
        let types = names.isEmpty ? nil : Set(names)
        let page =
            isArchived
            ? try await self.shard.anyEvents(of: id, after: after, before: before, limit: limit, types: types)
            : try await self.shard.events(of: id, after: after, before: before, limit: limit, types: types)
        // The events are given as they are stored, byte for byte.
        var body = Array(#"{"events":["#.utf8)
        for (place, event) in page.events.enumerated() {
            if place > 0 { body.append(UInt8(ascii: ",")) }
            body.append(contentsOf: event.bytes)
        }
        body.append(contentsOf: #"],"hasMore":\#(page.hasMore),"head":\#(page.head),"epoch":"\#(page.epoch)""#.utf8)
        if let first = page.events.first?.seq, let last = page.events.last?.seq {
            body.append(contentsOf: #","cursors":{"before":\#(first),"after":\#(last)}"#.utf8)
        }
        body.append(UInt8(ascii: "}"))
        return .bytes(200, body)
    }
}

/// `before` or `after` of a history: milliseconds, ISO 8601, or `seq:<n>`.
extension PageBound {
    init?(_ context: RouteContext, _ name: String) throws(StoreError) {
        guard let text = context.query(name), !text.isEmpty else { return nil }
        if text.hasPrefix("seq:"), let cursor = Cursor(text.dropFirst(4)), cursor.epoch == nil, cursor.delta == nil {
            self = .seq(cursor.seq)
        } else if let milliseconds = Int64(text), milliseconds.magnitude < 1 << 53 {
            self = .time(Instant(milliseconds: milliseconds))
        } else if let instant = Instant(iso8601: text) {
            self = .time(instant)
        } else {
            throw .validation("Invalid pagination parameter '\(name)': Must be a valid timestamp", field: name)
        }
    }

    /// As clients pass it back.
    fileprivate var cursor: JSON {
        switch self {
        case .seq(let seq): .string("seq:\(seq)")
        case .time(let instant): JSON(instant.milliseconds)
        }
    }
}
