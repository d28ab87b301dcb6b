import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournRedis
@testable import SojournStore

/// The master dies under load, and the sentinels make another one.
@Suite struct SentinelFailoverTests {
    @Test func `nodes go on at the new master, and every reader ends with the log as it is`() async throws {
        let bed = try await SentinelBed.start(replicas: 2, sentinels: 3)
        defer { bed.stop() }
        let nodes = [
            try await StoreNode.start(on: bed.servers[0], name: "a") { $0.use(bed) },
            try await StoreNode.start(on: bed.servers[0], name: "b", loops: 2) { $0.use(bed) },
        ]
        let sessions = try await SentinelLoad.sessions(6, on: nodes[0])
        let load = try await SentinelLoad.start(sessions, on: nodes)
        try await eventually(within: 60) { load.acknowledged > 300 }
        bed.servers[0].kill9()
        let before = load.acknowledged
        // Those that were in flight fail, and the load goes on.
        try await eventually(within: 60, "messages are taken again") { load.acknowledged > before + 300 }
        try await load.stop()
        let master = try #require(try bed.master(askedOf: 0))
        #expect(master !== bed.servers[0])
        for (session, reader) in zip(sessions, load.readers) {
            let log = try await nodes[1].log(of: session)
            #expect(log.map(\.seq) == Array(1...log.count))
            #expect(log.last?.epoch != session.epoch, "the new master is a branch of its own")
            try await eventually(within: 60) { reader.events.last == log.last }
            #expect(reader.picture == log)
        }
        for node in nodes { await node.stop() }
        #expect(try KeyspaceWalk.violations(in: master.client()) == [])
    }

    @Test func `what a replica is told to have is there after the master was killed`() async throws {
        let bed = try await SentinelBed.start(replicas: 1, sentinels: 3)
        defer { bed.stop() }
        var nodes: [StoreNode] = []
        for name in ["a", "b"] {
            nodes.append(
                try await StoreNode.start(on: bed.servers[0], name: name) {
                    $0.use(bed)
                    $0.waitReplicas = 1
                    $0.waitMilliseconds = 2_000
                })
        }
        let sessions = try await SentinelLoad.sessions(8, on: nodes[0])
        let load = try await SentinelLoad.start(sessions, on: nodes)
        try await eventually(within: 60) { load.kept.count > 400 }
        bed.servers[0].kill9()
        let before = load.acknowledged
        try await eventually(within: 60, "messages are taken again") { load.acknowledged > before + 20 }
        try await load.stop()
        var found: Set<String> = []
        for session in sessions {
            for event in try await nodes[0].log(of: session) {
                if let id = (try event.json())["data"]?["id"]?.string { found.insert(id) }
            }
        }
        #expect(load.kept.subtracting(found).isEmpty, "acknowledged, and at the replica, and lost")
        #expect(load.unkept > 0, "nobody was left to wait for, and nobody was told")
        for node in nodes { await node.stop() }
    }

    @Test func `a failover that a person asks for loses nothing that was acknowledged`() async throws {
        let bed = try await SentinelBed.start(replicas: 1, sentinels: 1)
        defer { bed.stop() }
        let node = try await StoreNode.start(on: bed.servers[0], name: "a") { $0.use(bed) }
        let sessions = try await SentinelLoad.sessions(2, on: node)
        for session in sessions { for number in 1...50 { try await node.say("old \(number)", in: session) } }
        #expect(try bed.servers[0].replicas() == 1)
        // It refuses while it has not heard from the replica for a moment.
        try await eventually(within: 60) {
            try RawRedis(bed.sentinels[0]).send("SENTINEL", "FAILOVER", SentinelBed.name) == "OK"
        }
        // The old master becomes a replica under open connections; the sentinel kills all of them, maybe this one too.
        try await eventually(within: 60) {
            let answer = try? bed.servers[0].client().send("INFO", "replication").string
            return answer?.contains("role:slave") == true
        }
        for session in sessions {
            try await node.sayUntilTaken("new", in: session)
            let log = try await node.log(of: session)
            #expect(log.count == 52 && log.last?.epoch != session.epoch)
        }
        await node.stop()
        #expect(try KeyspaceWalk.violations(in: bed.servers[1].client()) == [])
    }
}

extension StoreConfiguration {
    /// Finds Redis through the sentinels.
    mutating func use(_ bed: SentinelBed) { self.redis = .sentinel(bed.sentinels, master: SentinelBed.name) }
}

extension StoreNode {
    /// Sends a message until it is acknowledged, as clients do; it may be there twice.
    func sayUntilTaken(_ text: String, in session: Session) async throws {
        try await eventually(within: 60, "'\(text)' is taken") {
            do {
                try await self.say(text, in: session)
                return true
            } catch let error as StoreError where error.code == .outcomeUnknown || error.code == .storeUnavailable {
                return false
            }
        }
    }
}

/// Writers, one a session, and a reader of each.
final class SentinelLoad: Sendable {
    let readers: [WatchRecord]
    private let counts = Locked((acknowledged: 0, refused: 0))
    private let isOver = Locked(false)
    private let complaints = Locked<Set<String>>([])
    private let keptIDs = Locked<Set<String>>([])
    private let writers = Locked<[Task<Void, any Error>]>([])

    /// The ids of the messages that a replica has, as their answers say.
    var kept: Set<String> { self.keptIDs.withLock { $0 } }
    /// How many messages were acknowledged of which no replica is known to have them.
    var unkept: Int { self.acknowledged - self.kept.count }
    /// Why messages were not acknowledged.
    var reasons: Set<String> { self.complaints.withLock { $0 } }
    /// How many messages were refused, or may or may not be there.
    var refused: Int { self.counts.withLock { $0.refused } }
    var acknowledged: Int { self.counts.withLock { $0.acknowledged } }

    static func sessions(_ count: Int, on node: StoreNode) async throws -> [Session] {
        var sessions: [Session] = []
        for _ in 0..<count { sessions.append(try await node.session()) }
        return sessions
    }

    static func start(_ sessions: [Session], on nodes: [StoreNode]) async throws -> SentinelLoad {
        var readers: [WatchRecord] = []
        for (place, session) in sessions.enumerated() {
            readers.append(try await WatchRecord.start(on: nodes[(place + 1) % nodes.count], session))
        }
        let load = SentinelLoad(readers: readers)
        for (place, session) in sessions.enumerated() {
            let task = Task { try await load.write(to: session, on: nodes[place % nodes.count]) }
            load.writers.withLock { $0.append(task) }
        }
        return load
    }

    private init(readers: [WatchRecord]) { self.readers = readers }

    private func write(to session: Session, on node: StoreNode) async throws {
        var number = 0
        while !self.isOver.withLock({ $0 }) {
            number += 1
            do {
                let sent = try await node.say("message \(number)", in: session)
                if let durability = sent.durability, durability.reached >= durability.asked {
                    self.keptIDs.withLock { _ = $0.insert(sent.id) }
                }
                self.counts.withLock { $0.acknowledged += 1 }
            } catch let error as StoreError where error.code == .outcomeUnknown || error.code == .storeUnavailable {
                self.counts.withLock { $0.refused += 1 }
                self.complaints.withLock { _ = $0.insert("\(error.code): \(error.message)") }
            }
        }
    }

    func stop() async throws {
        self.isOver.withLock { $0 = true }
        for task in self.writers.withLock({ $0 }) { try await task.value }
    }
}
