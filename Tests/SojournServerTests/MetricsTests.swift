import Foundation
import SojournCore
import SojournLoop
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct MetricsTests {
    @Test func `every family that an operator is promised is there, and says what happened`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let node = try await TestNode.start(on: redis, archivePath: folder.file("archive.sqlite"), loops: 2)
        let quiet = try node.figures()
        #expect(quiet["sojourn_sessions_created_total"] == 0)
        #expect(quiet["sojourn_sessions_ended_total", ["reason": "expired"]] == 0)

        let ids = try (0..<3).map { _ in try node.create() }
        let stream = try StreamClient(node, ids[0], "?after=0")
        _ = try stream.read(through: "stream.ready")
        let socket = try SocketClient(node)
        try socket.subscribe(ids[0], after: "0")
        _ = try socket.read(through: "stream.ready")
        for number in 0..<4 { try node.say("\(number)", in: ids[0]) }
        try await node.answer("five", in: ids[0])
        _ = try stream.read(through: "agent.message")
        _ = try socket.read(through: "agent.message")
        #expect(try node.call("POST", "/\(ids[1])/heartbeat").status == 200)
        #expect(try node.call("POST", "/heartbeat", #"{"sessions":["\#(ids[1])","\#(ids[2])","x"]}"#).status == 200)
        #expect(try node.call("POST", "/\(ids[1])/renew").status == 200)
        #expect(try node.call("DELETE", "/\(ids[2])").status == 200)
        #expect(try node.call("GET", "/nonsense").status == 404)
        #expect(try node.call("GET", target: "/no/route").status == 404)
        _ = try socket.call("ping")
        try node.advance(minutes: 26)
        try await eventually("both are warned") { try node.figures()["sojourn_sessions_warned_total"] == 2 }
        // What Redis counts is asked once a second.
        try await eventually("both live") { try node.figures()["sojourn_sessions", ["state": "live"]] == 2 }
        let live = try node.figures()
        try node.advance(minutes: 10)
        _ = try stream.rest()
        try await eventually("all are archived") { try node.figures()["sojourn_sessions_archived_total"] == 3 }
        let figures = try node.figures()

        #expect(live["sojourn_connections", ["kind": "sse"]] == 1)
        #expect(live["sojourn_connections", ["kind": "websocket"]] == 1)
        #expect(live["sojourn_connections", ["kind": "http"]] ?? 0 >= 1)
        #expect(live["sojourn_readers"] == 2)
        #expect(live["sojourn_http_requests_active"] ?? 0 >= 3)
        #expect(figures["sojourn_sessions_created_total"] == 3)
        #expect(figures["sojourn_messages_total", ["author": "user"]] == 4)
        #expect(figures["sojourn_messages_total", ["author": "agent"]] == 1)
        #expect(figures["sojourn_sessions_renewed_total", ["cause": "message"]] == 5)
        #expect(figures["sojourn_sessions_renewed_total", ["cause": "heartbeat"]] == 3)
        #expect(figures["sojourn_sessions_renewed_total", ["cause": "request"]] == 1)
        #expect(figures["sojourn_heartbeats_total"] == 3)
        #expect(figures["sojourn_sessions_ended_total", ["reason": "expired"]] == 2)
        #expect(figures["sojourn_sessions_ended_total", ["reason": "ended"]] == 1)
        #expect(figures["sojourn_expiry_lateness_seconds_count"] == 2)
        #expect(figures["sojourn_warning_lateness_seconds_count"] == 2)
        #expect(figures["sojourn_archive_lag_seconds"] != nil)
        #expect(figures["sojourn_archive_trouble"] == 0)
        for transport in ["sse", "websocket"] {
            #expect(figures["sojourn_deliveries_total", ["transport": transport]] ?? 0 >= 7)
        }
        #expect(figures["sojourn_feed_events_total"] ?? 0 >= 5)
        #expect(figures["sojourn_stream_ends_total", ["reason": "closed"]] == 1)
        #expect(figures["sojourn_websocket_operations_total", ["op": "subscribe"]] == 1)
        #expect(figures["sojourn_websocket_operations_total", ["op": "ping"]] == 1)
        let message = ["method": "POST", "route": "/api/messaging/sessions/{id}/messages"]
        #expect(figures["sojourn_http_request_seconds_count", message] == 4)
        #expect(figures["sojourn_http_requests_total", message.merging(["status": "2xx"]) { $1 }] == 4)
        let read = ["method": "GET", "route": "/api/messaging/sessions/{id}", "status": "4xx"]
        #expect(figures["sojourn_http_requests_total", read] == 1)
        #expect(figures["sojourn_http_requests_total", ["method": "", "route": "none", "status": "4xx"]] == 1)
        #expect(figures["sojourn_redis_call_seconds_count", ["script": "say"]] == 4)
        #expect(figures["sojourn_redis_call_seconds_count", ["script": "create"]] == 3)
        for loop in ["0", "1"] { #expect(figures["sojourn_loop_lag_seconds_count", ["loop": loop]] != nil) }
        #expect(figures["sojourn_loops_connected"] == 2)
        #expect(figures["sojourn_loops_hearing"] == 2)
        #expect(figures["sojourn_nodes"] == 1)
        #expect(figures["sojourn_partitions_swept"] == 16)
        #expect(figures["process_resident_memory_bytes"] ?? 0 > 1_000_000)
        #expect(figures["process_cpu_seconds_total"] ?? 0 > 0)
        #expect(abs((figures["process_start_time_seconds"] ?? 0) - Date().timeIntervalSince1970) < 86_400)
        for name in [
            "sojourn_turn_wait_seconds", "sojourn_turns_leased_total", "sojourn_turns_finished_total",
            "sojourn_outbox_bytes", "sojourn_reader_demotions_total", "sojourn_websocket_closes_total",
            "sojourn_redis_errors_total", "sojourn_redis_reconnects_total", "sojourn_redis_epoch_changes_total",
            "sojourn_feed_repairs_total", "sojourn_redis_waiting", "sojourn_redis_in_flight", "sojourn_deltas_total",
            "sojourn_archive_queue", "sojourn_reader_gaps_total", "sojourn_draining", "sojourn_build_info",
        ] {
            #expect(figures.families[name] != nil, "\(name)")
        }
        await node.stop()
    }

    @Test func `sessions are counted by status and phase`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        func standing() throws -> [String: Double] {
            let figures = try node.figures()
            var counts: [String: Double] = [:]
            for (label, family) in [
                ("status", "sojourn_sessions_by_status"), ("phase", "sojourn_sessions_by_phase"),
            ] {
                for sample in figures.families[family]?.samples ?? [] where sample.value != 0 {
                    counts["\(label) \(sample.labels[label] ?? "")"] = sample.value
                }
            }
            return counts
        }
        #expect(try standing() == [:])
        #expect(try node.figures().families["sojourn_sessions_by_status"]?.samples.count == 6)
        #expect(try node.figures().families["sojourn_sessions_by_phase"]?.samples.count == 5)
        // One that nothing was said in, one that is used, one whose turn runs, and one that has ended.
        let ids = try (0..<4).map { _ in try node.create() }
        let claim = "/api/messaging/agents/\(TestNode.agent)/turns/claim"
        #expect(try node.call("POST", target: claim).status == 200)
        try node.say("hello", in: ids[2])
        #expect(try node.call("POST", target: claim)["turns"]?.array?.count == 1)
        try node.say("hello", in: ids[1])
        #expect(try node.call("DELETE", "/\(ids[3])").status == 200)
        try await eventually("they are counted") {
            try standing() == [
                "status idle": 2, "status running": 1, "status ended": 1, "phase created": 1, "phase active": 2,
                "phase closed": 1,
            ]
        }
        #expect(try node.figures()["sojourn_turns_queued"] == 1)
        try node.advance(minutes: 20)
        try await eventually("they fall asleep") {
            let now = try standing()
            return now["phase dormant"] == 2 && now["phase created"] == 1 && now["status running"] == nil
        }
        try node.advance(minutes: 6)
        try await eventually("they are about to expire") { try standing()["phase expiring"] == 3 }
        await node.stop()
    }

    @Test func `turns, their waits, and calls that failed are counted`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, store: { $0.commandTimeout = 300 })
        let claim = "/api/messaging/agents/\(TestNode.agent)/turns/claim"
        #expect(try node.call("POST", target: claim).status == 200)
        let id = try node.create()
        try node.say("one", in: id)
        let turn = try #require(try node.call("POST", target: claim)["turns"]?.array?.first)
        let (name, token) = (turn["turnId"]?.string ?? "", turn["leaseToken"]?.string ?? "")
        let done = try node.call(
            "POST", target: "/api/messaging/turns/\(name)/complete",
            #"{"leaseToken":"\#(token)","message":{"content":"done"}}"#)
        #expect(done.status == 200)
        let figures = try node.figures()
        #expect(figures["sojourn_turns_leased_total"] == 1)
        #expect(figures["sojourn_turn_wait_seconds_count"] == 1)
        #expect(figures["sojourn_turns_finished_total", ["status": "completed"]] == 1)
        #expect(figures["sojourn_messages_total", ["author": "agent"]] == 1)
        redis.kill9()
        #expect(try node.call("POST", "/\(id)/renew").status == 503)
        // The figures come without Redis, too; what only Redis knows is missing then.
        try await eventually("the loss is seen") { try node.figures()["sojourn_loops_connected"] == 0 }
        let without = try node.figures()
        for name in [
            "sojourn_sessions", "sojourn_sessions_by_status", "sojourn_sessions_by_phase", "sojourn_turns_queued",
        ] {
            #expect(without.families[name] == nil, "\(name)")
        }
        #expect(without.families["sojourn_redis_errors_total"]?.samples.isEmpty == false)
        try await redis.restart()
        try await eventually("Redis is back") {
            let back = try node.figures()
            return back["sojourn_redis_epoch_changes_total"] ?? 0 >= 1
                && back["sojourn_redis_reconnects_total", ["connection": "subscriptions"]] ?? 0 >= 1
                && back["sojourn_redis_reconnects_total", ["connection": "commands"]] ?? 0 >= 1
        }
        await node.stop()
    }

    @Test func `nobody learns a secret, a name or a word from the figures`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.apiKeys = ["hunter2-key"] })
        let key = ["X-API-KEY": "hunter2-key"]
        let made = try node.call(
            "POST", "", #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)"}"#, headers: key)
        let id = try #require(made["sessionId"]?.string)
        _ = try node.call("POST", "/\(id)/messages", #"{"content":"hunter5-content"}"#, headers: key)
        _ = try node.call("GET", target: "/hunter6/path?token=hunter7", headers: key)
        _ = try node.call("PUT", "/hunter8", headers: key)
        let text = try node.call("GET", target: "/metrics").text
        for secret in ["hunter", id, TestNode.agent, TestNode.user] { #expect(!text.contains(secret), "\(secret)") }
        let figures = try node.figures()
        #expect(
            figures.labels.isSubset(of: [
                "author", "cause", "code", "connection", "kind", "le", "loop", "method", "node", "op", "phase",
                "reason", "route",
                "script", "state", "status", "transport", "version",
            ]))
        await node.stop()
    }

    @Test func `the figures are for all, for admins, or for nobody`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let open = try await TestNode.start(on: redis, server: { $0.apiKeys = ["key"] })
        #expect(try open.call("GET", target: "/metrics").status == 200)
        #expect(try open.call("HEAD", target: "/metrics").status == 200)
        let keys = [
            AccessKey(name: "boss", role: .admin, secret: "secret-of-the-boss"),
            AccessKey(name: "shop", role: .backend, secret: "secret-of-the-shop"),
        ]
        let closed = try await TestNode.start(
            on: redis, name: "b",
            server: {
                $0.accessKeys = keys
                $0.metrics = .admin
            })
        #expect(try closed.call("GET", target: "/metrics").status == 401)
        let backend = ["X-API-KEY": "secret-of-the-shop"]
        let forbidden = try closed.call("GET", target: "/metrics", headers: backend)
        #expect(forbidden.status == 403 && forbidden.code == "FORBIDDEN", "\(forbidden.text)")
        #expect(try closed.call("GET", target: "/metrics", headers: ["X-API-KEY": "guessed"]).status == 401)
        #expect(try closed.figures(headers: ["Authorization": "Bearer secret-of-the-boss"])["sojourn_nodes"] != nil)
        #expect(try closed.call("GET", target: "/readyz").status == 200)
        let none = try await TestNode.start(on: redis, name: "c", server: { $0.metrics = .off })
        #expect(try none.call("GET", target: "/metrics").status == 404)
        for node in [open, closed, none] { await node.stop() }
    }
}
