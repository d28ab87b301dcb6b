/// Requests of one kind, or of a mix, at a set rate.
struct RequestScenario: Scenario {
    /// What a request is made for.
    struct Situation {
        let ids: [String]
        let payload: String
        let batch: Int

        /// Any session; two calls seldom give the same.
        func session(_ number: Int) -> String { self.ids[number &* 7919 % self.ids.count] }

        /// As many sessions as a batch has, as elements of JSON.
        func sessions(_ number: Int) -> String {
            (0..<self.batch).map { "\"" + self.session(number * self.batch + $0) + "\"" }.joined(separator: ",")
        }
    }

    let name: String
    let summary: String
    /// Requests a second unless told otherwise.
    let rate: Double
    /// Live sessions unless told otherwise.
    var sessions = 1000
    /// Messages that each session has before.
    var messages = 0
    /// How many operations one request counts for; nil for as many as the batch has sessions.
    var operations: Int? = 1
    /// Whether requests are operations over WebSockets.
    var overWebSockets = false
    let make: @Sendable (Situation, _ number: Int) -> [UInt8]

    func run(_ bench: Bench) async throws -> BenchReport {
        let ids = try await bench.createSessions(bench.options.sessions ?? self.sessions)
        let situation = Situation(
            ids: ids, payload: String(repeating: "m", count: bench.options.payload), batch: bench.options.batch)
        if self.messages > 0 {
            let total = self.messages * ids.count
            _ = await bench.load("filling logs", rate: 1e6, total: total) { number, _ in
                Self.message(ids[number % ids.count], situation.payload)
            }
        }
        let rate = bench.options.requests == nil ? bench.options.rate ?? self.rate : Self.atOnce
        let total = bench.options.requests ?? Int(rate * bench.options.seconds)
        _ = await bench.load(
            "warming up", rate: rate, total: bench.options.requests.map { $0 / 10 } ?? Int(rate / 2),
            overWebSockets: self.overWebSockets
        ) { [make] number, _ in make(situation, number) }
        let traffic = LoadConnection.Traffic()
        let before = try await bench.usage()
        var outcome = await bench.load(
            self.name, rate: rate, total: total, overWebSockets: self.overWebSockets, traffic: traffic
        ) { [make] number, _ in make(situation, number) }
        let after = try await bench.usage()
        // Measured from set times, and here all are set for the beginning.
        if bench.options.requests != nil { outcome.latencies = LatencyHistogram() }
        return bench.report(
            self.name, outcome, operations: self.operations ?? situation.batch,
            rate: bench.options.requests == nil ? rate : Double(outcome.answered) / outcome.seconds, from: before,
            to: after, traffic: traffic)
    }

    /// Requests a second that no connection keeps up with.
    private static let atOnce = 1e9

    static func message(_ id: String, _ content: String) -> [UInt8] {
        BenchRequest.post("\(BenchRequest.base)/\(id)/messages", #"{"content":"\#(content)"}"#)
    }

    private static func heartbeat(_ id: String) -> [UInt8] { BenchRequest.post("\(BenchRequest.base)/\(id)/heartbeat") }

    private static func page(_ id: String) -> [UInt8] {
        BenchRequest.get("\(BenchRequest.base)/\(id)/messages?limit=50")
    }

    static let all: [any Scenario] = [
        RequestScenario(name: "livez", summary: "GET /livez: the least a request can cost", rate: 4000, sessions: 1) {
            _, _ in BenchRequest.get("/livez")
        },
        RequestScenario(name: "create", summary: "creates sessions", rate: 1000, sessions: 1) { _, number in
            BenchRequest.create(number)
        },
        RequestScenario(name: "heartbeat", summary: "heartbeats of single sessions", rate: 4000) { situation, number in
            Self.heartbeat(situation.session(number))
        },
        RequestScenario(
            name: "batch", summary: "heartbeats of --batch sessions in one request", rate: 500, operations: nil
        ) { situation, number in
            BenchRequest.post("\(BenchRequest.base)/heartbeat", #"{"sessions":[\#(situation.sessions(number))]}"#)
        },
        RequestScenario(
            name: "heartbeat-websocket", summary: "heartbeats of --batch sessions in one message over a WebSocket",
            rate: 500, operations: nil, overWebSockets: true
        ) { situation, number in
            Array(#"{"op":"heartbeat","id":\#(number),"sessions":[\#(situation.sessions(number))]}"#.utf8)
        },
        RequestScenario(name: "message", summary: "sends messages", rate: 2000) { situation, number in
            Self.message(situation.session(number), situation.payload)
        },
        RequestScenario(
            name: "delta", summary: "publishes pieces of messages, one in a request", rate: 500, sessions: 5000
        ) { situation, number in
            BenchRequest.post(
                "\(BenchRequest.base)/\(situation.session(number))/deltas", #"{"messageId":"m","text":"a few words "}"#)
        },
        RequestScenario(
            name: "deltas", summary: "publishes pieces of messages, eight in a request", rate: 500, sessions: 5000,
            operations: 8
        ) { situation, number in
            let pieces = (0..<8).map { _ in #"{"text":"a few words "}"# }.joined(separator: ",")
            return BenchRequest.post(
                "\(BenchRequest.base)/\(situation.session(number))/deltas",
                #"{"messageId":"m","deltas":[\#(pieces)]}"#)
        },
        RequestScenario(
            name: "page", summary: "reads the newest 50 of 100 messages", rate: 1000, sessions: 100, messages: 100
        ) { situation, number in Self.page(situation.session(number)) },
        RequestScenario(
            name: "list", summary: "lists the newest 50 of 100,000 sessions", rate: 50, sessions: 100_000
        ) { _, _ in BenchRequest.get("\(BenchRequest.base)?limit=50") },
        RequestScenario(
            name: "mixed", summary: "a usual day: 80 % heartbeats, 15 % messages, 5 % the rest", rate: 3000,
            sessions: 5000
        ) { situation, number in
            let id = situation.session(number)
            switch number % 100 {
            case 0..<80: return Self.heartbeat(id)
            case 80..<95: return Self.message(id, situation.payload)
            case 95..<97: return Self.page(id)
            case 97..<99: return BenchRequest.get("\(BenchRequest.base)/\(id)")
            default: return BenchRequest.create(number)
            }
        },
    ]
}
