import Foundation
import Glibc
import SojournTesting
import Testing

/// Nodes and workers are killed while turns wait and run; each message is answered, once.
@Suite struct TurnKillTests {
    private static let agent = "/api/messaging/agents/11111111-1111-4111-8111-111111111111"

    private static func node(
        _ name: String, _ server: RedisServer, _ folder: TemporaryFolder, crash: String? = nil
    ) async throws -> NodeProcess {
        let node = try NodeProcess(
            name, in: folder,
            [
                "--redis", server.url, "--archive", "none", "--partitions", "16",
                "--turn-attempts", "1000",
            ], environment: crash.map { ["SOJOURN_CRASH_AT": $0] } ?? [:])
        try await node.up()
        return node
    }

    @Test func `the turn of a message runs although its node was killed before it rang for a worker`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let survivor = try await Self.node("survivor", server, folder)
        _ = try survivor.ask("POST", Self.agent + "/turns/claim?wait=0")
        for round in 1...5 {
            let victim = try await Self.node("victim", server, folder, crash: "accepted")
            let id = try victim.create()
            #expect(!victim.say("round \(round)", in: id), "it was killed before it could answer")
            _ = try await victim.exit()
            #expect(victim.wasKilled, "\(victim.log)")
            let claimed = try survivor.ask("POST", Self.agent + "/turns/claim?wait=60s", deadline: 70_000)
            let turn = try #require((claimed.body["turns"] as? [[String: Any]])?.first, "\(claimed)")
            #expect(turn["sessionId"] as? String == id && turn["attempt"] as? Int == 1)
            let said = (turn["messages"] as? [[String: Any]])?.compactMap { $0["content"] as? String }
            #expect(said == ["round \(round)"])
            let done = try survivor.ask(
                "POST", "/api/messaging/turns/\(id).1/complete",
                ["leaseToken": turn["leaseToken"] ?? "", "message": "heard"])
            #expect(done.status == 200)
        }
        #expect(try await survivor.stop() == .exited(0))
    }

    /// Three nodes, each with a worker, and what they have been told.
    private final class Crew {
        let server: RedisServer
        let folder = TemporaryFolder()
        private(set) var nodes: [NodeProcess] = []
        private(set) var workers: [WorkerProcess] = []
        private(set) var ids: [String] = []
        private(set) var said: [String: Int] = [:]
        private(set) var nodeKills = 0
        private(set) var workerKills = 0

        init(_ server: RedisServer, sessions: Int) async throws {
            self.server = server
            for place in 0..<3 { self.nodes.append(try await TurnKillTests.node("node-\(place)", server, self.folder)) }
            for place in 0..<3 { self.workers.append(try self.worker(place)) }
            for place in 0..<sessions { self.ids.append(try self.nodes[place % 3].create()) }
        }

        private func worker(_ place: Int) throws -> WorkerProcess {
            try WorkerProcess(self.nodes[place], in: self.folder, lease: "2s")
        }

        /// Sends the session's next message until a node has acknowledged it.
        func say(in id: String) async throws {
            let number = self.said[id, default: 0] + 1
            var place = Int.random(in: 0..<3)
            try await eventually(within: 60, "message \(number) is acknowledged") {
                place = (place + 1) % 3
                let answer = try? self.nodes[place].ask(
                    "POST", "\(NodeProcess.sessions)/\(id)/messages", ["content": "m\(number)"], key: "m\(number)")
                return answer?.status == 201
            }
            self.said[id] = number
        }

        func ask(_ path: String) throws -> [String: Any] {
            for node in self.nodes {
                if let answer = try? node.ask("GET", path), answer.status == 200 { return answer.body }
            }
            throw Unanswered(description: "no node answers \(path)")
        }

        /// Waits for a turn that runs. On a busy machine all may have been completed before anybody looked.
        func someTurnRuns() async throws {
            try await eventually(within: 120, "a turn runs") {
                let runs = try self.ids.contains {
                    try self.ask("\(NodeProcess.sessions)/\($0)")["status"] as? String == "running"
                }
                return try runs || self.allAreAnswered()
            }
        }

        /// Whether every message has had its turn.
        func allAreAnswered() throws -> Bool {
            try self.ids.allSatisfy { id in
                let turns = try self.ask("\(NodeProcess.sessions)/\(id)/turns")["turns"] as? [[String: Any]] ?? []
                return turns.count == self.said[id] && turns.allSatisfy { $0["status"] as? String == "completed" }
            }
        }

        /// Kills a node; its worker starts anew with it.
        func killNode() async throws {
            let place = Int.random(in: 0..<3)
            self.nodes[place].kill9()
            _ = try await self.nodes[place].exit()
            self.nodeKills += 1
            self.workers[place].kill9()
            self.nodes[place] = try await TurnKillTests.node("node-\(place)", self.server, self.folder)
            self.workers[place] = try self.worker(place)
        }

        func killWorkers(_ places: [Int]) throws {
            for place in places { self.workers[place].kill9() }
            self.workerKills += places.count
            for place in places { self.workers[place] = try self.worker(place) }
        }

        /// Every message is there once, in order, and its turn was completed once, by one message.
        ///
        /// - Returns: how many turns had to be started more than once.
        func verify() throws -> Int {
            var again = 0
            for id in self.ids {
                let wanted = self.said[id, default: 0]
                let body = try self.ask("\(NodeProcess.sessions)/\(id)/events?limit=1000")
                let events = body["events"] as? [[String: Any]] ?? []
                #expect(body["hasMore"] as? Bool == false)
                func all(_ type: String) -> [[String: Any]] { events.filter { $0["type"] as? String == type } }
                func contents(_ type: String) -> [String] {
                    all(type).compactMap { ($0["data"] as? [String: Any])?["content"] as? String }
                }
                let turns = (1...wanted).map { "\(id).\($0)" }
                #expect(contents("user.message") == (1...wanted).map { "m\($0)" })
                #expect(contents("agent.message") == (1...wanted).map { "You said: m\($0)" })
                #expect(all("agent.message").compactMap { $0["turnId"] as? String } == turns)
                #expect(all("turn.completed").compactMap { $0["turnId"] as? String } == turns)
                #expect(all("turn.failed").isEmpty && all("turn.cancelled").isEmpty)
                var running: String?
                for event in events {
                    let turn = event["turnId"] as? String
                    switch event["type"] as? String {
                    case "turn.started":
                        #expect(running == nil, "two turns at a time")
                        running = turn
                    case "turn.completed": running = nil
                    case "turn.queued": if running == turn { running = nil }
                    default: break
                    }
                }
                again += Dictionary(grouping: all("turn.started").compactMap { $0["turnId"] as? String }) { $0 }
                    .count { $0.value.count > 1 }
            }
            return again
        }
    }

    @Test func `nodes and workers that are killed while turns run lose no turn and complete none twice`()
        async throws
    {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let crew = try await Crew(server, sessions: 4)
        for round in 1...20 {
            for id in crew.ids { try await crew.say(in: id) }
            try await crew.someTurnRuns()
            switch round % 4 {
            case 0, 2: try await crew.killNode()
            case 1: try crew.killWorkers([Int.random(in: 0..<3)])
            // Whoever runs a turn is among them.
            default: try crew.killWorkers([0, 1, 2])
            }
        }
        try await eventually(within: 120, "all is answered") { try crew.allAreAnswered() }
        let again = try crew.verify()
        #expect(again > 0, "no kill hit a turn that ran")
        let turns = crew.said.values.reduce(0, +)
        print(
            "turns: \(turns) completed once; killed \(crew.nodeKills) nodes and \(crew.workerKills) workers, "
                + "\(again) turns were started again")
    }
}
