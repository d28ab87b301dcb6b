import SojournCore
import SojournStore

/// Everything that `/metrics` tells, from what the loops and the duties of a node report.
///
/// The labels are of small, fixed sets: routes by their patterns, scripts by their names. What is counted over all nodes,
/// because it is read from Redis, says so in its help.
struct MetricsPage {
    let loops: [LoopReport]
    let duties: DutyReport?
    /// What Redis counts; nil while it is away.
    let counts: StoreCounts?
    /// How sessions stand; nil while Redis is away.
    let standings: SessionStandings?
    /// Method and pattern of each route, in the order of the tallies.
    let routes: [(method: String, path: String)]
    let version: String
    let node: String
    let isDraining: Bool
    private var text = MetricsText()

    init(
        loops: [LoopReport], duties: DutyReport?, counts: StoreCounts?, standings: SessionStandings?,
        routes: [(method: String, path: String)], version: String, node: String, isDraining: Bool
    ) {
        self.loops = loops
        self.duties = duties
        self.counts = counts
        self.standings = standings
        self.routes = routes
        self.version = version
        self.node = node
        self.isDraining = isDraining
    }

    /// The whole page.
    var bytes: [UInt8] {
        var page = self
        page.writeNode()
        page.writeSessions()
        page.writeArchive()
        page.writeFeed()
        page.writeStreams()
        page.writeRequests()
        page.writeRedis()
        page.writeTurns()
        page.writeProcess()
        return page.text.bytes
    }

    // MARK: Sums over the loops

    private func sum(_ value: (LoopReport) -> Int) -> Int { self.loops.reduce(0) { $0 + value($1) } }

    /// Counts by a word, with a 0 for each word that is known, so that rates begin at the beginning.
    private func parts<Key: Hashable>(
        _ known: [Key], _ values: (LoopReport) -> [Key: Int], named: (Key) -> String
    ) -> [String: Int] {
        var all = Dictionary(uniqueKeysWithValues: known.map { (named($0), 0) })
        for loop in self.loops { for (key, value) in values(loop) { all[named(key), default: 0] += value } }
        return all
    }

    // MARK: Families

    private mutating func writeNode() {
        self.text.gauge(
            "sojourn_build_info", "Always 1; its labels say who this is.",
            [(labels: [(name: "version", value: self.version), (name: "node", value: self.node)], value: 1)])
        self.text.gauge("sojourn_draining", "1 while the node stops.", self.isDraining ? 1 : 0)
        self.text.gauge("sojourn_loops", "Event loops of the node.", self.loops.count)
        self.text.gauge(
            "sojourn_loops_connected", "Loops whose commands reach Redis.", self.sum { $0.isConnected ? 1 : 0 })
        self.text.gauge(
            "sojourn_loops_hearing", "Loops that hear what is published.", self.sum { $0.isHearing ? 1 : 0 })
        self.text.histogram(
            "sojourn_loop_lag_seconds", "How late a loop comes to what is due, four samples a second and loop.",
            self.loops.enumerated().map { (labels: [(name: "loop", value: String($0.offset))], value: $0.element.lag) })
        guard let duties else { return }
        self.text.gauge("sojourn_nodes", "Live nodes of the keyspace, as this one sees them.", duties.nodes)
        self.text.gauge("sojourn_partitions_swept", "Partitions that this node sweeps.", duties.partitions)
    }

    private mutating func writeSessions() {
        if let counts {
            self.text.gauge(
                "sojourn_sessions", "Sessions in Redis, over all nodes: live ones, and ended ones not archived yet.",
                [
                    (labels: [(name: "state", value: "live")], value: counts.live),
                    (labels: [(name: "state", value: "ended")], value: counts.ended),
                ])
            self.text.gauge(
                "sojourn_sessions_due_soon", "Sessions, over all nodes, whose next timer is within the warning time.",
                counts.expiringSoon)
        }
        if let standings {
            self.text.gauge(
                "sojourn_sessions_by_status",
                "Sessions in Redis, over all nodes, by what they are doing; estimated where there are many.",
                SessionStatus.allCases.map {
                    (labels: [(name: "status", value: $0.rawValue)], value: standings.statuses[$0] ?? 0)
                })
            self.text.gauge(
                "sojourn_sessions_by_phase",
                "Sessions in Redis, over all nodes, by where they stand in life; estimated where there are many.",
                SessionPhase.allCases.map {
                    (labels: [(name: "phase", value: $0.rawValue)], value: standings.phases[$0] ?? 0)
                })
            self.text.gauge(
                "sojourn_turns_queued",
                "Turns that wait in the queues of sessions, over all nodes; estimated where there are many.",
                standings.queued)
        }
        self.text.counter(
            "sojourn_sessions_created_total", "Sessions that this node created.", self.sum { $0.store.created })
        self.text.counter(
            "sojourn_sessions_renewed_total", "Deadlines that moved, by what moved them.", by: "cause",
            self.parts(StoreCounters.RenewalCause.allCases, \.store.renewed) { $0.rawValue })
        self.text.counter(
            "sojourn_sessions_ended_total", "Sessions whose life this node ended, by how.", by: "reason",
            self.parts(EndReason.allCases, \.store.ended) { $0.rawValue })
        self.text.counter(
            "sojourn_heartbeats_total", "Heartbeats that found their session.", self.sum { $0.store.heartbeats })
        guard let duties else { return }
        self.text.counter("sojourn_sessions_warned_total", "Warnings before a deadline.", duties.warnings.count)
        self.text.histogram(
            "sojourn_warning_lateness_seconds", "How long after their time warnings were given.", duties.warnings)
        self.text.histogram(
            "sojourn_expiry_lateness_seconds", "How long after their deadline sessions were ended.", duties.expiries)
    }

