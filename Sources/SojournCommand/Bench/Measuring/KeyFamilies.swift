import SojournRedis

/// What the keys of the default keyspace hold, by kind: MEMORY USAGE of every one, without Redis' own table of keys.
struct KeyFamilies: Sendable {
    /// Bytes by the name of a kind.
    private(set) var bytes: [String: Int] = [:]

    private static let names: [Substring: String] = [
        "s": "session", "b": "metadata", "l": "log", "a": "agentIndex", "u": "userIndex", "k": "conversationKey",
        "due": "timers", "all": "index", "wb": "notArchived",
    ]

    static func read(_ redis: RedisConnection, tell: (_ keys: Int) -> Void) async throws -> KeyFamilies {
        var families = KeyFamilies()
        var cursor = "0"
        var seen = 0
        repeat {
            let page =
                try await redis.send(
                    ["SCAN", .string(cursor), "MATCH", "sj:{*", "COUNT", "1000"], kind: .read
                ).array ?? []
            cursor = page.first?.string ?? "0"
            for key in page.last?.array?.compactMap(\.string) ?? [] {
                let usage = try await redis.send(["MEMORY", "USAGE", .string(key), "SAMPLES", "0"], kind: .read)
                families.bytes[Self.name(of: key), default: 0] += usage.int ?? 0
                seen += 1
            }
            tell(seen)
        } while cursor != "0"
        return families
    }

    /// `sj:{tag}:due` and `sj:{tag}:s:<id>` tell their kind behind the tag.
    private static func name(of key: String) -> String {
        let parts = key.split(separator: ":")
        return parts.count > 2 ? self.names[parts[2]] ?? "other" : "other"
    }
}
