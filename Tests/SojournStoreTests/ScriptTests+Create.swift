import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

/// Each script alone: what it answers and what it leaves in Redis.
@Suite struct ScriptTests {}

extension ScriptTests {
    @Test func `create leaves a session with its timer, its indexes, and one event that was published`() async throws {
        let bed = try await ScriptBed.start()
        let id = bed.newID()
        let keys = bed.keys(id)
        var reply = RawReply.null
        let heard = try bed.published(keys.channel) {
            reply = try bed.create(id, hash: "h1", timeout: 600_000, warning: 400_000, blob: #"{"key":"k"}"#)
        }
        let now = try #require(reply.array.dropFirst().first?.string.flatMap { Int($0) })
        #expect(reply == .array([1, .int(now), "feedface.1"]))
        let time = "\(now)"
        #expect(
            try bed.hash(keys.session) == [
                "v": "1", "a": "AAAAAAAAAAAAAAAAUUUUUUUUUUUUUUUU", "k": "h1", "c": time, "b": time, "l": time,
                "t": "600000", "w": "400000", "m": "3600000", "r": "1", "n": "0", "o": "0", "q": "1",
                "e": "feedface.1", "g": ScriptBed.replid, "k1": "feedface.1:1",
            ])
        #expect(try bed.redis.send("OBJECT", "ENCODING", keys.session) == "listpack")
        #expect(try bed.redis.send("GET", keys.blob) == #"{"key":"k"}"#)
        #expect(try bed.redis.send("GET", bed.conversation("h1")) == .text(id.text))
        // The lead is never more than half of the timeout.
        #expect(try bed.score(bed.due, id) == now + 300_000)
        for index in [
            bed.all, bed.space.agent(ScriptBed.partition, "agent"), bed.space.user(ScriptBed.partition, "user"),
        ] {
            #expect(try bed.score(index, id) == now)
        }
        for key in [keys.session, keys.blob, keys.log, bed.conversation("h1")] {
            #expect(try bed.redis.send("PTTL", key) == -1, "\(key) lives as long as its session")
        }
        let log = try bed.log(keys)
        #expect(log == heard && log.count == 1)
        let (event, data) = try parsed(log.first)
        #expect(event.seq == 1 && event.epoch == "feedface.1" && event.at.milliseconds == Int64(now))
        #expect(event.type == EventType.sessionCreated)
        #expect(data["createdAt"]?.string == Instant(milliseconds: Int64(now)).iso8601)
        #expect(data["expiresAt"]?.string == Instant(milliseconds: Int64(now + 600_000)).iso8601)
    }

