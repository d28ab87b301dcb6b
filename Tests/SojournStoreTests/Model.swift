import SojournArchive
import SojournCore
import Testing

/// The laws of one session in a few lines. It has no clock: it is told the instants that the store answered.
struct Life {
    let created: Int64
    private(set) var base: Int64
    private(set) var policy: TimeoutPolicy
    private(set) var renewals = 0

    init(created: Int64, policy: TimeoutPolicy) {
        (self.created, self.base, self.policy) = (created, created, policy)
    }

    /// Nothing ever extends past it.
    var cap: Int64 { self.created + self.policy.maxDuration }
    /// Law 1.
    var deadline: Int64 { min(self.base + self.policy.timeout, self.cap) }
    /// Law 2.
    var warnedFrom: Int64 { self.deadline - min(self.policy.warning, self.policy.timeout / 2) }
    var canBeExtended: Bool { self.deadline < self.cap }

    mutating func renew(at now: Int64) {
        self.base = now
        self.renewals += 1
    }

    /// The base stays.
    mutating func patch(_ patch: TimeoutPatch) {
        let timeout = patch.timeout ?? self.policy.timeout
        let longest = min(patch.maxDuration ?? self.policy.maxDuration, 2 * 1440 * 60_000)
        self.policy = TimeoutPolicy(
            timeout: timeout, autoRenew: patch.autoRenew ?? self.policy.autoRenew, maxDuration: max(timeout, longest),
            warning: patch.warning ?? self.policy.warning)
    }
}

/// What was done to one session, in order, with what the store said about each step.
struct History {
    enum Step {
        case message(id: String, seq: Int, at: Int64)
        /// `head` is the newest event after the step.
        case heartbeat(at: Int64, head: Int)
        case renewal(at: Int64, head: Int)
        case patch(TimeoutPatch, at: Int64, head: Int)
    }

    let id: SessionID
    let key: String?
    let start: Life
    var life: Life
    var steps: [Step] = []
    var messages = 0
    var isDeleted = false
    /// The deadlines whose warning was due while the sweepers had all the time they wanted.
    var mustBeWarnedOf: Set<Int64> = []

    init(_ session: Session, policy: TimeoutPolicy) {
        self.id = session.id
        self.key = session.conversationKey
        self.start = Life(created: session.createdAt.milliseconds, policy: policy)
        self.life = self.start
    }
}

/// Reads an archived log against the history of its session: every event must be explained, and nothing be missing.
struct LogCheck {
    private let history: History
    private let events: [TranscriptEvent]
    private var life: Life
    private var place = 0
    private var isWarned = false
    private(set) var warnedOf: [Int64] = []

    /// Checks the laws 1, 2, 3, 5 and 8 and returns the deadlines that were warned of.
    static func warnings(in events: [TranscriptEvent], of history: History) throws -> [Int64] {
        var check = LogCheck(history: history, events: events)
        try check.run()
        return check.warnedOf
    }

    private init(history: History, events: [TranscriptEvent]) {
        (self.history, self.events, self.life) = (history, events, history.start)
    }

    private mutating func run() throws {
        #expect(self.events.map(\.seq) == Array(1...max(1, self.events.count)), "law 3: \(self.history.id)")
        try self.take("session.created", at: self.life.created)
        for step in self.history.steps { try self.replay(step) }
        try self.takeWarnings(before: .max)
        if self.history.isDeleted {
            try self.take("session.ended")
        } else {
            let data = try self.take("session.expired")
            #expect(data["expiredAt"]?.string == self.iso(self.life.deadline))
            #expect(data["reason"]?.string == (self.life.canBeExtended ? "timeout" : "maxDuration"))
            #expect(self.events[self.place - 1].at >= self.life.deadline)
        }
        #expect(self.place == self.events.count, "law 5: nothing follows the closing event of \(self.history.id)")
    }

    private mutating func replay(_ step: History.Step) throws {
        let before = self.life.deadline
        switch step {
        case .message(let id, let seq, let at):
            try self.takeWarnings(before: seq)
            let data = try self.take("user.message", at: at)
            #expect(self.place == seq && data["id"]?.string == id, "law 8: message \(id) of \(self.history.id)")
            if self.life.policy.autoRenew, self.life.canBeExtended {
                self.life.renew(at: at)
                if self.isWarned, self.life.deadline != before { try self.takeRenewal("message", at: at) }
            }
        case .heartbeat(let at, let head):
            try self.takeWarnings(before: head + 1)
            if self.life.policy.autoRenew, self.life.canBeExtended {
                self.life.renew(at: at)
                if self.isWarned, self.life.deadline != before { try self.takeRenewal("heartbeat", at: at) }
            }
            #expect(self.place == head, "law 3: the head that a heartbeat of \(self.history.id) answered")
        case .renewal(let at, let head):
            try self.takeWarnings(before: head)
            self.life.renew(at: at)
            try self.takeRenewal("renew", at: at)
            #expect(self.place == head)
        case .patch(let patch, let at, let head):
            try self.takeWarnings(before: head)
            self.life.patch(patch)
            let data = try self.take("session.updated", at: at)
            #expect(data["expiresAt"]?.string == self.iso(self.life.deadline))
            if self.life.deadline > before { try self.takeRenewal("patch", at: at) }
            if self.life.deadline != before { self.isWarned = false }
            #expect(self.place == head)
        }
    }

    /// Law 2: at most one warning an approach, in its time.
    private mutating func takeWarnings(before seq: Int) throws {
        while self.place + 1 < seq, self.place < self.events.count, self.events[self.place].type == "session.expiring" {
            #expect(!self.isWarned, "law 2: a second warning at \(self.place + 1) of \(self.history.id)")
            let event = self.events[self.place]
            let data = try self.take("session.expiring")
            #expect(event.at >= self.life.warnedFrom && event.at < self.life.deadline, "law 2: \(self.history.id)")
            #expect(data["expiresAt"]?.string == self.iso(self.life.deadline))
            #expect(data["canRenew"]?.bool == self.life.canBeExtended)
            self.isWarned = true
            self.warnedOf.append(self.life.deadline)
        }
    }

    private mutating func takeRenewal(_ cause: String, at: Int64) throws {
        let data = try self.take("session.renewed", at: at)
        #expect(data["cause"]?.string == cause && data["expiresAt"]?.string == self.iso(self.life.deadline))
        #expect(data["renewalCount"]?.int == self.life.renewals)
        self.isWarned = false
    }

    @discardableResult
    private mutating func take(_ type: String, at: Int64? = nil) throws -> JSON {
        let types = self.events.map(\.type)
        try #require(self.place < self.events.count, "\(type) is missing from \(self.history.id): \(types)")
        let event = self.events[self.place]
        try #require(event.type == type, "event \(self.place + 1) of \(self.history.id): \(types)")
        if let at { #expect(event.at == at, "event \(self.place + 1) of \(self.history.id)") }
        self.place += 1
        return try #require(try JSON.parse(event.body)["data"])
    }

    private func iso(_ instant: Int64) -> String { Instant(milliseconds: instant).iso8601 }
}
