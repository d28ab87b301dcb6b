import SojournArchive
package import SojournCore
import SojournRedis

/// How far an erasure has come.
package struct Erasure {
    /// What names it.
    package let number: Int64
    /// `session` or `user`, and its id.
    package let kind: String
    package let id: String
    /// Sessions erased from Redis.
    package let live: Int
    /// How far each archive is.
    package let archives: [Share]

    /// One archive's part.
    package struct Share {
        /// The archive.
        package let archivist: String
        /// Whether nothing is left in its files.
        package let isDone: Bool
        /// Whether its archivist is there.
        package let isAway: Bool
        package let sessions: Int
        package let events: Int
        package let bytes: Int
    }

    /// Whether nothing is left anywhere.
    package var isDone: Bool { self.archives.allSatisfy(\.isDone) }
    /// Whether it found nothing.
    package var isEmpty: Bool { self.live == 0 && self.archives.allSatisfy { $0.sessions == 0 } }
}

extension StoreShard {
    /// How long the report of an erasure is kept, in milliseconds.
    private static let reportLife = 30 * 86_400_000
    /// How long to wait for the archivists before saying that it is under way, in milliseconds.
    private static let erasurePatience = 3_000

    /// Erases a session for ever: from Redis at once, from every archive as soon as its archivist is there.
    ///
    /// - Throws: `SESSION_NOT_FOUND` when nobody has anything of it.
    package func purge(_ id: SessionID) async throws(StoreError) -> Erasure {
        let number = try await self.listPurge(.session, id.text)
        let wasThere = try await self.erase(id)
        await self.note(number, "redis", ["sessions": JSON(wasThere == .erased ? 1 : 0), "done": true])
        let erasure = try await self.hurried(number)
        if wasThere == .nothing, erasure.isDone, erasure.isEmpty { throw .sessionNotFound(id.text) }
        return erasure
    }

    /// Erases all sessions that a user has had until now.
    package func purge(user: String) async throws(StoreError) -> Erasure {
        let number = try await self.listPurge(.user, user)
        var erased = 0
        for partition in 0..<self.keyspace.partitions {
            for id in try await self.sessions(of: user, in: partition) {
                if try await self.erase(id) == .erased { erased += 1 }
                if erased % 100 == 0 { await self.note(number, "redis", ["sessions": JSON(erased), "done": false]) }
            }
        }
        await self.note(number, "redis", ["sessions": JSON(erased), "done": true])
        return try await self.hurried(number)
    }

    /// How far an erasure has come; nil when there is none of this number any more.
    package func erasure(_ number: Int64) async throws(StoreError) -> Erasure? {
        let report = try await self.pairs(self.keyspace.report(number))
        guard let what = report["what"] else { return nil }
        let live = Set(try await self.archives.live())
        let positions = try await self.pairs(self.keyspace.archives)
        let shares = positions.keys.sorted().map { archivist in
            let share = report[archivist].flatMap { try? JSON.parse(Array($0.utf8)) }
            return Erasure.Share(
                archivist: archivist, isDone: positions[archivist].flatMap { Int64($0) } ?? 0 >= number,
                isAway: !live.contains(archivist), sessions: share?["sessions"]?.int ?? 0,
                events: share?["events"]?.int ?? 0, bytes: share?["bytes"]?.int ?? 0)
        }
        let redis = report["redis"].flatMap { try? JSON.parse(Array($0.utf8)) }
        let words = what.split(separator: " ").map(String.init)
        return Erasure(
            number: number, kind: words.first ?? "", id: words.last ?? "", live: redis?["sessions"]?.int ?? 0,
            archives: shares)
    }

    /// Notes how far somebody has come.
    func note(_ number: Int64, _ who: String, _ progress: JSON) async {
        _ = try? await self.call(
            self.scripts.note, keys: [self.keyspace.report(number)],
            args: [.string(who), .bytes(progress.bytes), .integer(Self.reportLife)])
    }

