import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// One loop's part of the server: it answers requests with its loop's shard of the store. Loop-confined.
final class NodeServer {
    let loop: EventLoop
    let shard: StoreShard
    let configuration: ServerConfiguration
    let log: Log
    let deltas: DeltaBatcher
    let openings: OpeningGate
    private(set) lazy var beats = BeatWheel(loop: self.loop, interval: self.configuration.streamHeartbeat)
    private(set) var gate: Gate
    let addresses: ClientAddress
    private let cors: CORSPolicy
    /// The live streams of the whole node; set by the server.
    var census: StreamCensus
    private let startedAt = EventLoop.now
    private(set) var routes: [Route] = []
    private var router = Router([])
    /// What `/openapi.json` answers; made when it is first asked for.
    private(set) lazy var description = OpenAPI.document(self.routes, version: self.configuration.version).bytes
    private(set) var http: HTTPServer?
    private(set) var streams: [ObjectIdentifier: EventStream] = [:]
    private(set) var gateways: [ObjectIdentifier: SocketGateway] = [:]
    /// Who reads which session, over SSE and WebSockets.
    private(set) var readers: [ObjectIdentifier: SessionReader] = [:]
    var counters = StreamCounters()
    private var waits: [ObjectIdentifier: AgentAnswer] = [:]
    private var claims: [ObjectIdentifier: ClaimWatch] = [:]
    private(set) var isDraining = false
    /// Whether it has begun to stop, and still takes requests.
    var isLeaving = false
    private(set) var lag: LoopLag?
    /// By the numbers of the routes; the last one is of what has none.
    var tallies: [RequestTally] = []
    private var names = RequestNames()
    let slowLines: SlowLines
    private var counts: (at: Int, counts: StoreCounts)?
    private var standings: (at: Int, standings: SessionStandings)?
    /// Asks the node's archivist what troubles it; set by the server.
    var archiveTrouble: () async -> String? = { nil }
    /// What all loops of the node have to say; set by the server.
    var reports: () async -> [LoopReport] = { [] }
    /// What the node does for all; set by the server.
    var duties: () async -> DutyReport? = { nil }
    /// Makes the node's sweeper look at once; set by the server.
    var hurry: () -> Void = {}

    init(loop: EventLoop, shard: StoreShard, configuration: ServerConfiguration, log: Log) {
        self.loop = loop
        self.shard = shard
        self.deltas = DeltaBatcher(shard: shard)
        self.openings = OpeningGate(loop: loop)
        self.census = StreamCensus(most: configuration.streams, mostByAddress: configuration.streamsPerAddress)
        self.configuration = configuration
        self.log = log
        self.slowLines = SlowLines(loop: loop, log: log)
        self.gate = Gate(configuration.credentials)
        self.cors = CORSPolicy(configuration.corsOrigins)
        self.addresses = ClientAddress(proxies: configuration.trustedProxies)
    }

    /// Listens and returns the port; 0 without one.
    func start(port: Int?, socket: UnixSocket?) throws(HTTPListenError) -> Int {
        self.routes =
            self.sessionRoutes + self.messageRoutes + self.timeoutRoutes + self.deltaRoutes + self.nodeRoutes
            + self.streamRoutes + self.descriptionRoutes + self.turnRoutes + self.workerRoutes + self.agentRoutes
            + self.tokenRoutes + self.erasureRoutes + self.searchRoutes + self.metricsRoutes
        for place in self.routes.indices { self.routes[place].number = place }
        self.tallies = Array(repeating: RequestTally(), count: self.routes.count + 1)
        self.lag = LoopLag(loop: self.loop)
        self.router = Router(self.routes)
        let shard = Confined(self.shard, to: self.loop)
        var limits = HTTPLimits { status, message in
            ErrorBody.refusal(status: status, message: message, at: shard.value.now)
        }
        limits.bodyBytes = self.configuration.bodyBytes
        limits.heldBytes = max(limits.heldBytes, 4 * limits.bodyBytes)
        limits.connections = self.configuration.connections
        let http = HTTPServer(loop: self.loop, limits: limits, log: self.log) { [weak self] in self?.handle($0) }
        http.tls = self.configuration.credentials.tls
        self.http = http
        if let socket { try http.listen(socket) }
        return try port.map { port throws(HTTPListenError) in
            try http.listen(host: self.configuration.host, port: port)
        } ?? 0
    }

    /// Takes other keys and another certificate; what is open goes on.
    func renew(_ credentials: Credentials) {
        self.gate = Gate(credentials)
        if let tls = credentials.tls { self.http?.tls = tls }
    }

    /// Seconds since the start.
    var uptime: Int { (EventLoop.now - self.startedAt) / 1000 }

    // MARK: Requests

    private func handle(_ exchange: HTTPExchange) {
        let segments = exchange.pathSegments
        let match = self.router.match(exchange.method, segments)
        exchange.kind = match.route?.number ?? self.routes.count
        exchange.observer = self
        exchange.name = RequestNames.accepted(exchange.header(RequestNames.field)) ?? self.names.next()
        var fields = segments.first == "api" ? self.protections : []
        fields.append((RequestNames.field, exchange.name))
        exchange.addToAnswer(fields)
        if !self.cors.isEmpty, self.answersPreflight(exchange, segments) { return }
        var caller = Caller.anyone
        // Of an open path nobody needs a key to hear which methods it has.
        if segments.first == "api", match.route?.isOpen != true, exchange.path != Self.webSocketPath {
            let now = self.shard.now
            guard let known = self.gate.caller(of: exchange, withQuery: match.route?.takesQueryToken == true, at: now)
            else { return self.turnAway(exchange) }
            caller = known
        }
        switch match {
        case .route(let route, let captures):
            let context = RouteContext(exchange: exchange, captures: captures, caller: caller)
            guard route.opensStream else { return self.loop.spawn { await self.run(route, context) } }
            self.openings.enter { [weak self] in self?.loop.spawn { await self?.run(route, context) } }
        case .otherMethods(let methods):
            let allowed = methods.map(\.rawValue).joined(separator: ", ")
            self.refuse(
                exchange,
                StoreError(.methodNotAllowed, "Method \(exchange.method.rawValue) is not allowed for \(exchange.path)"),
                [("Allow", allowed)])
        case .nothing:
            self.refuse(exchange, StoreError(.notFound, "No route for \(exchange.method.rawValue) \(exchange.path)"))
        }
    }

