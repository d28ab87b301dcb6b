import SojournLoop

/// Which channels are wanted, which the server knows of, and which acknowledgements are due, for one
/// connection in RESP2 push mode.
///
/// Acknowledgements come in the order of the commands, so each command carries those who wait for it: a
/// subscribe after an unsubscribe of the same channel is never answered by the acknowledgement of an earlier
/// subscribe, between which and itself messages were missed.
struct SubscriptionBook {
    typealias Answer = (Result<Void, RedisError>) -> Void

    /// One who waits for a subscription.
    final class Waiter {
        private var finish: Answer?
        init(_ finish: @escaping Answer) { self.finish = finish }
        var isAnswered: Bool { self.finish == nil }
        func answer(_ result: Result<Void, RedisError>) {
            guard let finish = self.finish else { return }
            self.finish = nil
            finish(result)
        }
    }

    /// One command on its way.
    final class Issued {
        let isSubscribe: Bool
        let channel: String
        let restores: Bool
        var waiters: [Waiter]
        init(isSubscribe: Bool, channel: String, restores: Bool, waiters: [Waiter]) {
            self.isSubscribe = isSubscribe
            self.channel = channel
            self.restores = restores
            self.waiters = waiters
        }
    }

    /// What the server will think of a channel once it has run everything issued.
    private enum Phase {
        /// Wanted, and the server does not know: there is no connection.
        case parked([Waiter])
        case subscribing(Issued)
        case subscribed
        /// Not wanted any more.
        case unsubscribing
    }

    /// What a push of the server means.
    enum Event: Equatable {
        case nothing
        case message(channel: String, payload: [UInt8])
        /// The server ended a subscription by itself; it is asked for again.
        case kicked(String)
        /// All that was asked for again is back.
        case restored([String])
        /// The server refused to give a subscription back.
        case restoreFailed(String)
        /// Push and commands do not fit together.
        case unexpected
    }

    private var phases: [String: Phase] = [:]
    private var issued = Fifo<Issued>()
    private var isOpen = false
    private var restoring = 0
    private var restored: [String] = []
    /// In a cluster a channel whose slot moves away is forgotten here, not asked for again.
    var followsSlots = false
    private var moved: [String] = []
    /// Commands to send, in order; the shell takes them.
    private(set) var outbox: [[String]] = []

    /// Whether a channel is asked for.
    func wants(_ channel: String) -> Bool {
        switch self.phases[channel] {
        case nil, .unsubscribing: false
        case .parked, .subscribing, .subscribed: true
        }
    }

    /// The number of channels asked for.
    var count: Int { self.phases.count }

    /// Whether nothing is left to be restored on an open connection.
    var isComplete: Bool { self.isOpen && self.restoring == 0 }

    mutating func takeOutbox() -> [[String]] {
        defer { self.outbox.removeAll() }
        return self.outbox
    }

    /// The channels that the server does not have any more; whoever wants them asks another one.
    mutating func takeMoved() -> [String] {
        guard !self.moved.isEmpty else { return [] }
        defer { self.moved = [] }
        return self.moved
    }

    // MARK: Calls

    mutating func subscribe(_ channel: String, _ waiter: Waiter) {
        switch self.phases[channel] {
        case .subscribed: waiter.answer(.success(()))
        case .subscribing(let command): command.waiters.append(waiter)
        case .parked(let waiters): self.phases[channel] = .parked(waiters + [waiter])
        case nil, .unsubscribing:
            if self.isOpen {
                self.issueSubscribe(channel, restores: false, waiters: [waiter])
            } else {
                self.phases[channel] = .parked([waiter])
            }
        }
    }

    /// Forgets the channel. Those who still wait for it are answered by what was issued for them, or get
    /// `failure`.
    mutating func unsubscribe(_ channel: String, failure: @autoclosure () -> RedisError) {
        switch self.phases[channel] {
        case nil, .unsubscribing: break
        case .parked(let waiters):
            self.phases[channel] = nil
            for waiter in waiters { waiter.answer(.failure(failure())) }
        case .subscribing, .subscribed:
            self.phases[channel] = .unsubscribing
            self.issue(Issued(isSubscribe: false, channel: channel, restores: false, waiters: []))
        }
    }

    /// Forgets the channel if nobody waits for it and it was never acknowledged; for a waiter that gave up.
    mutating func abandon(_ channel: String, failure: @autoclosure () -> RedisError) {
        let waiters: [Waiter]
        switch self.phases[channel] {
        case .parked(let parked): waiters = parked
        case .subscribing(let command) where !command.restores: waiters = command.waiters
        case nil, .subscribing, .subscribed, .unsubscribing: return
        }
        if waiters.allSatisfy(\.isAnswered) { self.unsubscribe(channel, failure: failure()) }
    }

    // MARK: Connection

    /// The connection stands: asks for everything again, one command a channel, because they live in many slots.
    mutating func opened() {
        self.isOpen = true
        self.restored = []
        self.restoring = 0
        for (channel, phase) in self.phases {
            guard case .parked(let waiters) = phase else { continue }
            self.issueSubscribe(channel, restores: true, waiters: waiters)
        }
    }

