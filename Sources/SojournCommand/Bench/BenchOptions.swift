import SojournLoop

/// What `sojourn bench` was told.
struct BenchOptions: Sendable {
    var scenarios: [String] = []
    /// The node to load; nil starts a private Redis and a private node of this very program.
    var url: Endpoint?
    /// The node's process, for its CPU and memory; known when it is private.
    var nodeProcess: Int32?
    /// The Redis to measure; known when it is private.
    var redis: RedisAddress?
    var loops = 1
    var rate: Double?
    /// Requests that are sent as fast as the connections take them, instead of a rate for some seconds.
    var requests: Int?
    var seconds = 5.0
    var connections = 64
    var sessions: Int?
    var subscribers = 500
    var streams = 1
    var due: Int?
    var payload = 256
    var batch = 16
    var opening = 20
    var json: String?
    var isQuiet = false
    /// Settings passed on to the private node.
    var nodeArguments: [String] = []

    struct Wrong: Error, CustomStringConvertible { let description: String }

    init(_ arguments: [String]) throws(Wrong) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            if word == "--" {
                self.nodeArguments = Array(rest)
                return
            }
            guard word.hasPrefix("--") else {
                self.scenarios.append(word)
                continue
            }
            let equals = word.firstIndex(of: "=")
            let name = String(word[word.index(word.startIndex, offsetBy: 2)..<(equals ?? word.endIndex)])
            if name == "quiet" {
                self.isQuiet = true
                continue
            }
            guard let value = equals.map({ String(word[word.index(after: $0)...]) }) ?? rest.popFirst() else {
                throw Wrong(description: "--\(name) needs a value")
            }
            try self.set(name, value)
        }
    }

    private mutating func set(_ name: String, _ value: String) throws(Wrong) {
        func number<Number: LosslessStringConvertible & Comparable & ExpressibleByIntegerLiteral>(
            _ type: Number.Type = Number.self
        ) throws(Wrong) -> Number {
            guard let number = Number(value), number > 0 else {
                throw Wrong(description: "--\(name) must be a number over 0; it is \(value)")
            }
            return number
        }
        switch name {
        case "url": self.url = try Self.endpoint(value)
        case "node-pid": self.nodeProcess = try number()
        case "redis":
            do {
                self.redis = try RedisAddress(value)
            } catch {
                throw Wrong(description: "--redis must be \(error)")
            }
            guard self.redis?.isOneServer == true else {
                throw Wrong(description: "--redis must be one server: the bench reads its figures")
            }
        case "loops": self.loops = try number()
        case "rate": self.rate = try number()
        case "requests": self.requests = try number()
        case "seconds": self.seconds = try number()
        case "connections": self.connections = try number()
        case "sessions": self.sessions = try number()
        case "subscribers": self.subscribers = try number()
        case "streams": self.streams = try number()
        case "due": self.due = try number()
        case "payload": self.payload = try number()
        case "batch": self.batch = try number()
        case "opening": self.opening = try number()
        case "json": self.json = value
        default: throw Wrong(description: "there is no option --\(name)")
        }
    }

    private static func endpoint(_ text: String) throws(Wrong) -> Endpoint {
        let place = text.hasPrefix("http://") ? text.dropFirst(7) : text[...]
        let parts = place.split(separator: "/").first?.split(separator: ":") ?? []
        guard parts.count == 2, let port = Int(parts[1]) else {
            throw Wrong(description: "--url must look like http://127.0.0.1:3000; it is \(text)")
        }
        return .tcp(host: String(parts[0]), port: port)
    }

    static var help: String {
        let names = Scenarios.all.map { scenario in
            "  " + scenario.name + String(repeating: " ", count: max(1, 26 - scenario.name.utf8.count))
                + scenario.summary
        }
        return """
            Loads a node with requests at set times and measures what they cost.

            usage: sojourn bench [scenario…] [option…] [-- setting of the private node…]

            Without --url a private Redis (nothing on disk) and a private node are started and ended. Latencies count
            from the time at which a request was due, so a stall is charged in full. A run with errors or without all
            of its answers gives no latency figure. CPU is that of the processes, from /proc and INFO.

            scenarios (all but the long ones when none is named):
            \(names.joined(separator: "\n"))

            options:
              --url URL            load this node instead
              --node-pid NUMBER    its process, for its CPU and memory
              --redis URL          its Redis, for calls, CPU and memory
              --loops NUMBER       event loops of the private node (1)
              --rate NUMBER        requests a second (what the scenario says)
              --seconds NUMBER     how long each run lasts (5)
              --requests NUMBER    so many requests instead, each sent when a connection is free, as redis-benchmark does:
                                   for what an operation costs under load; latencies are not told
              --connections NUMBER HTTP connections (64)
              --sessions NUMBER    live sessions (what the scenario says)
              --subscribers NUMBER SSE clients of each session of fan-out; of memory in all (500)
              --streams NUMBER     sessions of fan-out (1)
              --due NUMBER         sessions that expire in the storm (30000), or end in archive (10000)
              --payload NUMBER     bytes of a message's content (256)
              --batch NUMBER       sessions of one batch of heartbeats (16)
              --opening NUMBER     clients of memory that are opened at a time (20)
              --json FILE          append one line of JSON a run; - is standard output, then without the table
              --quiet              no progress line
            """
    }
}
