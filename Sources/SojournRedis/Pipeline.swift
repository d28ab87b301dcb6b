import SojournLoop

/// The commands of one connection: which wait, which are on their way, and what each event means for them.
///
///     submit ──► waiting ──takeSendable──► inFlight ──receive──► answered
///        │          ▲  ▲                    │   │
///        └► lane ───┘  └────── again ◄──────┘   └─ expired: answered, its reply is discarded later
///
/// A lane holds back the commands of one order key while another of that key is under way. `again` holds
/// what must leave first: calls whose script was unknown, and reads whose connection broke.
struct Pipeline {
    /// What a reply means beyond its command.
    enum Received: Equatable {
        case settled
        /// There is something to send.
        case sendable
        /// The server says that its role or state has changed.
        case stateChanged
        /// A reply that nobody asked for.
        case unexpected
    }

    var endpoint: Endpoint
    let maxWaiting: Int
    /// The handshake is done: commands may leave.
    var isOpen = false
    /// The server is a master.
    var allowsWrites = false
    /// Set while the server cannot be used: why.
    var refusal: String? {
        didSet { if let refusal = self.refusal { self.failUnsent(.refused, refusal) } }
    }
    private var waiting: [PendingCommand] = []
    private var again: [PendingCommand] = []
    private var inFlight = Fifo<PendingCommand>()
    private var lanes: [String: Fifo<PendingCommand>] = [:]
    private var laneCount = 0

    init(endpoint: Endpoint, maxWaiting: Int) {
        self.endpoint = endpoint
        self.maxWaiting = maxWaiting
    }

    /// Commands that were not sent yet.
    var waitingCount: Int { self.waiting.count + self.again.count + self.laneCount }
    /// Commands that were sent and not replied to.
    var inFlightCount: Int { self.inFlight.count }
    /// Whether ``takeSendable(now:)`` would return something, writes held back aside.
    var hasWaiting: Bool { !self.waiting.isEmpty || !self.again.isEmpty }

    // MARK: Sending

    mutating func submit(_ command: PendingCommand) {
        if let refusal = self.refusal { return command.fail(.refused, refusal, at: self.endpoint) }
        guard self.waitingCount < self.maxWaiting else {
            return command.fail(.unavailable, "too many commands wait for Redis", at: self.endpoint)
        }
        if let key = command.orderKey {
            if self.lanes[key] != nil {
                self.lanes[key]?.append(command)
                self.laneCount += 1
                return
            }
            self.lanes[key] = Fifo()
        }
        self.waiting.append(command)
    }

    /// What may leave now, in order; it counts as sent from here on.
    mutating func takeSendable(now: Int) -> [PendingCommand] {
        guard self.isOpen, self.hasWaiting else { return [] }
        var leaving: [PendingCommand]
        if self.allowsWrites {
            leaving = self.again + self.waiting
            self.again.removeAll()
            self.waiting.removeAll()
        } else {
            leaving = (self.again + self.waiting).filter { $0.kind == .read }
            self.again.removeAll { $0.kind == .read }
            self.waiting.removeAll { $0.kind == .read }
        }
        if leaving.contains(where: \.isAsking) {
            leaving = leaving.flatMap { $0.isAsking ? [Self.asking(), $0] : [$0] }
        }
        for command in leaving {
            command.sentAt = now
            self.inFlight.append(command)
        }
        return leaving
    }

    /// What lets a server take one command for a slot that is on its way to it.
    private static func asking() -> PendingCommand {
        PendingCommand(.plain(["ASKING"]), kind: .write, deadline: .max) { _ in }
    }

    private mutating func releaseLane(of command: PendingCommand) {
        guard let key = command.orderKey else { return }
        if let next = self.lanes[key]?.popFirst() {
            self.laneCount -= 1
            self.waiting.append(next)
        } else {
            self.lanes[key] = nil
        }
    }

    // MARK: Replies

