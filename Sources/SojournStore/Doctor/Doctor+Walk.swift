import SojournCore
import SojournLoop
import SojournRedis

/// The walk over all keys: law 7, and that sessions, timers, indexes and conversation keys agree.
///
/// Nodes write meanwhile, so what looks wrong is looked at again, each session in one atomic step, and counts only when it
/// stays wrong.
extension Doctor {
    /// Keys that one step of the walk takes.
    private static let step = 500
    /// How often what looks wrong is looked at again, and after which pause in milliseconds.
    private static let doubts = 3
    private static let pause = 400
    /// How many cases of one kind are named.
    private static let named = 5
    /// For how long an orphan stays when it is repaired, in milliseconds: somebody may want to look at it.
    private static let orphanLife = 24 * 3_600_000

    /// What the walk has seen.
    struct Walked {
        var keys = 0
        var sessions = 0
        /// Keys, and entries of sets: what the rate is of.
        var looks = 0
        /// What is wrong, by kind: whom it concerns.
        var wrong: [String: [String]] = [:]
        /// The same, repaired.
        var repaired: [String: [String]] = [:]
    }

    func walk() async throws(StoreError) {
        var total = 0
        for master in self.masters { total += try await self.ask(["DBSIZE"], at: master)?.int ?? 0 }
        self.walkedSince = EventLoop.now
        for master in self.masters {
            guard try await self.walk(master, of: total) else { return }
        }
        self.report()
    }

    /// - Returns: false when that is not allowed.
    private func walk(_ master: RedisConnection, of total: Int) async throws(StoreError) -> Bool {
        var cursor = "0"
        repeat {
            let pattern = self.shard.keyspace.namespace + ":*"
            guard
                let answer = try await self.ask(
                    ["SCAN", .string(cursor), "MATCH", .string(pattern), "COUNT", .integer(Self.step)], at: master)?
                    .array,
                answer.count == 2, let next = answer[0].string
            else { return false }
            cursor = next
            let keys = (answer[1].array ?? []).compactMap(\.string)
            try await self.look(at: keys)
            self.walked.keys += keys.count
            self.progress(self.walked.keys, total)
        } while cursor != "0"
        return true
    }

    private func look(at keys: [String]) async throws(StoreError) {
        var sets: [String] = []
        try await self.each(keys) { key throws(StoreError) in
            switch KeyKind(key, namespace: self.shard.keyspace.namespace) {
            case .timers?, .index?: sets.append(key)
            default: try await self.look(at: key)
            }
        }
        // One after the other: each is looked at many entries at a time.
        for set in sets { try await self.lookAtMembers(of: set) }
    }