    private mutating func writeArchive() {
        guard let archivist = self.duties?.archivist else { return }
        if let counts {
            self.text.seconds(
                "sojourn_archive_lag_seconds",
                "Age of the oldest event of a live session, over all nodes, that no archive has.",
                counts.archiveLag * 1000)
        }
        self.text.counter(
            "sojourn_sessions_archived_total", "Sessions that this node has archived.", archivist.archived)
        self.text.counter(
            "sojourn_archive_events_total", "Events of live sessions that this node has archived.", archivist.followed)
        self.text.gauge("sojourn_archive_queue", "Ended sessions that this archive has yet to write.", archivist.queued)
        self.text.gauge(
            "sojourn_archive_unsettled", "Hand-overs that are done in Redis and not in this archive.",
            archivist.unsettled)
        self.text.gauge(
            "sojourn_archive_trouble", "1 while this archive refuses sessions; /health says why.",
            archivist.trouble == nil ? 0 : 1)
    }

    private mutating func writeFeed() {
        self.text.counter(
            "sojourn_messages_total", "Messages that were logged, by author.", by: "author",
            self.parts([.user, .agent, .system], \.store.messages) { $0.rawValue })
        self.text.counter("sojourn_deltas_total", "Deltas that were published.", self.sum { $0.store.deltas })
        self.text.counter(
            "sojourn_feed_events_total", "Events that came to this node over the channels of sessions.",
            self.sum(\.arrivals))
        self.text.counter(
            "sojourn_deliveries_total", "Events that were written to clients.", by: "transport",
            [
                "sse": self.sum { $0.streamCounters.eventsToStreams },
                "websocket": self.sum { $0.streamCounters.eventsToSockets },
            ])
        self.text.counter(
            "sojourn_feed_repairs_total", "How often a channel was settled from the log.", self.sum(\.repairs))
        self.text.gauge("sojourn_feed_channels", "Channels of sessions that are subscribed.", self.sum(\.channels))
    }

    private mutating func writeStreams() {
        let (streams, sockets) = (self.sum(\.streams), self.sum(\.sockets))
        self.text.gauge(
            "sojourn_connections", "Open connections of clients, by what they are now.",
            ["http": max(0, self.sum(\.connections) - streams - sockets), "sse": streams, "websocket": sockets]
                .sorted { $0.key < $1.key }.map { (labels: [(name: "kind", value: $0.key)], value: $0.value) })
        self.text.gauge("sojourn_readers", "Sessions that are read by clients.", self.sum(\.readers))
        self.text.gauge("sojourn_openings_waiting", "Streams that wait to be opened.", self.sum(\.openings))
        self.text.gauge("sojourn_outbox_bytes", "Bytes that wait for clients to take them.", self.sum(\.outboxBytes))
        let counters = self.loops.map(\.streamCounters).reduce(StreamCounters(), +)
        self.text.counter(
            "sojourn_reader_demotions_total", "Readers that were too slow and went on from the log.", counters.demotions
        )
        self.text.counter(
            "sojourn_reader_promotions_total", "Slow readers that have caught up.", counters.promotions)
        self.text.counter("sojourn_reader_gaps_total", "Gaps that readers were told of.", counters.gaps)
        self.text.counter(
            "sojourn_reader_outruns_total", "Readers that the log has left behind.", counters.outrun)
        self.text.counter(
            "sojourn_stream_ends_total", "Event streams that ended, by why.", by: "reason",
            self.parts(StreamEnd.allCases, \.streamCounters.ends) { $0.rawValue })
        self.text.counter(
            "sojourn_websocket_closes_total", "WebSockets that were closed, by code; from either side.", by: "code",
            self.parts([1000, 1001], \.streamCounters.closes) { $0.map { String($0) } ?? "other" })
        self.text.counter(
            "sojourn_websocket_operations_total", "Operations that came over WebSockets.", by: "op",
            self.parts([], \.streamCounters.operations) { $0 })
    }