    mutating func receive(_ reply: RESPValue) -> Received {
        guard let command = self.inFlight.popFirst() else { return .unexpected }
        guard !command.isAnswered else { return .settled }
        guard case .error(let error) = reply else {
            command.answer(.success(reply))
            self.releaseLane(of: command)
            return self.hasWaiting ? .sendable : .settled
        }
        if error.code == "NOSCRIPT", case .script = command.payload, !command.asEval {
            // Nothing ran. Its lane stays closed, so that a later command of its key cannot overtake it.
            command.asEval = true
            self.again.append(command)
            return .sendable
        }
        command.fail(.server, error.message, at: self.endpoint)
        self.releaseLane(of: command)
        return Self.stateCodes.contains(error.code) ? .stateChanged : self.hasWaiting ? .sendable : .settled
    }

    /// Errors by which a server tells that it is not what it was.
    private static let stateCodes: Set<String> = ["READONLY", "MOVED", "LOADING", "MASTERDOWN", "CLUSTERDOWN"]

    // MARK: Time

    /// Answers what is past its deadline and returns the next deadline.
    mutating func expire(now: Int) -> Int? {
        for key in self.lanes.keys {
            guard let lane = self.lanes[key], lane.elements.contains(where: { $0.deadline <= now }) else { continue }
            for command in lane.elements where command.deadline <= now { self.failUnsent(command) }
            self.lanes[key]?.removeAll { $0.isAnswered }
            self.laneCount -= lane.count - (self.lanes[key]?.count ?? 0)
        }
        for command in self.again + self.waiting where command.deadline <= now {
            self.failUnsent(command)
            self.releaseLane(of: command)
        }
        self.again.removeAll { $0.isAnswered }
        self.waiting.removeAll { $0.isAnswered }
        for command in self.inFlight.elements where !command.isAnswered && command.deadline <= now {
            switch command.kind {
            case .read: command.fail(.timedOut, "Redis did not answer in time", at: self.endpoint)
            case .write:
                command.fail(
                    .outcomeUnknown, "Redis did not answer in time; the command may have run", at: self.endpoint)
            }
            self.releaseLane(of: command)
        }
        var next = Int.max
        for command in self.again { next = min(next, command.deadline) }
        for command in self.waiting { next = min(next, command.deadline) }
        for command in self.inFlight.elements where !command.isAnswered { next = min(next, command.deadline) }
        for lane in self.lanes.values { for command in lane.elements { next = min(next, command.deadline) } }
        return next == Int.max ? nil : next
    }

    /// How long, in milliseconds, the oldest command in flight has waited for its reply.
    func headAge(now: Int) -> Int { self.inFlight.first.map { now - $0.sentAt } ?? 0 }

    // MARK: Loss

    /// The connection is gone: writes on their way are unknown, reads go again once.
    mutating func connectionLost(_ reason: String) {
        self.isOpen = false
        self.allowsWrites = false
        let sent = self.inFlight.elements
        self.inFlight.removeAll()
        var retried: [PendingCommand] = []
        for command in sent where !command.isAnswered {
            if command.kind == .read && !command.wasRetried {
                command.wasRetried = true
                retried.append(command)
                continue
            }
            switch command.kind {
            case .read: command.fail(.unavailable, "the connection was lost twice: \(reason)", at: self.endpoint)
            case .write:
                command.fail(
                    .outcomeUnknown, "the connection was lost before the reply; the command may have run: \(reason)",
                    at: self.endpoint)
            }
            self.releaseLane(of: command)
        }
        self.again = retried + self.again
    }

    /// Answers what was not sent: another server may take it.
    mutating func giveBack(_ reason: String) { self.failUnsent(.unavailable, reason) }

    /// Answers everything; for the end.
    mutating func close() {
        let message = "the connection was closed"
        for command in self.inFlight.elements {
            command.fail(command.kind == .write ? .outcomeUnknown : .unavailable, message, at: self.endpoint)
        }
        self.inFlight.removeAll()
        self.failUnsent(.unavailable, message)
    }

    private func failUnsent(_ command: PendingCommand) {
        command.fail(.unavailable, "no connection to Redis in time; the command was not sent", at: self.endpoint)
    }

    private mutating func failUnsent(_ code: RedisError.Code, _ message: String) {
        let unsent = self.again + self.waiting + self.lanes.values.flatMap { $0.elements }
        self.again.removeAll()
        self.waiting.removeAll()
        // Lanes of commands in flight go, too: with nothing left to hold back they have no purpose.
        self.lanes.removeAll()
        self.laneCount = 0
        for command in unsent { command.fail(code, message, at: self.endpoint) }
    }
}
