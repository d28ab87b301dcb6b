import SojournArchive
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// The random choices of a run that can be repeated.
struct Dice: RandomNumberGenerator {
    private var generator: SeededGenerator

    init(seed: UInt64) { self.generator = SeededGenerator(seed: seed) }

    mutating func next() -> UInt64 { self.generator.next() }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
    mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }
    mutating func minutes(_ choices: Int64...) -> Int64 { choices[self.below(choices.count)] * 60_000 }
}

/// What may be done to one session.
enum Operation: Sendable {
    case message, heartbeat, beatInBatch, renew, end, read
    case patch(TimeoutPatch)

    static func random(_ dice: inout Dice) -> Operation {
        switch dice.below(100) {
        case ..<35: return .message
        case ..<55: return .heartbeat
        case ..<60: return .beatInBatch
        case ..<76: return .renew
        case ..<87:
            var patch = TimeoutPatch()
            if dice.chance(50) { patch.timeout = dice.minutes(5, 6, 10, 30, 60) }
            if dice.chance(30) { patch.autoRenew = dice.chance(50) }
            if dice.chance(30) { patch.maxDuration = dice.minutes(5, 10, 60, 720, 5_000) }
            if dice.chance(40) { patch.warning = dice.minutes(1, 2, 5, 20) }
            return .patch(patch)
        case ..<90: return .end
        default: return .read
        }
    }

    /// What the store answered.
    enum Outcome: Sendable {
        case sent(SentMessage)
        case session(Session)
        case beaten(Session, extended: Bool)
        case beat(HeartbeatOutcome)
        case ended
        case failed(StoreError)
    }

    func run(on node: StoreNode, _ id: SessionID) async throws -> Outcome {
        do {
            switch self {
            case .message:
                return .sent(
                    try await node.store.send(MessageDraft(authorID: StoreNode.user, content: "hello"), to: id.text))
            case .heartbeat:
                let (session, extended) = try await node.store.heartbeat(id.text)
                return .beaten(session, extended: extended)
            case .beatInBatch: return .beat(try #require(await node.store.heartbeat(batch: [id.text]).first))
            case .renew: return .session(try await node.store.renew(id.text))
            case .patch(let patch): return .session(try await node.store.patch(id.text, patch))
            case .read: return .session(try await node.store.session(id.text))
            case .end:
                try await node.store.end(id.text)
                return .ended
            }
        } catch let error as StoreError {
            return .failed(error)
        }
    }
}

/// Two nodes, one Redis, and what all sessions should be.
final class LawWorld {
    let nodes: [StoreNode]
    let archive: Archive
    private let redis: RawRedis
    private let space = Keyspace(namespace: "sj", partitions: 16)
    private let folder: TemporaryFolder
    private var offset: Int64 = 0
    private(set) var histories: [History] = []
    private(set) var live: [Int] = []
    private(set) var dead: [Int] = []
    private var holders: [String: Int] = [:]

    init(on server: RedisServer) async throws {
        self.folder = TemporaryFolder()
        // A slow machine is no outage.
        let patient: (inout StoreConfiguration) -> Void = { $0.outageThreshold = 3_600_000 }
        self.nodes = [
            try await StoreNode.start(
                on: server, name: "a", archivePath: self.folder.file("a.sqlite"), patient),
            try await StoreNode.start(on: server, name: "b", patient),
        ]
        self.archive = try #require(self.nodes[0].archive)
        self.redis = try server.client()
    }

    func stop() async {
        for node in self.nodes { await node.stop() }
    }

    /// The time that sessions see.
    func now() throws -> Int64 {
        let time = try self.redis.send("TIME").array.compactMap { $0.string.flatMap { Int64($0) } }
        return try #require(time.first) * 1000 + #require(time.last) / 1000 + self.offset
    }

    // MARK: Steps

    /// Law 6: a key that a live session holds answers with it.
    func create(_ dice: inout Dice) async throws {
        let timeout = dice.minutes(5, 6, 10, 30, 60)
        let policy = TimeoutPolicy(
            timeout: timeout, autoRenew: dice.chance(70), maxDuration: timeout + dice.minutes(0, 1, 3, 10, 60, 600),
            warning: dice.minutes(1, 2, 5, 20))
        let key = dice.chance(40) ? "key \(dice.below(12))" : nil
        let holder = key.flatMap { self.holders[$0] }
        let low = try self.now()
        let created = try await self.nodes[dice.below(2)].store.create(
            SessionRequest(agentID: StoreNode.agent, userID: StoreNode.user, policy: policy, conversationKey: key))
        if let holder, !created.isNew {
            #expect(created.session.id == self.histories[holder].id, "law 6")
            #expect(low < self.histories[holder].life.deadline && !self.histories[holder].isDeleted, "law 5")
            return
        }
        #expect(created.isNew)
        if let holder {
            let high = try self.now()
            let isOver = self.histories[holder].isDeleted || high >= self.histories[holder].life.deadline
            #expect(isOver, "law 6: \(key ?? "") has two live sessions")
        }
        let history = History(created.session, policy: policy)
        #expect(created.session.expiresAt.milliseconds == history.life.deadline)
        if let key { self.holders[key] = self.histories.count }
        self.live.append(self.histories.count)
        self.histories.append(history)
    }

