import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournStore

/// The queue and the busy modes against a reference.
///
/// `SOJOURN_SEED` runs one seed instead of the usual three, `SOJOURN_OPERATIONS` makes a run longer.
@Suite struct TurnModelTests {
    private static let environment = ProcessInfo.processInfo.environment
    /// Three that are always the same, and one that nobody has tried.
    private static let seeds: [UInt64] =
        Self.environment["SOJOURN_SEED"].flatMap { UInt64($0) }.map { [$0] }
        ?? [1, 2, 3, UInt64.random(in: .min ... .max)]
    private static let operations = Self.environment["SOJOURN_OPERATIONS"].flatMap { Int($0) } ?? 400

    /// One session of the comparison: the model, and the leases that workers hold or held.
    private struct Case {
        let id: SessionID
        var model: TurnModel
        var lease: LeasedTurn?
        var zombies: [LeasedTurn] = []
    }

    private func expect(_ one: Case, on node: StoreNode, after operation: String) async throws {
        let book = try await node.turns(one.id)
        let queue = book.queue.map { entry -> TurnModel.Entry in
            switch entry {
            case .turn(let turn): .turn(turn.id.number)
            case .steered(let seq): .steered(seq: seq)
            }
        }
        let turns = Dictionary(
            uniqueKeysWithValues: book.turns.map {
                ($0.id.number, TurnModel.Record(status: $0.status, input: $0.input, attempt: $0.attempt))
            })
        try #require(queue == one.model.queue, "\(operation)")
        try #require(turns == one.model.turns, "\(operation)")
        try #require(book.running?.id.number == one.model.running, "\(operation)")
    }

