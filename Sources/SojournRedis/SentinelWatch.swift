import SojournCore
import SojournLoop

/// Learns from Redis Sentinels where a master is, and where it is after a failover. Loop only.
///
/// One connection to one of them at a time; when it does not answer, or knows nothing, the next one is asked. In
/// RESP2 a connection that is subscribed takes no questions, so each question is `UNSUBSCRIBE`, `SENTINEL
/// GET-MASTER-ADDR-BY-NAME`, `SUBSCRIBE +switch-master` in one write, repeated every second: what is announced in
/// between is in the next answer.
final class SentinelWatch {
    /// The master, as last told.
    private(set) var master: Endpoint?
    /// Why no master is known, as a sentence, or nil.
    private(set) var trouble: String?
    /// Told of the master when it is known for the first time, and of each other one.
    var onMaster: ((Endpoint) -> Void)?
    /// Whether what was told works; a sentinel that goes on naming a server that does not is cut off from the others,
    /// perhaps.
    var isUsable: () -> Bool = { true }

    private static let channel = "+switch-master"
    /// Answers in a row that name an unusable master, after which another sentinel is asked.
    private static let patience = 5

    private let loop: EventLoop
    private let sentinels: [Endpoint]
    private let name: String
    private let interval: Int
    private let log: Log
    private let link: RedisLink
    private var timer: LoopTimer?
    private var place = 0
    private var awaitsAnswer = false
    private var unusable = 0
    /// Sentinels in a row that knew nothing.
    private var ignorant = 0

    init(loop: EventLoop, sentinels: [Endpoint], name: String, options: RedisOptions, log: Log) {
        precondition(!sentinels.isEmpty, "a master is found by asking at least one sentinel")
        var own = options
        (own.user, own.password, own.database) = (options.sentinelUser, options.sentinelPassword, 0)
        own.connectTimeoutMs = min(options.connectTimeoutMs, 1_000)
        self.loop = loop
        self.sentinels = sentinels
        self.name = name
        self.interval = options.refreshIntervalMs
        self.log = log
        self.link = RedisLink(
            loop: loop, endpoint: sentinels[0], options: own, purpose: "sentinel", checks: false, log: log)
    }

    func start() {
        self.timer = LoopTimer(loop: self.loop) { [weak self] in self?.askAgain() }
        self.link.start(
            .init(
                ready: { [weak self] _, _ in self?.ask() },
                received: { [weak self] in self?.receive($0) },
                lost: { [weak self] in self?.lost($0) },
                refused: { [weak self] in self?.lost($0) }))
    }

    func close() {
        self.timer?.stop()
        self.link.close()
        self.onMaster = nil
        self.isUsable = { true }
    }

    // MARK: Asking

    private func ask() {
        self.awaitsAnswer = true
        var writer = RESPWriter()
        writer.append(["UNSUBSCRIBE", Self.channel])
        writer.append(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name])
        writer.append(["SUBSCRIBE", Self.channel])
        self.link.write(writer.bytes)
        self.timer?.start(afterMilliseconds: self.interval)
    }

    private func askAgain() {
        guard self.link.isReady else { return }
        if self.awaitsAnswer { return self.link.drop("the sentinel does not answer") }
        self.ask()
    }

    private func lost(_ reason: String) {
        self.awaitsAnswer = false
        if self.master == nil, self.trouble == nil { self.trouble = "no sentinel answers: \(reason)" }
        // The next attempt goes to the next one.
        self.place = (self.place + 1) % self.sentinels.count
        self.link.endpoint = self.sentinels[self.place]
    }

    private func receive(_ reply: RESPValue) {
        if let push = reply.array, push.count == 3, let kind = push[0].string {
            if kind == "message" { self.announced(push[2].string ?? "") }
            return
        }
        self.awaitsAnswer = false
        guard let address = reply.array, let endpoint = Self.endpoint(address.compactMap(\.string)) else {
            return self.knowsNothing(reply)
        }
        self.ignorant = 0
        self.tell(endpoint)
        self.unusable = self.isUsable() ? 0 : self.unusable + 1
        if self.unusable >= Self.patience, self.sentinels.count > 1 {
            self.unusable = 0
            self.link.drop("another sentinel is asked, because this one names \(endpoint), which is no master")
        }
    }

    /// `name old-host old-port new-host new-port`.
    private func announced(_ text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 5, words[0] == self.name, let endpoint = Self.endpoint(Array(words[3...])) else { return }
        self.tell(endpoint)
    }

    private func tell(_ endpoint: Endpoint) {
        self.trouble = nil
        guard endpoint != self.master else { return }
        if let before = self.master {
            self.log(
                .notice, "The sentinels have made another server the master; connections move there",
                ["redis.master": self.name, "redis.endpoint": "\(endpoint)", "redis.before": "\(before)"])
        } else {
            self.log(
                .info, "A sentinel says where the master is",
                ["redis.master": self.name, "redis.endpoint": "\(endpoint)", "sentinel": "\(self.link.endpoint)"])
        }
        self.master = endpoint
        self.unusable = 0
        self.onMaster?(endpoint)
    }

    private func knowsNothing(_ reply: RESPValue) {
        let words =
            if case .error(let error) = reply { "a sentinel answers: \(error.message)" } else {
                "the sentinels know no master named '\(self.name)'"
            }
        if self.master == nil, self.trouble != words {
            self.log(.warning, "A sentinel does not know the master", ["sentinel": "\(self.link.endpoint)"])
            self.trouble = words
        }
        self.ignorant += 1
        // All of them, once: no need to hurry from one to the next.
        if self.ignorant % self.sentinels.count != 0 { self.link.drop("this sentinel does not know the master") }
    }

    private static func endpoint(_ words: [String]) -> Endpoint? {
        guard words.count == 2, let port = Int(words[1]), (1...65_535).contains(port), !words[0].isEmpty else {
            return nil
        }
        return .tcp(host: words[0], port: port)
    }
}