    /// What keeps browsers from taking an answer for something else.
    private var protections: HTTPHeaders {
        self.http?.tls == nil ? Self.plainProtections : Self.secureProtections
    }

    private static let plainProtections: HTTPHeaders = [("X-Content-Type-Options", "nosniff")]
    private static let secureProtections: HTTPHeaders =
        plainProtections + [("Strict-Transport-Security", "max-age=31536000")]

    /// Says to a browser whether a page may call; true when that was all it asked (a preflight request, which never
    /// carries a key).
    private func answersPreflight(_ exchange: HTTPExchange, _ segments: [String]) -> Bool {
        guard let fields = self.cors.fields(for: exchange.header("Origin")) else { return false }
        exchange.addToAnswer(fields)
        guard exchange.method == .options, exchange.header("Access-Control-Request-Method") != nil,
            case .otherMethods(let methods) = self.router.match(.options, segments)
        else { return false }
        exchange.addToAnswer(CORSPolicy.preflight(methods))
        exchange.respond(status: 204)
        return true
    }

    private func run(_ route: Route, _ context: RouteContext) async {
        let exchange = context.exchange
        do throws(StoreError) {
            try await self.confine(context, to: route)
            try await self.limit(context, route)
            switch try await route.handler(context) {
            case .json(let status, let json):
                exchange.respond(status: status, headers: Answer.jsonHeaders, body: json.bytes)
            case .bytes(let status, let bytes):
                exchange.respond(status: status, headers: Answer.jsonHeaders, body: bytes)
            case .taken: break
            }
        } catch {
            if route.opensStream { self.openings.leave() }
            self.refuse(exchange, error)
        }
    }

    func refuse(_ exchange: HTTPExchange, _ error: StoreError, _ headers: HTTPHeaders = []) {
        exchange.respond(
            status: error.code.status, headers: ErrorBody.headers(for: error) + headers,
            body: ErrorBody.json(error, at: self.shard.now).bytes)
    }

    /// The store's counts, at most a second old: a health check must not cost a call a partition each time.
    func healthCounts() async throws(StoreError) -> StoreCounts {
        // Whoever asks wants to know now, not when the command would time out.
        guard self.shard.isConnected else {
            throw StoreError(.storeUnavailable, "The session store is unavailable", retryAfter: 1)
        }
        if let counts, EventLoop.now - counts.at < 1000 { return counts.counts }
        let fresh = try await self.shard.counts(soon: self.shard.configuration.timeouts.defaults.warning)
        self.counts = (EventLoop.now, fresh)
        return fresh
    }

    /// How sessions stand, at most five seconds old, whoever asks.
    func sessionStandings() async throws(StoreError) -> SessionStandings {
        if let standings, EventLoop.now - standings.at < 5000 { return standings.standings }
        let fresh = try await self.shard.standings()
        self.standings = (EventLoop.now, fresh)
        return fresh
    }

    // MARK: Streams

    func remember(_ stream: EventStream) { self.streams[ObjectIdentifier(stream)] = stream }
    func forget(_ stream: EventStream) { self.streams[ObjectIdentifier(stream)] = nil }
    func remember(_ gateway: SocketGateway) {
        self.gateways[ObjectIdentifier(gateway)] = gateway
        if self.isDraining { gateway.drain(within: 0) }
    }
    func forget(_ gateway: SocketGateway) { self.gateways[ObjectIdentifier(gateway)] = nil }
    func attached(_ reader: SessionReader) { self.readers[ObjectIdentifier(reader)] = reader }
    func detached(_ reader: SessionReader) { self.readers[ObjectIdentifier(reader)] = nil }
    func remember(_ wait: AgentAnswer) { self.waits[ObjectIdentifier(wait)] = wait }
    func forget(_ wait: AgentAnswer) { self.waits[ObjectIdentifier(wait)] = nil }

    func remember(_ watch: ClaimWatch) {
        self.claims[ObjectIdentifier(watch)] = watch
        if self.isDraining { watch.leave() }
    }
    func forget(_ watch: ClaimWatch) { self.claims[ObjectIdentifier(watch)] = nil }

    // MARK: Drain

    /// Stops accepting, tells the streams, and waits for the requests that are under way, until `limit` ms have
    /// passed. Those that wait for an agent are told shortly before that it has not answered.
    func drain(limit: Int) async {
        self.isDraining = true
        self.http?.stopAccepting()
        self.http?.closeIdleConnections()
        for gateway in self.gateways.values { gateway.drain(within: limit / 2) }
        for watch in self.claims.values { watch.leave() }
        let end = EventLoop.now + limit
        await self.sendStreamsElsewhere(within: limit / 2)
        while let http, http.activeExchanges > 0, EventLoop.now < end {
            if EventLoop.now >= end - limit / 10 { for wait in self.waits.values { wait.cancel() } }
            await self.loop.sleep(milliseconds: 10)
        }
        if let left = self.http?.activeExchanges, left > 0 {
            self.log(.warning, "the drain took too long; requests were cut off", ["requests": String(left)])
        }
        self.http?.close()
        self.lag = nil
        self.reports = { [] }
    }
}
