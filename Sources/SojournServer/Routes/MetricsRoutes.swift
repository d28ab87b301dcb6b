import SojournCore
import SojournHTTP
import SojournStore

/// What monitoring asks: the figures, and whether the node should be sent requests.
extension NodeServer {
    var metricsRoutes: [Route] {
        var routes = [
            Route(.get, "/readyz") { [unowned self] _ throws(StoreError) in await self.readiness() }
        ]
        if self.configuration.metrics != .off {
            routes.append(
                Route(.get, "/metrics") { [unowned self] context throws(StoreError) in
                    guard let caller = self.metricsCaller(context.exchange) else {
                        self.turnAway(context.exchange)
                        return .taken
                    }
                    try caller.require(.admin)
                    context.exchange.respond(
                        status: 200, headers: [("Content-Type", MetricsText.contentType)], body: await self.metrics())
                    return .taken
                })
        }
        return routes
    }

    /// Who asks for the figures; nil without a valid key where one is needed.
    private func metricsCaller(_ exchange: HTTPExchange) -> Caller? {
        guard self.configuration.metrics == .admin else { return .anyone }
        return self.gate.caller(of: exchange, withQuery: false, at: self.shard.now)
    }

    private func metrics() async -> [UInt8] {
        var counts: StoreCounts?
        var standings: SessionStandings?
        do throws(StoreError) {
            counts = try await self.healthCounts()
            standings = try await self.sessionStandings()
        } catch {
            // The page then tells that Redis is away.
        }
        return MetricsPage(
            loops: await self.reports(), duties: await self.duties(), counts: counts, standings: standings,
            routes: self.routes.map { (method: $0.method.rawValue, path: $0.path) }
                + [(method: "", path: "none")],
            version: self.configuration.version, node: self.shard.configuration.nodeName,
            isDraining: self.isDraining || self.isLeaving
        ).bytes
    }

    /// 503 while requests are better sent elsewhere: the node stops, or one of its loops cannot reach Redis or does not hear
    /// what is published.
    private func readiness() async -> Answer {
        var reasons: [JSON] = []
        let loops = await self.reports()
        if self.isDraining || self.isLeaving { reasons.append("the node stops") }
        if loops.contains(where: { !$0.isConnected }) { reasons.append("redis is away") }
        if loops.contains(where: { !$0.isHearing }) { reasons.append("published events do not arrive") }
        guard !reasons.isEmpty else { return .bytes(200, Self.ready) }
        return .json(503, ["status": "not ready", "reasons": .array(reasons)])
    }

    private static let ready = Array(#"{"status":"ready"}"#.utf8)
}
