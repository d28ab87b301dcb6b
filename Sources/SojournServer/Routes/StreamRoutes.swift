import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// Live events: SSE for one session, a WebSocket for many.
extension NodeServer {
    static let webSocketPath = "/api/messaging/ws"

    var streamRoutes: [Route] {
        var routes = [
            Route(.get, Self.base + "/:id/stream", opensStream: true) { [unowned self] context throws(StoreError) in
                try await self.stream(context)
            },
            Route(.get, Self.base + "/:id/presence") { [unowned self] context throws(StoreError) in
                let id = try self.shard.sessionID(context.captures[0])
                _ = try await self.shard.session(id)
                return .json(200, .object(try await self.shard.presence(of: id).json))
            },
            Route(.get, Self.webSocketPath) { [unowned self] context throws(StoreError) in self.webSocket(context) },
        ]
        if self.configuration.testClock {
            routes.append(
                Route(.get, "/test/echo") { [unowned self] context throws(StoreError) in self.echo(context) })
        }
        return routes
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

    /// Opens a stream, whose reader leaves the gate by itself.
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

    /// The upgrade itself is open, because browsers can send no key with it; the first operation then is `auth`.
    private func webSocket(_ context: RouteContext) -> Answer {
        let connection = ReaderConnection(.websocket, client: context.query("client"))
        // Asked first: the fields of the handshake do not outlive it.
        let isAdmitted = self.admits(context.exchange)
        guard let socket = self.accept(context, limits: self.webSocketLimits) else { return .taken }
        let gateway = SocketGateway(server: self, socket: socket, connection: connection, isAdmitted: isAdmitted)
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
