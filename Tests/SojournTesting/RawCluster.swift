import SojournCore

/// A blocking client of a whole cluster, for tests that are written for one server: what has a key goes to its master,
/// what concerns a server goes to all of them, and their answers are put together.
final class RawCluster {
    private let members: [RawRedis]
    /// Who was asked last; pushes are read from there.
    private var last: RawRedis
    private var owners: [(slots: ClosedRange<Int>, member: Int)] = []
    private let ports: [String]

    init(_ members: [RawRedis], ports: [Int]) throws {
        self.members = members
        self.last = members[0]
        self.ports = ports.map { "\($0)" }
        for range in try members[0].send("CLUSTER", "SLOTS").array {
            let parts = range.array
            guard parts.count > 2, case .int(let first) = parts[0], case .int(let end) = parts[1],
                let port = parts[2].array.dropFirst().first?.string, let member = self.ports.firstIndex(of: port)
            else { continue }
            self.owners.append((first...end, member))
        }
    }

    func read() throws -> RawReply { try self.last.read() }

    func send(_ words: [String]) throws -> RawReply {
        let name = words[0].uppercased()
        switch name {
        case "SCAN": return .array(["0", try self.send(["KEYS", words.count > 3 ? words[3] : "*"])])
        case "PING", "TIME", "CLUSTER", "AUTH", "ECHO": return try self.members[0].send(words)
        case "PUBSUB" where words[1].uppercased() == "SHARDNUMSUB" && words.count == 3:
            return try self.member(of: words[2]).send(words)
        case "INFO", "CONFIG", "CLIENT", "DEBUG", "KEYS", "PUBSUB", "SLOWLOG", "ACL", "DBSIZE", "FLUSHALL", "SCRIPT",
            "MEMORY" where words.count < 3 || words[1].uppercased() != "USAGE":
            return try self.merged(self.members.map { try $0.send(words) })
        case "EVAL", "EVALSHA": return try self.member(of: words.count > 3 ? words[3] : "").send(words)
        case "MEMORY", "OBJECT": return try self.member(of: words[2]).send(words)
        default: return try self.member(of: words.count > 1 ? words[1] : "").send(words)
        }
    }

    private func member(of key: String) -> RawRedis {
        let slot = ClusterSlot.of(key)
        let owner = self.owners.first { $0.slots.contains(slot) }?.member ?? 0
        self.last = self.members[owner]
        return self.last
    }

    private func merged(_ replies: [RawReply]) -> RawReply {
        let texts = replies.compactMap { if case .text(let text) = $0 { text } else { nil } }
        if texts.count == replies.count {
            return .text(Set(texts).count == 1 ? texts[0] : texts.joined(separator: "\r\n"))
        }
        let numbers = replies.compactMap { if case .int(let number) = $0 { number } else { nil } }
        if numbers.count == replies.count { return .int(numbers.reduce(0, +)) }
        if replies.allSatisfy({ if case .array = $0 { true } else { false } }) {
            return .array(Set(replies.map { "\($0)" }).count == 1 ? replies[0].array : replies.flatMap(\.array))
        }
        return replies.first { if case .error = $0 { true } else { false } } ?? replies[0]
    }
}
