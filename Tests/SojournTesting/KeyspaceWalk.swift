import Foundation
import SojournCore
import SojournLoop

/// Law 7: every Redis key has a TTL or a live owner. The keys of a session are owned by its entry in `due` or `arc`.
///
/// Call it when nothing writes: it reads key by key.
public struct KeyspaceWalk {
    /// How many nodes run on each server, by its folder.
    private static let nodes = Locked<[String: Int]>([:])

    private let redis: RawRedis
    private let namespace: String
    private var owned: [String: Set<String>] = [:]

    /// Walks over every key of a namespace and returns a sentence for each that nobody owns.
    public static func violations(in redis: RawRedis, namespace: String = "sj") throws -> [String] {
        var walk = KeyspaceWalk(redis: redis, namespace: namespace)
        return try walk.walk()
    }

    /// Notes that a node runs on a server.
    public static func nodeStarted(on server: RedisServer) {
        self.nodes.withLock { $0[server.folder.path, default: 0] += 1 }
    }

    /// Notes that a node has ended, and returns a sentence for each key that nobody owns, if it was the last one of a
    /// server that still answers.
    public static func nodeStopped(on server: RedisServer) -> [String] {
        let left = self.nodes.withLock { nodes -> Int in
            nodes[server.folder.path, default: 0] -= 1
            return nodes[server.folder.path, default: 0]
        }
        guard left == 0, server.pid != 0, let client = try? server.client() else { return [] }
        return (try? self.violations(in: client)) ?? []
    }

    private init(redis: RawRedis, namespace: String) {
        self.redis = redis
        self.namespace = namespace
    }

    private mutating func walk() throws -> [String] {
        var found: Set<String> = []
        var cursor = "0"
        repeat {
            let reply = try self.redis.send("SCAN", cursor, "MATCH", "\(self.namespace):*", "COUNT", "1000").array
            cursor = reply.first?.string ?? "0"
            found.formUnion(reply.last?.array.compactMap(\.string) ?? [])
        } while cursor != "0"
        return try found.sorted().compactMap { try self.violation($0) }
    }

    private mutating func violation(_ key: String) throws -> String? {
        guard case .int(let life) = try self.redis.send("PTTL", key), life == -1 else { return nil }
        switch KeyKind(key, namespace: self.namespace) {
        case .whole?, .partition?: return nil
        case .timers(let prefix)?:
            let sessions = try self.members(of: key).filter { try self.redis.send("EXISTS", "\(prefix)s:\($0)") == 1 }
            return try self.strangers(in: key, known: Set(sessions))
        case .index(let prefix)?: return try self.strangers(in: key, known: self.owners(prefix, "due"))
        case .conversation(let prefix)?:
            let holder = try self.redis.send("GET", key).string ?? ""
            return try self.owners(prefix, "due").contains(holder) ? nil : "\(key) holds \(holder), which does not live"
        case .ofSession(let prefix, let id)?:
            let isOwned = try self.owners(prefix, "due").contains(id) || self.owners(prefix, "arc").contains(id)
            return isOwned ? nil : "\(key) has no TTL, and its session is neither in due nor in arc"
        case .passing?, nil: return "\(key) has neither a TTL nor an owner"
        }
    }

    private mutating func owners(_ prefix: String, _ set: String) throws -> Set<String> {
        if let known = self.owned[prefix + set] { return known }
        let members = Set(try self.members(of: prefix + set))
        self.owned[prefix + set] = members
        return members
    }

    private func members(of set: String) throws -> [String] {
        try self.redis.send("ZRANGE", set, "0", "-1").array.compactMap(\.string)
    }

    private func strangers(in key: String, known: Set<String>) throws -> String? {
        let strangers = try self.members(of: key).filter { !known.contains($0) }
        return strangers.isEmpty ? nil : "\(key) has entries without a session: \(strangers.joined(separator: ", "))"
    }
}