    @Test(arguments: Self.seeds)
    func `queue and busy modes do what the model does, on three nodes`(seed: UInt64) async throws {
        print("turns: SOJOURN_SEED=\(seed) SOJOURN_OPERATIONS=\(Self.operations)")
        var random = SeededGenerator(seed: seed)
        var counts: [String: Int] = [:]
        let server = try await RedisServer.start()
        defer { server.stop() }
        var nodes: [StoreNode] = []
        for name in ["a", "b", "c"] {
            nodes.append(
                try await StoreNode.start(on: server, name: name) {
                    $0.turnAttempts = 2
                    $0.turnQueue = 6
                })
        }
        _ = try await nodes[0].claim()
        var cases: [Case] = []
        for _ in 0..<3 {
            let id = try await nodes[0].session(minutes: 600, max: 7200).id
            cases.append(Case(id: id, model: TurnModel(attempts: 2, bound: 6)))
        }
        for step in 0..<Self.operations {
            let place = Int.random(in: 0..<3, using: &random)
            var one = cases[place]
            let node = nodes[Int.random(in: 0..<3, using: &random)]
            var operation = "seed \(seed) step \(step)"
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<8:
                let mode = try #require(IfBusy.allCases.randomElement(using: &random))
                operation += " say \(mode)"
                var sent: SentMessage?
                let refusal = await code { sent = try await node.say("m", in: one.id, ifBusy: mode) }
                #expect(refusal == one.model.say(mode) { sent?.cursor.seq ?? 0 }, "\(operation)")
                if one.model.running == nil, let lease = one.lease {
                    one.zombies.append(lease)
                    one.lease = nil
                }
            case 8..<12:
                operation += " lease"
                let id = one.id
                let turn = try await node.store.onShard { try await $0.lease(id, milliseconds: 30_000) }
                let expected = one.model.lease()
                #expect(turn?.turn.id.number == expected, "\(operation)")
                if let turn { one.lease = turn }
            case 12:
                operation += " extend"
                guard let lease = one.lease else { continue }
                guard case .until = try await node.extend(lease) else {
                    Issue.record("\(operation): told to stop")
                    return
                }
                one.model.extend()
            case 13..<15:
                operation += " complete"
                guard let lease = one.lease else { continue }
                try await node.complete(lease)
                one.model.end(.completed)
                one.zombies.append(lease)
                one.lease = nil
            case 15:
                operation += " fail"
                guard let lease = one.lease else { continue }
                let retryable = Bool.random(using: &random)
                try await node.fail(lease, retryable: retryable)
                if retryable { one.model.retry() } else { one.model.end(.failed) }
                one.zombies.append(lease)
                one.lease = nil
            case 16:
                operation += " interrupt"
                try await node.interrupt(one.id)
                one.model.cancel()
                if let lease = one.lease { one.zombies.append(lease) }
                one.lease = nil
            case 17:
                operation += " cancel entry"
                guard !one.model.queue.isEmpty else { continue }
                let at = Int.random(in: 0..<one.model.queue.count, using: &random)
                let name = try await node.turns(one.id).queue[at].name
                #expect(try await node.interrupt(one.id, entry: name) == [name])
                one.model.cancel(place: at)
            case 18:
                operation += " give back"
                guard let lease = one.lease else { continue }
                try await node.store.onShard { await $0.giveBack(lease) }
                one.model.requeue(counted: false)
                one.zombies.append(lease)
                one.lease = nil
            default:
                operation += " all workers die"
                try await node.store.advanceTestClock(milliseconds: 30_001)
                for other in cases.indices where cases[other].lease != nil {
                    var died = other == place ? one : cases[other]
                    died.model.retry()
                    if let lease = died.lease { died.zombies.append(lease) }
                    died.lease = nil
                    let id = died.id
                    try await eventually("\(operation): the sweeper has seen it") {
                        try await node.turns(id).running == nil
                    }
                    if other == place { one = died } else { cases[other] = died }
                }
            }
            if let zombie = one.zombies.randomElement(using: &random) {
                let word = await code { try await node.complete(zombie, "late") }
                #expect(word == .staleLease, "\(operation): a zombie was not refused")
            }
            cases[place] = one
            counts[operation.split(separator: " ").dropFirst(4).joined(separator: " "), default: 0] += 1
            try await self.expect(one, on: node, after: operation)
        }
        for one in cases { try await expectLegal(one.id, on: nodes[1]) }
        let ailments = try await DoctorVisit.ailments(on: server)
        #expect(ailments == [])
        #expect(try KeyspaceWalk.violations(in: server.client()).isEmpty)
        print("turns: seed \(seed) did \(counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" })")
        for node in nodes { await node.stop() }
    }

    @Test func `with workers that die on three nodes no turn is lost, doubled or out of turn`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        var nodes: [StoreNode] = []
        for name in ["a", "b", "c"] {
            nodes.append(try await StoreNode.start(on: server, name: name) { $0.turnAttempts = 1000 })
        }
        let (sessions, messages) = (20, 12)
        _ = try await nodes[0].claim()
        var ids: [SessionID] = []
        for _ in 0..<sessions { ids.append(try await nodes[0].session().id) }
        let done = Tally()
        let deaths = Tally()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<6 {
                let node = nodes[worker % 3]
                group.addTask {
                    while done.value < sessions * messages {
                        for turn in try await node.claim(3, lease: 1_500, wait: 500) {
                            switch Int.random(in: 0..<20) {
                            case 0: deaths.add()
                            case 1: _ = try? await node.fail(turn, retryable: true)
                            case 2: try await node.store.onShard { await $0.giveBack(turn) }
                            default:
                                if (try? await node.complete(turn)) != nil { done.add() }
                            }
                        }
                    }
                }
            }
            for (place, id) in ids.enumerated() {
                let node = nodes[place % 3]
                group.addTask {
                    for number in 1...messages { try await node.say("m\(number)", in: id, ifBusy: .enqueue) }
                }
            }
            try await group.waitForAll()
        }
        #expect(deaths.value > 0)
        print("turns: \(done.value) completed, workers died \(deaths.value) times")
        for id in ids {
            try await expectLegal(id, on: nodes[2])
            let ends = try await nodes[0].types(id).filter { $0.hasPrefix("turn.completed") }
            #expect(ends == (1...messages).map { "turn.completed \($0)" })
        }
        for node in nodes { await node.stop() }
    }
}

/// What must hold of every log: one turn at a time, every tool call has its result, nothing of a turn after its end.
func expectLegal(_ id: SessionID, on node: StoreNode) async throws {
    var running: String?
    var over: Set<String> = []
    var calls: Set<String> = []
    var after = 0
    while true {
        let page = try await node.store.events(of: id.text, after: after, limit: 1000)
        for event in page.events {
            after += 1
            #expect(event.seq == after)
            let json = try event.json()
            guard let turn = json["turnId"]?.string else { continue }
            #expect(!over.contains(turn), "\(event.type) of \(turn) after its end")
            switch event.type {
            case EventType.turnStarted:
                #expect(running == nil, "two turns at a time")
                running = turn
            case EventType.turnCompleted, EventType.turnFailed, EventType.turnCancelled:
                over.insert(turn)
                if running == turn { running = nil }
                #expect(calls.isEmpty || running != nil, "an open tool call after the end of its turn")
            case EventType.turnQueued: if running == turn { running = nil }
            case EventType.agentToolUse: calls.insert(json["data"]?["toolUseId"]?.string ?? "")
            case EventType.agentToolResult: calls.remove(json["data"]?["toolUseId"]?.string ?? "")
            default: break
            }
        }
        if !page.hasMore { return }
    }
}