    /// What ``opened()`` amounts to when there was nothing to ask for.
    var restoredAtOnce: Bool { self.isOpen && self.restoring == 0 && self.restored.isEmpty }

    mutating func lost() {
        self.isOpen = false
        self.outbox.removeAll()
        self.restoring = 0
        self.restored = []
        var waiters: [String: [Waiter]] = [:]
        for command in self.issued.elements where command.isSubscribe {
            waiters[command.channel, default: []] += command.waiters.filter { !$0.isAnswered }
        }
        self.issued.removeAll()
        for (channel, phase) in self.phases {
            switch phase {
            case .parked: break
            case .subscribing, .subscribed:
                self.phases[channel] = .parked(waiters.removeValue(forKey: channel) ?? [])
            case .unsubscribing: self.phases[channel] = nil
            }
        }
        // Their channel was unsubscribed after them, and the loss has done so already.
        for waiter in waiters.values.flatMap({ $0 }) { waiter.answer(.success(())) }
    }

    /// Answers everyone who waits.
    mutating func close(failure: @autoclosure () -> RedisError) {
        self.lost()
        for case .parked(let waiters) in self.phases.values {
            for waiter in waiters { waiter.answer(.failure(failure())) }
        }
        self.phases.removeAll()
    }

    private mutating func issueSubscribe(_ channel: String, restores: Bool, waiters: [Waiter]) {
        let command = Issued(isSubscribe: true, channel: channel, restores: restores, waiters: waiters)
        self.phases[channel] = .subscribing(command)
        if restores { self.restoring += 1 }
        self.issue(command)
    }

    private mutating func issue(_ command: Issued) {
        self.issued.append(command)
        self.outbox.append([command.isSubscribe ? "SSUBSCRIBE" : "SUNSUBSCRIBE", command.channel])
    }

    // MARK: Pushes

    mutating func receive(_ push: RESPValue, failure: (RESPErrorReply) -> RedisError) -> Event {
        if case .error(let error) = push { return self.refused(failure(error)) }
        guard let parts = push.array, parts.count == 3, let kind = parts[0].string else { return .unexpected }
        guard let channel = parts[1].string else { return .nothing }
        switch kind {
        case "smessage":
            return self.wants(channel) ? .message(channel: channel, payload: parts[2].bytes ?? []) : .nothing
        case "ssubscribe": return self.subscribed(channel)
        case "sunsubscribe": return self.unsubscribed(channel)
        default: return .unexpected
        }
    }

    private mutating func subscribed(_ channel: String) -> Event {
        guard let head = self.issued.first, head.isSubscribe, head.channel == channel else { return .unexpected }
        _ = self.issued.popFirst()
        if case .subscribing(let last) = self.phases[channel], last === head { self.phases[channel] = .subscribed }
        for waiter in head.waiters { waiter.answer(.success(())) }
        return head.restores ? self.oneRestored(channel) : .nothing
    }

    private mutating func oneRestored(_ channel: String?) -> Event {
        if let channel, self.wants(channel) { self.restored.append(channel) }
        self.restoring -= 1
        guard self.restoring == 0 else { return .nothing }
        defer { self.restored = [] }
        return .restored(self.restored)
    }

    private mutating func unsubscribed(_ channel: String) -> Event {
        if let head = self.issued.first, !head.isSubscribe, head.channel == channel {
            _ = self.issued.popFirst()
            if case .unsubscribing = self.phases[channel] { self.phases[channel] = nil }
            return .nothing
        }
        // Nobody asked: the slot moved away, say. If a command for the channel is on its way, it settles it.
        guard case .subscribed = self.phases[channel] else { return .nothing }
        if self.followsSlots {
            self.phases[channel] = nil
            self.moved.append(channel)
            return .nothing
        }
        self.issueSubscribe(channel, restores: true, waiters: [])
        return .kicked(channel)
    }

    private mutating func refused(_ error: RedisError) -> Event {
        guard let head = self.issued.popFirst() else { return .unexpected }
        if case .subscribing(let last) = self.phases[head.channel], last === head {
            if self.followsSlots, error.serverCode == "MOVED" {
                self.phases[head.channel] = nil
                self.moved.append(head.channel)
                for waiter in head.waiters { waiter.answer(.failure(error)) }
                return head.restores ? self.oneRestored(nil) : .nothing
            }
            if head.restores {
                // Still wanted: it is asked for again on the next connection.
                self.phases[head.channel] = .parked(head.waiters)
                return .restoreFailed(error.message)
            }
            self.phases[head.channel] = nil
        } else if !head.isSubscribe, case .unsubscribing = self.phases[head.channel] {
            self.phases[head.channel] = nil
        }
        for waiter in head.waiters { waiter.answer(.failure(error)) }
        return head.restores ? self.oneRestored(nil) : .nothing
    }
}