    @Test func `create without a key or a blob leaves neither, and refuses an id that is taken`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        #expect(try bed.hash(bed.keys(id).session)["k"] == nil)
        #expect(try !bed.exists(bed.keys(id).blob))
        #expect(try bed.create(id) == .array([5]))
        #expect(try bed.redis.send("LLEN", bed.keys(id).log) == 1)
    }

    @Test func `create answers with the holder of its conversation key`() async throws {
        let bed = try await ScriptBed.start()
        let first = try bed.made(hash: "h1")
        let other = bed.newID()
        #expect(try bed.create(other, hash: "h1") == .array([3, .text(first.text)]), "it saw nobody")
        #expect(try bed.create(other, hash: "h1", seen: first.text) == .array([2, .text(first.text)]))
        #expect(try bed.create(other, hash: "h2", seen: first.text) == .array([3, ""]), "it saw somebody else")
        try bed.advance(600_000)
        #expect(try bed.create(other, hash: "h1", seen: first.text) == .array([4, .text(first.text)]))
        #expect(try !bed.exists(bed.keys(other).session) && !bed.exists(bed.keys(other).log))
        #expect(try bed.redis.send("GET", bed.conversation("h1")) == .text(first.text))
        #expect(try bed.end(first, "expired", hash: "h1").array.first == 1)
        #expect(try bed.create(other, hash: "h1", seen: first.text) == .array([3, ""]), "the key is free")
        #expect(try bed.create(other, hash: "h1").array.first == 1)
        #expect(try bed.redis.send("GET", bed.conversation("h1")) == .text(other.text))
    }

    @Test func `create takes a conversation key whose holder is gone`() async throws {
        let bed = try await ScriptBed.start()
        let first = try bed.made(hash: "h1")
        try bed.redis.send("DEL", bed.keys(first).session)
        let other = bed.newID()
        #expect(try bed.create(other, hash: "h1", seen: first.text).array.first == 1)
        #expect(try bed.redis.send("GET", bed.conversation("h1")) == .text(other.text))
    }

    @Test func `read tells live, due, closed, tombstone and nothing apart`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(blob: "{}")
        func state() throws -> (Int, [String], String?) {
            let reply = try bed.read(id).array
            #expect(reply.count == 4)
            guard case .int(let state) = reply[0] else { return (-1, [], nil) }
            return (state, reply[2].array.compactMap(\.string), reply[3].string)
        }
        let live = try state()
        #expect(live.0 == 1 && live.1.contains("feedface.1:1") && live.2 == "{}")
        try bed.advance(600_000)
        #expect(try state().0 == 2)
        #expect(try bed.end(id, "expired").array.first == 1)
        #expect(try state().0 == 3)
        try bed.redis.send("DEL", bed.keys(id).session, bed.keys(id).blob)
        let grave = try state()
        #expect(grave.0 == 4 && grave.1.contains("expired") && grave.2 == nil)
        try bed.redis.send("DEL", bed.keys(id).tombstone)
        #expect(try state().0 == 0)
    }

    @Test func `stats counts the live, the ended and those whose timer is near`() async throws {
        let bed = try await ScriptBed.start()
        let ended = try bed.made()
        _ = try bed.made(timeout: 300_000)
        _ = try bed.made(timeout: 900_000)
        _ = try bed.end(ended, "ended")
        let keys = [bed.all, bed.arc, bed.due, bed.clock, bed.behind]
        let reply = try bed.call(bed.scripts.stats, keys, ["300000"])
        #expect(reply.array.dropLast() == [2, 1, 1])
        let oldest = try bed.redis.send("ZRANGE", bed.behind, "0", "0", "WITHSCORES").array.last?.string
        let lag = reply.array.last?.string.flatMap { Int($0) } ?? -1
        #expect(lag >= 0 && lag < 60_000 && oldest != nil)
        try bed.redis.send("DEL", bed.behind)
        #expect(try bed.call(bed.scripts.stats, keys, ["300000"]).array.last == -1)
        #expect(try bed.call(bed.scripts.stats, keys + keys, ["300000"]).array == [4, 2, 2, -1])
    }

    @Test func `meta keeps what the first node said, except for the archive mode`() async throws {
        let bed = try await ScriptBed.start()
        func meta(_ arguments: String...) throws -> RawReply {
            try bed.call(bed.scripts.meta, [bed.space.meta], arguments)
        }
        #expect(try meta("1.0", "16", "", "archive") == .array(["1.0", "16", "archive"]))
        #expect(try meta("2.0", "32", "", "none") == .array(["1.0", "16", "archive"]))
        #expect(try meta("1.0", "16", "none", "archive") == .array(["1.0", "16", "none"]))
        #expect(try meta("1.0", "16", "", "archive") == .array(["1.0", "16", "none"]))
        try bed.redis.send("DEL", bed.space.meta)
        #expect(try meta("1.0", "16", "", "none") == .array(["1.0", "16", "none"]))
    }

    @Test func `enlist names the sessions of an agent until they have got their turns`() async throws {
        let bed = try await ScriptBed.start()
        let (workers, index) = (bed.space.workers(ScriptBed.partition), bed.space.agent(ScriptBed.partition, "agent"))
        func enlist(_ agent: String) throws -> RawReply {
            try bed.call(bed.scripts.enlist, [workers, index], [agent])
        }
        let (early, late) = (String(repeating: "A", count: 16), String(repeating: "B", count: 16))
        #expect(try enlist(early) == .array([]))
        let id = try bed.made()
        #expect(try enlist(early) == .array([]), "there was nothing to do, and what comes later opens its own turns")
        for _ in 1...2 { #expect(try enlist(late) == .array([.text(id.text)])) }
        try bed.redis.send("SADD", workers, late + "+")
        #expect(try enlist(late) == .array([]))
        for agent in [early, late] { #expect(try bed.redis.send("SISMEMBER", workers, agent) == 1) }
    }

    @Test func `register renews an entry and drops those that were silent too long`() async throws {
        let bed = try await ScriptBed.start()
        let now = try bed.raw()
        try bed.redis.send("ZADD", bed.space.nodes, "\(now - 6_000)", "silent", "\(now - 3_000)", "slow")
        let reply = try bed.call(bed.scripts.register, [bed.space.nodes], ["me", "5000"])
        #expect(reply == .array(["slow", "me"]))
        let score = try bed.redis.send("ZSCORE", bed.space.nodes, "me").string.flatMap { Int($0) } ?? 0
        #expect((now...now + 10_000).contains(score))
    }

    @Test func `a registry does not believe entries from before the clock went back`() async throws {
        let bed = try await ScriptBed.start()
        let now = try bed.raw()
        func fill(_ registry: String) throws {
            try bed.redis.send(
                "ZADD", registry, "\(now - 6_000)", "silent", "\(now + 1_000)", "early", "\(now + 60_000)", "ahead")
        }
        try fill(bed.space.nodes)
        try fill(bed.space.archivists)
        #expect(try bed.call(bed.scripts.alive, [bed.space.archivists], ["5000"]) == .array(["early"]))
        let reply = try bed.call(bed.scripts.register, [bed.space.nodes], ["me", "5000"])
        #expect(reply == .array(["me", "early"]))
        #expect(try bed.redis.send("ZCARD", bed.space.nodes) == 2)
    }
}