    /// Does something for each of a few hundred items at once, and waits as long as the rate asks for.
    private func each<Item>(
        _ items: [Item], _ body: @escaping (Item) async throws(StoreError) -> Void
    ) async throws(StoreError) {
        var failure: StoreError?
        await self.shard.concurrently(items) { item in
            do throws(StoreError) {
                try await body(item)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        self.walked.looks += items.count
        // Redis has other things to do.
        let due = self.walkedSince + self.walked.looks * 1000 / max(1, self.options.rate)
        if due > EventLoop.now { await self.shard.loop.sleep(milliseconds: due - EventLoop.now) }
    }

    private func look(at key: String) async throws(StoreError) {
        switch KeyKind(key, namespace: self.shard.keyspace.namespace) {
        case .whole?, .partition?, .timers?, .index?, nil: return
        case .ofSession(let prefix, let text)?:
            guard let id = self.shard.keyspace.sessionID(text) else {
                return try await self.lookAtLife(of: key)
            }
            guard key == prefix + "s:" + text else { return try await self.lookAtOwner(of: key, id) }
            self.walked.sessions += 1
            try await self.settle(id, nil)
        case .conversation?:
            guard let holder = try await self.ask(["GET", .string(key)])?.string else { return }
            guard let id = self.shard.keyspace.sessionID(holder) else {
                self.walked.wrong["orphan", default: []].append(key)
                return
            }
            try await self.settle(id, key)
        case .passing?: try await self.lookAtLife(of: key)
        }
    }

    // MARK: Keys

    /// Whether a key ends by itself; one that does not and has no owner gets an end.
    private func lookAtLife(of key: String) async throws(StoreError) {
        guard try await self.ask(["PTTL", .string(key)])?.int == -1 else { return }
        guard self.options.repairs else {
            self.walked.wrong["orphan", default: []].append(key)
            return
        }
        do {
            _ = try await self.shard.redis.send(["PEXPIRE", .string(key), .integer(Self.orphanLife)], kind: .write)
            self.walked.repaired["orphan", default: []].append(key)
        } catch {
            throw self.shard.translate(error, in: "doctor")
        }
    }

    /// Whether the session that a key belongs to is there, if the key does not end by itself.
    private func lookAtOwner(of key: String, _ id: SessionID) async throws(StoreError) {
        let owner = self.shard.keyspace.keys(of: id).session
        for doubt in 0..<Self.doubts {
            guard try await self.ask(["EXISTS", .string(owner)])?.int == 0,
                try await self.ask(["PTTL", .string(key)])?.int == -1
            else { return }
            if doubt < Self.doubts - 1 { await self.shard.loop.sleep(milliseconds: Self.pause) }
        }
        try await self.lookAtLife(of: key)
    }

    /// Whether each session of a set is there; those that are have their own keys looked at.
    private func lookAtMembers(of set: String) async throws(StoreError) {
        var cursor = "0"
        repeat {
            guard let answer = try await self.ask(["ZSCAN", .string(set), .string(cursor), "COUNT", 500])?.array,
                answer.count == 2, let next = answer[0].string
            else { return }
            cursor = next
            let flat = answer[1].array ?? []
            try await self.each(stride(from: 0, to: flat.count, by: 2).compactMap { flat[$0].string }) {
                text throws(StoreError) in
                guard let id = self.shard.keyspace.sessionID(text) else {
                    self.walked.wrong["stranger", default: []].append(set)
                    return
                }
                let owner = self.shard.keyspace.keys(of: id).session
                if try await self.ask(["EXISTS", .string(owner)])?.int == 0 { try await self.settle(id, set) }
            }
        } while cursor != "0"
    }

    // MARK: Sessions

    /// Looks at one session until it is right, or wrong for good.
    ///
    /// - Parameter other: an index or a conversation key that names the session.
    private func settle(_ id: SessionID, _ other: String?) async throws(StoreError) {
        for doubt in 0..<Self.doubts {
            let isLast = doubt == Self.doubts - 1
            let words = try await self.inspect(id, other, repairs: isLast && self.options.repairs)
            if words.isEmpty { return }
            guard isLast else {
                await self.shard.loop.sleep(milliseconds: Self.pause)
                continue
            }
            for word in Set(words) {
                if word.hasSuffix("+") {
                    self.walked.repaired[String(word.dropLast()), default: []].append(id.text)
                } else {
                    self.walked.wrong[word, default: []].append(id.text)
                }
            }
        }
    }

    private func inspect(_ id: SessionID, _ other: String?, repairs: Bool) async throws(StoreError) -> [String] {
        let keys = self.shard.keyspace.keys(of: id)
        let known = try await self.ask(["HMGET", .string(keys.session), "a", "k"])?.array
        let identity = SessionFields.identity(known?.first?.bytes?[...])
        // Of a session that is gone only what led here is known.
        var (agent, user, key) = (keys.all, keys.all, keys.session)
        if let identity {
            agent = self.shard.keyspace.agent(id.partition, identity.agent)
            user = self.shard.keyspace.user(id.partition, identity.user)
            if let hash = known?.last?.bytes, !hash.isEmpty {
                key = self.shard.keyspace.conversation(id.partition, agent: identity.agent, hash: Hex.encode(hash))
            }
        }
        if let other, other.hasPrefix(keys.prefix) {
            switch other.dropFirst(keys.prefix.count).prefix(2) {
            case "k:": key = other
            case "a:": agent = other
            case "u:": user = other
            default: break
            }
        }
        let answer = try await self.shard.call(
            self.shard.scripts.mend,
            keys: [
                keys.session, keys.clock, keys.log, keys.due, keys.arc, keys.behind, keys.all, agent, user, key,
            ], args: [.string(id.text), .string(repairs ? "1" : "0")])
        return answer.compactMap(\.string)
    }

    // MARK: Report

    private func report() {
        self.findings.append(
            .fine("\(self.walked.keys) keys were looked at, \(self.walked.sessions) of them sessions"))
        for (word, whom) in self.walked.repaired.sorted(by: { $0.key < $1.key }) {
            let ailment = Ailment(word)
            var finding = Finding(
                weight: .error, sentence: Self.sentence(ailment, whom), advice: "repaired: \(ailment.repair)")
            finding.isRepaired = true
            self.findings.append(finding)
        }
        for (word, whom) in self.walked.wrong.sorted(by: { $0.key < $1.key }) {
            let ailment = Ailment(word)
            self.findings.append(.error(Self.sentence(ailment, whom), ailment.advice))
        }
    }

    private static func sentence(_ ailment: Ailment, _ whom: [String]) -> String {
        let more = whom.count > Self.named ? " and \(whom.count - Self.named) more" : ""
        return "\(whom.count) \(ailment.name): \(whom.sorted().prefix(Self.named).joined(separator: ", "))\(more)"
    }
}
