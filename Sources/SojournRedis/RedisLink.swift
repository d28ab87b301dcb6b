import SojournCore
import SojournLoop

/// A stream of replies that comes back by itself: connects, greets, reconnects with growing pauses, and tells
/// the log once when it is lost and once when it is back.
final class RedisLink {
    struct Handlers {
        /// The handshake succeeded.
        var ready: (_ isMaster: Bool, _ replid: String?) -> Void
        var received: (RESPValue) -> Void
        /// An attempt or an established link ended; another attempt follows.
        var lost: (_ reason: String) -> Void
        /// The server cannot be used; attempts go on, in case a person changes that.
        var refused: (_ sentence: String) -> Void
    }

    /// Where the next attempt goes.
    var endpoint: Endpoint
    /// Whether nobody has said yet where to connect to.
    var isParked = false
    private let loop: EventLoop
    private let options: RedisOptions
    private let checks: Bool
    private let log: Log
    /// What the log calls it.
    private let purpose: String
    private var handlers: Handlers?
    private var stream: ByteStream?
    private var reader = RESPReader()
    private var handshake: Handshake
    private var backoff: Backoff
    private var retry: LoopTimer?
    private var greetingLimit: LoopTimer?
    private var dropReason: String?
    private var lostAt: Int?
    private var attempts = 0
    /// Whether the present connection ends because the server cannot be used, which has been said already.
    private var isRefused = false
    private(set) var isReady = false
    /// How often the handshake succeeded.
    private(set) var connects = 0

    init(loop: EventLoop, endpoint: Endpoint, options: RedisOptions, purpose: String, checks: Bool, log: Log) {
        self.loop = loop
        self.endpoint = endpoint
        self.options = options
        self.checks = checks
        self.purpose = purpose
        self.log = log
        self.backoff = Backoff(options.backoffMs)
        self.handshake = Handshake(options, checks: checks)
    }

    /// The bytes that the system has not taken yet.
    var pendingBytes: Int { self.stream?.pendingBytes ?? 0 }

    func start(_ handlers: Handlers) {
        self.handlers = handlers
        self.retry = LoopTimer(loop: self.loop) { [weak self] in self?.connect() }
        self.greetingLimit = LoopTimer(loop: self.loop) { [weak self] in
            self?.drop("the server did not answer the greeting in time")
        }
        self.connect()
    }

    /// Connects to another server from now on, at once.
    func move(to endpoint: Endpoint) {
        guard self.isParked || endpoint != self.endpoint else { return }
        self.endpoint = endpoint
        self.isParked = false
        self.backoff.reset()
        guard self.handlers != nil else { return }
        if self.stream != nil { self.drop("the master is \(endpoint) now") }
        self.retry?.stop()
        self.connect()
    }

    func write(_ bytes: [UInt8]) { self.stream?.write(bytes) }

    /// Ends the present connection for a reason of ours; another attempt follows.
    func drop(_ reason: String) {
        guard let stream = self.stream else { return }
        self.dropReason = reason
        stream.close()
    }

    /// Ends it for good, silently.
    func close() {
        self.handlers = nil
        self.isReady = false
        self.retry?.stop()
        self.greetingLimit?.stop()
        self.stream?.close()
        self.stream = nil
    }

    private func connect() {
        guard self.handlers != nil, !self.isParked else { return }
        self.attempts += 1
        self.reader = RESPReader()
        self.handshake = Handshake(self.options, checks: self.checks)
        self.stream = ByteStream.connect(
            to: self.endpoint, loop: self.loop, security: self.security, timeoutMs: self.options.connectTimeoutMs,
            handlers: unsafe .init(
                connected: { [weak self] in self?.greet() },
                received: { [weak self] bytes in unsafe self?.receive(bytes) },
                closed: { [weak self] reason in self?.closed(reason) }))
    }

    private var security: ByteStream.Security {
        guard let tls = self.options.tls, case .tcp(let host, _) = self.endpoint else { return .plain }
        return .tls(tls, serverName: host)
    }

    private func greet() {
        self.greetingLimit?.start(afterMilliseconds: self.options.connectTimeoutMs)
        var writer = RESPWriter()
        for command in self.handshake.commands { writer.append(command) }
        self.write(writer.bytes)
        self.proceed(self.handshake.begin)
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) {
        let stream = self.stream
        do {
            try unsafe self.reader.feed(bytes)
            // A reply may make its receiver drop the connection; the rest is then nobody's.
            while self.stream === stream, let reply = try self.reader.next() {
                if self.isReady {
                    self.handlers?.received(reply)
                } else {
                    self.proceed(self.handshake.receive(reply))
                }
            }
        } catch {
            self.drop("the server does not speak the Redis protocol: \(error.message)")
        }
    }

    private func proceed(_ outcome: Handshake.Outcome) {
        switch outcome {
        case .more: break
        case .later(let words): self.drop("the server is not ready: \(words)")
        case .refused(let sentence):
            self.isRefused = true
            self.handlers?.refused(sentence)
            self.drop(sentence)
        case .ready(let isMaster, let replid):
            self.isReady = true
            self.connects += 1
            self.greetingLimit?.stop()
            self.backoff.reset()
            self.tellReady()
            self.handlers?.ready(isMaster, replid)
        }
    }

    private func closed(_ reason: ByteStream.CloseReason) {
        guard self.handlers != nil else { return }
        let words = self.dropReason ?? "\(reason)"
        let pause = self.backoff.next()
        self.dropReason = nil
        self.stream = nil
        self.greetingLimit?.stop()
        let wasReady = self.isReady
        self.isReady = false
        if self.lostAt == nil {
            self.lostAt = EventLoop.now
            self.attempts = 0
            if !self.isRefused { self.tellLost(wasReady: wasReady, reason: words, pause: pause) }
        }
        self.isRefused = false
        self.handlers?.lost(words)
        self.retry?.start(afterMilliseconds: pause)
    }

    private func tellLost(wasReady: Bool, reason: String, pause: Int) {
        self.log(
            .warning,
            wasReady
                ? "The connection to Redis is lost; it is being restored"
                : "Redis cannot be reached; it is tried again and again",
            [
                "redis.endpoint": "\(self.endpoint)", "redis.purpose": self.purpose, "reason": reason,
                "retry.ms": "\(pause)",
            ])
    }

    private func tellReady() {
        let downtime = self.lostAt.map { EventLoop.now - $0 }
        self.lostAt = nil
        self.log(
            downtime == nil ? .info : .notice,
            downtime == nil ? "Connected to Redis" : "The connection to Redis is back",
            [
                "redis.endpoint": "\(self.endpoint)", "redis.purpose": self.purpose,
                "redis.attempts": "\(self.attempts)", "downtime.ms": "\(downtime ?? 0)",
            ])
    }
}
