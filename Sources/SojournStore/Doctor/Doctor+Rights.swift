import SojournCore
import SojournRedis

/// What the Redis user of the nodes must be allowed to do.
extension Doctor {
    /// The commands that nodes use, each with arguments for a key `k` of the namespace; of a command with parts, the part.
    static let commands = """
        ping; select 0; info; config get maxmemory-policy; client setname n; script load s; eval s 0; evalsha s 0; time; \
        wait 0 0; spublish k m; ssubscribe k; sunsubscribe k; exists k; get k; set k v; del k; scan 0; pexpire k 1; \
        hget k f; hset k f v; hsetnx k f v; hmget k f; hgetall k; hdel k f; hincrby k f 1; lpush k v; rpush k v; \
        lpop k; ltrim k 0 1; lrange k 0 1; lindex k 0; lset k 0 v; lrem k 0 v; llen k; sadd k v; sismember k v; \
        zadd k 1 v; zrem k v; zrange k 0 1; zscore k v; zcard k; zcount k 0 1; zpopmin k; zremrangebyscore k 0 1
        """

    /// Those that they use in a cluster besides.
    static let clusterCommands = "asking; cluster info; cluster slots"

    private var words: [[String]] {
        let key = self.shard.keyspace.due(0) + ":doctor"
        var commands = Self.commands
        if case .cluster = self.shard.configuration.redis { commands += "; " + Self.clusterCommands }
        return commands.split(separator: ";").map { line in
            line.split(separator: " ").map { $0 == "k" ? key : String($0) }
        }
    }

    func examineRights() async throws(StoreError) {
        for master in self.masters { try await self.examineRights(master) }
    }

    private func examineRights(_ master: RedisConnection) async throws(StoreError) {
        var user = self.options.user
        if user == nil {
            user =
                try await self.ask(["ACL", "WHOAMI"], at: self.masters.first)?.string ?? self.shard.configuration.user
        }
        let name = user ?? "default"
        var missing: [String] = []
        for words in self.words {
            do {
                let answer = try await master.send(
                    RedisCommand((["ACL", "DRYRUN", name] + words).map { .string($0) }), kind: .read)
                if answer.string != "OK" { missing.append(words[0]) }
            } catch {
                guard error.code == .server else { throw self.shard.translate(error, in: "doctor") }
                self.findings.append(
                    .note(
                        self.place(of: master)
                            + "the rights of Redis user \(name) cannot be looked at: \(error.message)",
                        "run the doctor as a user that may use ACL DRYRUN, with --user NAME for the nodes' one"))
                return
            }
        }
        self.findings.append(
            missing.isEmpty
                ? .fine(self.place(of: master) + "redis user \(name) may do all that nodes do")
                : .error(
                    self.place(of: master) + "redis user \(name) may not use \(missing.joined(separator: ", "))",
                    "allow it; the README and ops/redis/users.acl have the whole line"))
    }
}