    /// Operations on different sessions, all at once; some of the sessions are over.
    func burst(_ dice: inout Dice) async throws -> Int {
        var places = Array(self.live.shuffled(using: &dice).prefix(1 + dice.below(8)))
        if dice.chance(20), let over = self.dead.suffix(20).randomElement(using: &dice) { places.append(over) }
        let plan = places.map { (place: $0, node: self.nodes[dice.below(2)], operation: Operation.random(&dice)) }
        let low = try self.now()
        var outcomes: [(Int, Operation, Operation.Outcome)] = []
        try await withThrowingTaskGroup(of: (Int, Operation, Operation.Outcome).self) { group in
            for (place, node, operation) in plan {
                let id = self.histories[place].id
                group.addTask { (place, operation, try await operation.run(on: node, id)) }
            }
            for try await outcome in group { outcomes.append(outcome) }
        }
        let high = try self.now()
        for (place, operation, outcome) in outcomes {
            self.apply(operation, outcome, to: place, low: low, high: high)
        }
        return plan.count
    }

    /// Moves the clock, often to where something is about to happen, and waits until the sweepers have done what
    /// is due.
    func moveClock(_ dice: inout Dice) async throws {
        var amount = Int64.random(in: 1_000...120_000, using: &dice)
        if dice.chance(60), let place = self.live.randomElement(using: &dice) {
            let life = self.histories[place].life
            let target = dice.chance(70) ? life.warnedFrom : life.deadline
            amount = max(0, target - (try self.now()) + Int64.random(in: -1_000...1_000, using: &dice))
        } else if dice.chance(10) {
            amount = dice.minutes(5, 20, 60)
        }
        try await self.advance(amount)
    }

    func advance(_ amount: Int64) async throws {
        try await self.nodes[0].store.advanceTestClock(milliseconds: amount)
        self.offset += amount
        // It moves nothing more, but the other node learns that there is something to do.
        try await self.nodes[1].store.advanceTestClock(milliseconds: 0)
        let low = try self.now()
        try await eventually("the sweepers have fired what is due") {
            for partition in 0..<16 where try self.isDue(partition, low) { return false }
            return true
        }
        try self.checkWhatIsDue(low: low, high: try self.now())
    }

    private func isDue(_ partition: Int, _ now: Int64) throws -> Bool {
        try self.redis.send("ZCOUNT", self.space.due(partition), "-inf", "\(now)") != 0
    }

    /// Laws 1 and 2, as the model sees them: who had to be warned is warned, who had to expire has expired.
    private func checkWhatIsDue(low: Int64, high: Int64) throws {
        for place in self.live {
            let life = self.histories[place].life
            guard low >= life.warnedFrom else { continue }
            let id = self.histories[place].id
            let fields = try self.redis.send("HMGET", self.space.keys(of: id).session, "c", "s", "x").array
            if low >= life.deadline {
                #expect(fields[0] == .null || fields[1] == "expired", "law 1: \(id) outlived its deadline")
            } else if high < life.deadline {
                #expect(fields[2] == .text("\(life.deadline)"), "law 2: \(id) was not warned")
                self.histories[place].mustBeWarnedOf.insert(life.deadline)
            }
        }
        self.bury { low >= self.histories[$0].life.deadline }
    }

    private func bury(where isOver: (Int) -> Bool) {
        self.dead += self.live.filter(isOver)
        self.live.removeAll(where: isOver)
    }

    // MARK: What the model says of an answer