    private mutating func writeRequests() {
        self.text.gauge(
            "sojourn_http_requests_active", "Requests without an answer, and streams.", self.sum(\.exchanges))
        self.text.counter(
            "sojourn_http_refusals_total", "Requests and connections refused before they had a route.",
            self.sum(\.refusals))
        var tallies: [(labels: MetricsText.Labels, tally: RequestTally)] = []
        for (place, route) in self.routes.enumerated() {
            let all = self.loops.compactMap { $0.requests.indices.contains(place) ? $0.requests[place] : nil }
            guard let first = all.first else { continue }
            tallies.append(
                (
                    [(name: "method", value: route.method), (name: "route", value: route.path)],
                    all.dropFirst().reduce(first, +)
                ))
        }
        self.text.counter(
            "sojourn_http_requests_total", "Answers by route and class of status.",
            tallies.flatMap { labels, tally in
                tally.answers.enumerated().filter { $0.element > 0 }.map {
                    (labels: labels + [(name: "status", value: "\($0.offset)xx")], value: $0.element)
                }
            })
        self.text.histogram(
            "sojourn_http_request_seconds",
            "From a request to its answer, or to the head of its stream; without those that wait for something.",
            tallies.filter { $0.tally.times.count > 0 }.map { (labels: $0.labels, value: $0.tally.times) })
    }

    private mutating func writeRedis() {
        var scripts: [String: StoreCounters.CallTally] = [:]
        for loop in self.loops {
            for (name, tally) in loop.store.scripts {
                guard var sum = scripts[name] else {
                    scripts[name] = tally
                    continue
                }
                sum.times = sum.times + tally.times
                sum.errors.merge(tally.errors, uniquingKeysWith: +)
                scripts[name] = sum
            }
        }
        let sorted = scripts.sorted { $0.key < $1.key }
        self.text.histogram(
            "sojourn_redis_call_seconds", "From a script's call to its answer, waits for a connection included.",
            sorted.map { (labels: [(name: "script", value: $0.key)], value: $0.value.times) })
        self.text.counter(
            "sojourn_redis_errors_total", "Calls of scripts without an answer, or with an error, by its code.",
            sorted.flatMap { name, tally in
                tally.errors.sorted { $0.key < $1.key }.map {
                    (labels: [(name: "script", value: name), (name: "code", value: $0.key)], value: $0.value)
                }
            })
        self.text.counter(
            "sojourn_redis_reconnects_total", "How often a connection to Redis was made again.", by: "connection",
            [
                "commands": self.sum { $0.redis.reconnects },
                "subscriptions": self.sum { $0.redis.subscriptionReconnects },
            ])
        self.text.counter(
            "sojourn_redis_epoch_changes_total", "How often a loop found Redis promoted or restarted.",
            self.sum { $0.redis.epochChanges })
        self.text.gauge("sojourn_redis_waiting", "Commands that were not sent yet.", self.sum { $0.redis.waiting })
        self.text.gauge(
            "sojourn_redis_in_flight", "Commands that were sent and not answered.", self.sum { $0.redis.inFlight })
    }

    private mutating func writeTurns() {
        self.text.counter("sojourn_turns_leased_total", "Turns that were given to workers.", self.sum(\.store.leased))
        self.text.counter(
            "sojourn_turns_finished_total", "Turns that workers ended, by what became of them.", by: "status",
            self.parts([.completed, .failed, .queued], \.store.finished) { $0.rawValue })
        let waits = self.loops.map(\.store.turnWaits).reduce(Distribution(Distribution.waits), +)
        self.text.histogram("sojourn_turn_wait_seconds", "How long turns waited for a worker.", waits)
    }

    private mutating func writeProcess() {
        let figures = ProcessFigures.now
        self.text.gauge(
            "process_resident_memory_bytes", "Resident memory size in bytes.", figures.residentBytes)
        self.text.seconds(
            "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
            figures.processorMicroseconds, kind: "counter")
        self.text.gauge(
            "process_start_time_seconds", "Start time of the process since unix epoch in seconds.", figures.startedAt)
        self.text.gauge("process_max_fds", "Maximum number of open file descriptors.", figures.descriptorLimit)
    }
}