    // MARK: Steps

    private func listPurge(_ kind: Purge.Kind, _ id: String) async throws(StoreError) -> Int64 {
        let answer = try await self.call(
            self.scripts.purge, keys: [self.keyspace.purges, self.keyspace.clock(0)],
            args: [.string(kind.rawValue), .string(id)])
        guard let number = answer.first?.int else { throw self.malformed("purge") }
        _ = try await self.call(
            self.scripts.note, keys: [self.keyspace.report(Int64(number))],
            args: ["what", .string(kind.rawValue + " " + id), .integer(Self.reportLife)])
        return Int64(number)
    }

    /// Asks the archivists to do it now, and waits for a moment.
    private func hurried(_ number: Int64) async throws(StoreError) -> Erasure {
        _ = try await self.archives.askAll("purge", .null, patience: Self.erasurePatience)
        guard let erasure = try await self.erasure(number) else { throw self.malformed("note") }
        return erasure
    }

    enum Erased {
        case erased
        case tombstone
        case nothing
    }

    /// Erases what Redis has of a session, whether it lives or not.
    private func erase(_ id: SessionID) async throws(StoreError) -> Erased {
        self.knownSessions.forget(id)
        while true {
            switch try await self.eraseEnded(id) {
            case 0: return .nothing
            case 1: return .erased
            case 2: return .tombstone
            default:
                // It lives: its readers are told that it has ended, its log goes in the same step.
                let live = try await self.end(id, reason: .ended, discarding: true) != nil
                if live {
                    _ = try await self.eraseEnded(id)
                    return .erased
                }
                // Its deadline has passed meanwhile.
                if try await self.end(id, reason: .expired, discarding: true) != nil {
                    _ = try await self.eraseEnded(id)
                    return .erased
                }
            }
        }
    }

    /// Erases what Redis has of a session whose life is over; the answer is the script's.
    func eraseEnded(_ id: SessionID) async throws(StoreError) -> Int {
        let keys = self.keyspace.keys(of: id)
        let answer = try await self.call(
            self.scripts.erase,
            keys: [
                keys.session, keys.blob, keys.log, keys.arc, keys.tombstone, keys.deltas, keys.turns, keys.queue,
            ],
            args: [.string(id.text), .integer(Int(self.configuration.tombstoneLife))])
        guard let state = answer.first?.int else { throw self.malformed("erase") }
        return state
    }

    /// The live sessions of a user in one partition, and those that wait for an archivist.
    private func sessions(of user: String, in partition: Int) async throws(StoreError) -> [SessionID] {
        var found = try await self.members(self.keyspace.user(partition, user))
        let waiting = try await self.members(self.keyspace.arc(partition))
        let redis = self.redis
        await self.concurrently(waiting) { id in
            let session = self.keyspace.keys(of: id).session
            let identity = try? await redis.send(["HGET", .string(session), "a"], kind: .read)
            if SessionFields.identity(identity?.bytes?[...])?.user == user { found.append(id) }
        }
        return found
    }

    /// The sessions in a sorted set.
    func members(_ key: String) async throws(StoreError) -> [SessionID] {
        do {
            return try await self.redis.send(["ZRANGE", .string(key), 0, -1], kind: .read)
                .array?.compactMap { $0.string.flatMap { SessionID($0) } } ?? []
        } catch {
            throw self.translate(error, in: "purge")
        }
    }

    /// The fields of a hash.
    func pairs(_ key: String) async throws(StoreError) -> [String: String] {
        do {
            let flat = try await self.redis.send(["HGETALL", .string(key)], kind: .read).array ?? []
            var pairs: [String: String] = [:]
            for place in stride(from: 0, to: flat.count - 1, by: 2) {
                if let name = flat[place].string { pairs[name] = flat[place + 1].string }
            }
            return pairs
        } catch {
            throw self.translate(error, in: "purge")
        }
    }
}
