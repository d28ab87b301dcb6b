import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// Live events: SSE for one session, a WebSocket for many.
extension NodeServer {
    static let webSocketPath = "/api/messaging/ws"

    var streamRoutes: [Route] {
        var routes = [
            Route(.get, Self.base + "/:id/stream", takesQueryToken: true, opensStream: true) {
                [unowned self] context throws(StoreError) in
                try await self.stream(context)
            },
            Route(.get, Self.base + "/:id/presence", needs: .presence) { [unowned self] context throws(StoreError) in
                let id = try self.shard.sessionID(context.captures[0])
                _ = try await self.shard.session(id)
                return .json(200, .object(try await self.shard.presence(of: id).json))
            },
            Route(.get, Self.webSocketPath, isOpen: true) { [unowned self] context throws(StoreError) in
                try self.webSocket(context)
            },
        ]
        if self.configuration.testClock {
            routes.append(
                Route(.get, "/test/echo") { [unowned self] context throws(StoreError) in self.echo(context) })
        }
        return routes
    }

    private func stream(_ context: RouteContext) async throws(StoreError) -> Answer {
        let session = try await self.shard.session(try self.shard.sessionID(context.captures[0]))
        if try !self.open(context, session) { self.openings.leave() }
        return .taken
    }

    /// Opens a stream, whose reader leaves the gate by itself.
    ///
    /// - Returns: false when there is nobody to read it.
    private func open(_ context: RouteContext, _ session: Session) throws(StoreError) -> Bool {
        let request = try StreamRequest(context, session)
        if request.presence { try context.caller.require(.presence) }
        guard !context.exchange.isClosed else { return false }
        guard context.exchange.method != .head else {
            context.exchange.startStream(status: 200, headers: EventStream.headers).end()
            return false
        }
        let stream = try EventStream(server: self, context: context, session: session, request: request)
        self.remember(stream)
        stream.start(session, request)
        // On a connection that was open when the drain began.
        if self.isDraining { stream.drain(retry: Self.drainRetry) }
        return true
    }

    /// The upgrade itself is open, because browsers can send no key with it; the first operation then is `auth`.
    ///
    /// - Throws: when there are too many streams.
    private func webSocket(_ context: RouteContext) throws(StoreError) -> Answer {
        let connection = ReaderConnection(.websocket, client: context.query("client"))
        // Asked first: the fields of the handshake do not outlive it.
        let caller = self.gate.caller(of: context.exchange, withQuery: false, at: self.shard.now)
        let address = self.addresses.counted(context.exchange)
        try self.census.enter(address)
        guard let socket = self.accept(context, limits: self.webSocketLimits) else {
            self.census.leave(address)
            return .taken
        }
        let gateway = SocketGateway(
            server: self, socket: socket, connection: connection, address: address, caller: caller)
        self.remember(gateway)
        gateway.start()
        return .taken
    }

    private var webSocketLimits: WebSocketLimits {
        var limits = WebSocketLimits()
        limits.messageBytes = self.configuration.bodyBytes
        limits.pingMilliseconds = self.configuration.webSocketPing
        limits.pongMilliseconds = self.configuration.webSocketPing
        limits.stallMilliseconds = self.configuration.outboxStall
        return limits
    }

    private func accept(_ context: RouteContext, limits: WebSocketLimits) -> WebSocket? {
        do throws(WebSocketRefusal) {
            return try WebSocket.accept(
                context.exchange, loop: self.loop, origins: WebSocketOrigins(self.configuration.webSocketOrigins),
                limits: limits)
        } catch {
            let code: StoreError.Code =
                error.status == 426 ? .upgradeRequired : error.status == 403 ? .forbidden : .validation
            self.refuse(context.exchange, StoreError(code, error.message), error.headers)
            return nil
        }
    }

    /// Gives every message back, for suites that test the protocol.
    private func echo(_ context: RouteContext) -> Answer {
        var limits = WebSocketLimits()
        limits.messageBytes = 32 << 20
        limits.fragments = 1 << 20
        limits.replyBytes = 64 << 20
        let socket = self.accept(context, limits: limits)
        socket?.onMessage { [unowned socket] message in
            switch message {
            case .text(let bytes): socket?.reply(.text(bytes))
            case .binary(let bytes): socket?.reply(.binary(bytes))
            }
        }
        return .taken
    }
}
