import SojournCore
import SojournHTTP
import SojournStore

/// Health, and the test clock.
extension NodeServer {
    var nodeRoutes: [Route] {
        var routes = [
            Route(.get, Self.base + "/health", needs: []) { [unowned self] _ throws(StoreError) in await self.health()
            },
            Route(.get, "/openapi.json") { [unowned self] _ throws(StoreError) in .bytes(200, self.description) },
            Route(.get, "/livez") { _ throws(StoreError) in .bytes(200, Self.alive) },
        ]
        if self.configuration.testClock {
            routes.append(
                Route(.post, "/test/clock") { [unowned self] context throws(StoreError) in
                    try await self.advance(context)
                })
        }
        return routes
    }

    private static let alive = Array(#"{"status":"alive"}"#.utf8)

    private func health() async -> Answer {
        let now = self.shard.now
        var body: JSONObject = [
            "status": "healthy", "activeSessions": 0, "timestamp": .string(now.iso8601), "expiringSoon": 0,
            "uptime": JSON(self.uptime), "node": .string(self.shard.configuration.nodeName),
        ]
        do throws(StoreError) {
            let counts = try await self.healthCounts()
            body["activeSessions"] = JSON(counts.live)
            body["expiringSoon"] = JSON(counts.expiringSoon)
        } catch {
            body["status"] = "unhealthy"
            body["problems"] = [.string("redis: \(error.message)")]
            return .json(503, .object(body))
        }
        var problems: [JSON] = []
        if !self.shard.feed.isHealthy { problems.append("redis: published events do not arrive; streams read the log") }
        if let trouble = await self.archiveTrouble() { problems.append(.string("archive: \(trouble)")) }
        if self.isDraining { problems.append("node: draining") }
        let loops = await self.reports()
        let streams = loops.map(\.streamCounters).reduce(StreamCounters(), +)
        body["streams"] = [
            "open": JSON(loops.reduce(0) { $0 + $1.streams + $1.sockets }), "demoted": JSON(streams.demotions),
            "promoted": JSON(streams.promotions),
            "outrun": JSON(streams.outrun), "stalled": JSON(streams.stalled), "silent": JSON(streams.silent),
            "gaps": JSON(streams.gaps), "drained": JSON(streams.drained),
        ]
        if !problems.isEmpty {
            body["status"] = "degraded"
            body["problems"] = .array(problems)
        }
        return .json(200, .object(body))
    }

    private func advance(_ context: RouteContext) async throws(StoreError) -> Answer {
        guard let milliseconds = try context.body()?["advanceMs"]?.int, milliseconds.magnitude < 1 << 45 else {
            throw .validation("Invalid advanceMs: Must be a whole number of milliseconds", field: "advanceMs")
        }
        try await self.shard.advanceTestClock(milliseconds: Int64(milliseconds))
        self.hurry()
        return .json(200, ["advancedMs": JSON(milliseconds)])
    }
}
