import Foundation
import SojournCore
import SojournLoop
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

@Suite struct DoctorTests {
    private func examine(
        _ server: RedisServer, repairs: Bool = false, walks: Bool = true, user: String? = nil, partitions: Int = 16,
        _ change: (inout StoreConfiguration) -> Void = { _ in }
    ) async throws -> [Finding] {
        try await DoctorVisit.findings(
            on: server, repairs: repairs, walks: walks, user: user, partitions: partitions, change)
    }

    /// The ailments among the findings, by their words.
    private func ailments(_ findings: [Finding]) -> Set<String> {
        let words = Ailment.words.filter { word in
            findings.contains { $0.weight == .error && $0.sentence.contains(" \(Ailment(word).name): ") }
        }
        return Set(words)
    }

    private func has(_ findings: [Finding], _ weight: Finding.Weight, _ words: String) -> Bool {
        findings.contains { $0.weight == weight && $0.sentence.contains(words) }
    }

    @Test func `a keyspace in which nodes work is in order, also while they do`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let folder = TemporaryFolder()
        let a = try await StoreNode.start(on: server, archivePath: folder.file("a.sqlite")) { $0.testClock = false }
        let b = try await StoreNode.start(on: server, name: "node-b") { $0.testClock = false }
        for number in 0..<30 {
            let session = try await a.session(key: number % 2 == 0 ? "k\(number)" : nil)
            try await a.say("hello", in: session)
            if number % 3 == 0 { try await b.store.end(session.id.text) }
        }
        let isOver = Locked(false)
        let work = Task {
            var count = 0
            while !isOver.withLock({ $0 }) {
                let session = try await b.session(key: "key \(count % 5)")
                try await a.say("one", in: session)
                try await b.store.heartbeat(session.id.text)
                try await a.store.end(session.id.text)
                count += 1
            }
            return count
        }
        for _ in 0..<3 {
            let findings = try await self.examine(server)
            #expect(findings.filter { $0.weight == .error } == [], "\(findings)")
            #expect(self.has(findings, .fine, "nodes that run: 2, node-a, node-b"))
            #expect(self.has(findings, .fine, "archivists that take sessions: 1"))
            #expect(self.has(findings, .fine, "schema 1.0, 16 partitions"))
            #expect(self.has(findings, .fine, "no timer is late"))
            #expect(self.has(findings, .fine, "may do all that nodes do"))
            #expect(self.has(findings, .fine, "keys were looked at"))
        }
        isOver.withLock { $0 = true }
        #expect(try await work.value > 0)
        await a.stop()
        await b.stop()
    }

    @Test func `every ailment is found, and what can be repaired is`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let node = try await StoreNode.start(on: server) { $0.testClock = false }
        var live: [Session] = []
        for number in 0..<12 {
            let session = try await node.session(key: "key \(number)")
            try await node.say("hello", in: session)
            live.append(session)
        }
        let ended = try await node.session()
        try await node.store.end(ended.id.text)
        await node.stop()
        #expect(self.ailments(try await self.examine(server)) == [])

        let client = try server.client()
        let space = Keyspace(namespace: "sj", partitions: 16)
        func ghost() -> SessionID { SessionID(at: live[0].createdAt, partition: 5) }
        func keys(_ session: Session) -> SessionKeys { space.keys(of: session.id) }
        func conversation(_ session: Session) -> String {
            let hash = Hex.encode(Digest.sha256Prefix(session.conversationKey ?? ""))
            return space.conversation(session.id.partition, agent: session.agentID, hash: hash)
        }
        let (agent, user) = (live[0].agentID, live[0].userID)
        for set in [
            space.due(5), space.arc(5), space.behind(5), space.all(5), space.agent(5, agent), space.user(5, user),
        ] {
            try client.send("ZADD", set, "1", ghost().text)
        }
        try client.send("SET", space.conversation(5, agent: agent, hash: "ff"), ghost().text)
        try client.send("ZREM", keys(live[0]).due, live[0].id.text)
        try client.send("ZADD", keys(live[1]).due, "99999999999999", live[1].id.text)
        try client.send("ZREM", keys(live[2]).behind, live[2].id.text)
        try client.send("ZREM", keys(live[3]).all, live[3].id.text)
        try client.send("ZREM", space.agent(live[4].id.partition, agent), live[4].id.text)
        try client.send("ZREM", space.user(live[5].id.partition, user), live[5].id.text)
        try client.send("DEL", conversation(live[6]))
        try client.send("ZREM", keys(ended).arc, ended.id.text)
        try client.send("RPUSH", space.keys(of: ghost()).log, "x")
        try client.send("SET", "sj:what", "is this")
        let repairable: Set<String> = [
            "due", "arc", "wb", "all", "agent", "user", "key", "no-timer", "late-timer", "no-wb", "no-all", "no-agent",
            "no-user", "no-key", "no-arc", "orphan",
        ]
        let found = try await self.examine(server)
        #expect(self.ailments(found) == repairable, "\(found)")
        #expect(found.allSatisfy { !$0.isRepaired })
        #expect(self.has(found, .error, "2 keys without an owner"))
        let repaired = try await self.examine(server, repairs: true)
        #expect(self.ailments(repaired) == repairable)
        let unrepaired = repaired.filter { !self.ailments([$0]).isEmpty && !$0.isRepaired }
        #expect(unrepaired == [])
        #expect(self.ailments(try await self.examine(server)) == [], "all is well again")
        #expect(try KeyspaceWalk.violations(in: client) == [])

        // What nobody can repair without knowing more.
        try client.send("SET", conversation(live[7]), live[8].id.text)
        try client.send("DEL", keys(live[9]).log)
        try client.send("RPOP", keys(live[10]).log)
        try client.send("LPOP", keys(live[11]).log)
        try client.send("ZADD", space.all(2), "1", "nonsense")
        let broken: Set<String> = ["key-taken", "no-log", "broken-log", "lost-events", "stranger"]
        #expect(broken.union(repairable) == Set(Ailment.words))
        for repairs in [false, true] {
            let findings = try await self.examine(server, repairs: repairs)
            #expect(self.ailments(findings) == broken, "\(findings)")
            #expect(findings.allSatisfy { !$0.isRepaired })
        }
    }

    @Test func `a Redis that loses what it has, or that nodes cannot use, is told with what to do`() async throws {
        let server = try await RedisServer.start(["--maxmemory", "200mb"])
        defer { server.stop() }
        let client = try server.client()
        let empty = try await self.examine(server)
        #expect(self.has(empty, .note, "namespace sj is empty"))
        #expect(try client.send("EXISTS", "sj:meta") == 0, "looking leaves nothing behind")

        let node = try await StoreNode.start(on: server)
        _ = try await node.session()
        await node.stop()
        let left = try await self.examine(server, partitions: 64)
        #expect(self.has(left, .warning, "the settings say 64 partitions"))
        #expect(self.has(left, .error, "no archivist runs"))
        try await eventually("its entry is old") {
            self.has(try await self.examine(server, walks: false), .warning, "no node runs")
        }
        try client.send("CONFIG", "SET", "appendonly", "no")
        try client.send("CONFIG", "SET", "maxmemory", "1mb")
        try client.send("ACL", "SETUSER", "poor", "on", "nopass", "~*", "&*", "+@all", "-spublish", "-zpopmin")
        let bad = try await self.examine(server, walks: false, user: "poor")
        #expect(self.has(bad, .error, "appendonly is no"))
        #expect(self.has(bad, .error, "memory: "))
        #expect(self.has(bad, .error, "redis user poor may not use spublish, zpopmin"))
        #expect(bad.filter { $0.weight == .error || $0.weight == .warning }.allSatisfy { $0.advice != nil })
        try client.send("CONFIG", "SET", "maxmemory", "0")
        try client.send("ACL", "SETUSER", "blind", "on", ">x", "~*", "&*", "+@all", "-pttl", "-zscan", "-acl|dryrun")
        try client.send("SET", "sj:stray", "x")
        let blind = try await self.examine(server) { ($0.user, $0.password) = ("blind", "x") }
        #expect(self.has(blind, .warning, "may not use PTTL, ZSCAN"))
        #expect(self.has(blind, .note, "the rights of Redis user blind cannot be looked at"))
        try client.send("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        let evicting = try await self.examine(server)
        #expect(evicting.count == 1 && self.has(evicting, .error, "maxmemory-policy must be noeviction"))
        server.kill9()
        let away = try await self.examine(server) { $0.commandTimeout = 300 }
        #expect(away.count == 1 && self.has(away, .error, "does not answer"))
    }

    @Test func `the share of each master is counted from what the cluster says`() {
        func range(_ first: Int, _ last: Int, _ port: Int) -> RESPValue {
            .array([.integer(first), .integer(last), .array([.bulk(Array("10.0.0.1".utf8)[...]), .integer(port)])])
        }
        let tags = PartitionTags(count: 256)
        let even = RESPValue.array([range(0, 5460, 1), range(5461, 10_922, 2), range(10_923, 16_383, 3)])
        let shares = Doctor.shares(of: tags, even)
        #expect(shares.values.reduce(0, +) == 256 && shares.values.allSatisfy { (85...86).contains($0) })
        let parted = RESPValue.array([range(0, 99, 1), range(100, 8191, 2), range(8192, 16_383, 1)])
        #expect(Doctor.shares(of: tags, parted) == ["10.0.0.1:1": 130, "10.0.0.1:2": 126])
        #expect(Doctor.shares(of: tags, .array([range(5, 4, 1), .null])) == [:])
    }

    @Test func `the rights that are looked at are those of the README`() throws {
        let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("README.md")
        let line = try #require(
            try String(contentsOf: readme, encoding: .utf8).split(separator: "\n").first {
                $0.hasPrefix("ACL SETUSER sojourn ")
            })
        let allowed = Set(line.split(separator: " ").filter { $0.hasPrefix("+") }.map { String($0.dropFirst()) })
        let parts: Set<String> = ["config", "client", "script", "cluster"]
        let used = (Doctor.commands + "; " + Doctor.clusterCommands).split(separator: ";").map { command -> String in
            let words = command.split(separator: " ").map(String.init)
            return parts.contains(words[0]) ? "\(words[0])|\(words[1])" : words[0]
        }
        #expect(Set(used) == allowed)
    }
}