    private func apply(_ operation: Operation, _ outcome: Operation.Outcome, to place: Int, low: Int64, high: Int64) {
        let life = self.histories[place].life
        let id = self.histories[place].id
        if case .failed(let error) = self.unwrapped(outcome) {
            return self.explain(error, of: operation, place, low: low, high: high)
        }
        #expect(!self.histories[place].isDeleted && low < life.deadline, "\(operation) on \(id), whose life is over")
        switch self.unwrapped(outcome) {
        case .sent(let message):
            let now = message.createdAt.milliseconds
            let renews = life.policy.autoRenew && life.canBeExtended
            self.histories[place].steps.append(.message(id: message.id, seq: message.cursor.seq, at: now))
            self.histories[place].messages += 1
            if renews { self.histories[place].life.renew(at: now) }
            let after = self.histories[place].life
            #expect(message.wasRenewed == renews && message.renewalCount == after.renewals)
            #expect(message.expiresAt.milliseconds == after.deadline, "law 1: \(id)")
        case .beaten(let session, let extended):
            self.beaten(place, at: session.asOf.milliseconds, head: session.head, extended: extended)
            self.compare(session, place)
        case .beat(let beat):
            self.beaten(place, at: beat.asOf.milliseconds, head: beat.head ?? 0, extended: beat.extended)
            #expect(beat.expiresAt?.milliseconds == self.histories[place].life.deadline, "law 1: \(id)")
        case .session(let session):
            let now = session.asOf.milliseconds
            if case .patch(let patch) = operation {
                self.histories[place].life.patch(patch)
                self.histories[place].steps.append(.patch(patch, at: now, head: session.head))
            } else if case .renew = operation {
                #expect(life.canBeExtended, "law 1: \(id) was renewed at its cap")
                self.histories[place].life.renew(at: now)
                self.histories[place].steps.append(.renewal(at: now, head: session.head))
            }
            self.compare(session, place)
        case .ended:
            self.histories[place].isDeleted = true
            self.bury { $0 == place }
        case .failed: break
        }
    }

    private func unwrapped(_ outcome: Operation.Outcome) -> Operation.Outcome {
        if case .beat(let beat) = outcome, let error = beat.error { .failed(error) } else { outcome }
    }

    private func beaten(_ place: Int, at now: Int64, head: Int, extended: Bool) {
        let life = self.histories[place].life
        let renews = life.policy.autoRenew && life.canBeExtended
        #expect(extended == renews)
        if renews { self.histories[place].life.renew(at: now) }
        self.histories[place].steps.append(.heartbeat(at: now, head: head))
    }

    private func compare(_ session: Session, _ place: Int) {
        let life = self.histories[place].life
        #expect(session.policy == life.policy && session.base.milliseconds == life.base, "law 1: \(session.id)")
        #expect(session.expiresAt.milliseconds == life.deadline && session.renewalCount == life.renewals)
        #expect(session.messageCount == self.histories[place].messages)
    }

    private func explain(_ error: StoreError, of operation: Operation, _ place: Int, low: Int64, high: Int64) {
        let history = self.histories[place]
        let deadline = history.life.deadline
        switch error.code {
        case .sessionNotFound: #expect(history.isDeleted, "\(operation): \(error)")
        case .sessionExpired:
            #expect(!history.isDeleted && high >= deadline, "law 1: \(operation) \(deadline - high) ms early: \(error)")
            #expect(error.details?["expiresAt"]?.string == Instant(milliseconds: deadline).iso8601)
            self.bury { $0 == place }
        case .renewalFailed: #expect(!history.life.canBeExtended, "\(error)")
        case .validation:
            guard case .patch(let patch) = operation else { break }
            var patched = history.life
            patched.patch(patch)
            #expect(patched.deadline <= high, "\(error)")
        default: Issue.record("\(operation) on \(history.id): \(error)")
        }
    }

    // MARK: The end

    /// Lets everything expire, waits for the archive, and checks every log and every key.
    func finish() async throws {
        try await self.advance(3_000 * 60_000)
        #expect(self.live.isEmpty)
        try await eventually(within: 30, "all sessions are archived") {
            try await self.archive.stats().committed == self.histories.count
        }
        var warnings = 0
        for history in self.histories {
            var events: [TranscriptEvent] = []
            repeat {
                let page = try await self.archive.events(history.id.text, after: events.count, limit: 1_000)
                events += page.events
                if !page.hasMore { break }
            } while true
            let warned = try LogCheck.warnings(in: events, of: history)
            #expect(history.mustBeWarnedOf.isSubset(of: warned), "law 2: \(history.id)")
            warnings += warned.count
        }
        var given = 0
        for node in self.nodes {
            let duties = node.store.duties
            given += try await node.store.onFirstLoop { duties.value.warned }
        }
        #expect(given == warnings, "law 2: the nodes together gave each warning once")
        #expect(warnings > 0)
        let violations = try KeyspaceWalk.violations(in: self.redis)
        #expect(violations.isEmpty, "law 7: \(violations)")
        let leftovers = try self.redis.send("KEYS", "sj:{*").array.compactMap(\.string).filter {
            !$0.contains("}:t:") && !$0.hasSuffix("}:clk")
        }
        #expect(leftovers.isEmpty, "law 7: nothing is left but tombstones")
    }
}
