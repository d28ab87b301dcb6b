import SojournCore
import SojournHTTP
import SojournStore

/// What a client asks for when it opens an event stream.
struct StreamRequest {
    var after: Cursor
    var dialect = EventFrame.Dialect.sojourn
    /// Whether it wants `presence` events.
    var presence = false
    /// The name by which it wants to be seen.
    var client: String?

    /// - Throws: `VALIDATION_ERROR`.
    init(_ context: RouteContext, _ session: Session) throws(StoreError) {
        self.after = Cursor(epoch: session.epoch, seq: session.head)
        let asked = context.exchange.header("Last-Event-ID").flatMap { $0.isEmpty ? nil : $0 } ?? context.query("after")
        if let asked, !asked.isEmpty {
            guard let cursor = Cursor(asked) else {
                throw .validation(
                    "Invalid pagination parameter 'after': Must be a cursor such as 1a2b3c4d.1:12, or 0", field: "after"
                )
            }
            self.after = cursor
        }
        if let word = context.query("dialect"), !word.isEmpty {
            guard let known = EventFrame.Dialect(rawValue: word) else {
                throw .validation("Invalid dialect '\(word)': Must be one of: sojourn, eliza", field: "dialect")
            }
            self.dialect = known
        }
        self.presence = context.query("presence") == "1"
        self.client = try Input.client(context.query("client"))
    }
}

/// The routes of a session's live events.
extension NodeServer {
    var streamRoutes: [Route] {
        [
            Route(.get, Self.base + "/:id/stream", opensStream: true) { [unowned self] context throws(StoreError) in
                try await self.stream(context)
            },
            Route(.get, Self.base + "/:id/presence") { [unowned self] context throws(StoreError) in
                let id = try self.shard.sessionID(context.captures[0])
                _ = try await self.shard.session(id)
                return .json(200, .object(try await self.shard.presence(of: id).json))
            },
        ]
    }

    private func stream(_ context: RouteContext) async throws(StoreError) -> Answer {
        do throws(StoreError) {
            let session = try await self.shard.session(try self.shard.sessionID(context.captures[0]))
            if try !self.open(context, session) { self.openings.leave() }
            return .taken
        } catch {
            self.openings.leave()
            throw error
        }
    }

    /// Opens a stream, which leaves the gate by itself.
    ///
    /// - Returns: false when there is nobody to read it.
    private func open(_ context: RouteContext, _ session: Session) throws(StoreError) -> Bool {
        let request = try StreamRequest(context, session)
        guard !context.exchange.isClosed else { return false }
        guard context.exchange.method != .head else {
            context.exchange.startStream(status: 200, headers: EventStream.headers).end()
            return false
        }
        let stream = EventStream(server: self, exchange: context.exchange, session: session, request: request)
        self.remember(stream)
        stream.start(session, request)
        // On a connection that was open when the drain began.
        if self.isDraining { stream.drain(retry: Self.drainRetry) }
        return true
    }
}
