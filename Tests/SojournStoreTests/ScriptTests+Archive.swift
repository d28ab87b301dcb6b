import SojournCore
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

extension ScriptTests {
    private func waiting(_ bed: ScriptBed, limit: Int = 10) throws -> RawReply {
        try bed.call(bed.scripts.waiting, [bed.arc], ["\(limit)"])
    }

    @Test func `claim gives an ended session to one archivist, with a token that never goes back`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        #expect(try bed.claim(bed.scripts.claim, id, owner: "a", random: "r1") == .array([0]), "it lives")
        _ = try bed.end(id, "ended")
        // As after a failover that lost the clock's last years.
        let future = try bed.raw() + 1_000_000
        try bed.redis.send("HSET", bed.keys(id).session, "ct", "\(future)")
        #expect(try bed.claim(bed.scripts.claim, id, owner: "a", random: "r1") == .array([1, .int(future + 1), 2]))
        let fields = try bed.hash(bed.keys(id).session)
        #expect(fields["co"] == "a" && fields["ct"] == "\(future + 1)" && fields["cr"] == "r1")
        #expect(try bed.score(bed.arc, id) ?? 0 > bed.raw())
        #expect(try bed.claim(bed.scripts.claim, id, owner: "b", random: "r2") == .array([0]))
        #expect(try waiting(bed) == .array([.array([]), .array([])]))
    }

    @Test func `a fresh token is the time of the claim`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        _ = try bed.end(id, "ended")
        let before = try bed.raw()
        let major = try #require(
            try bed.claim(bed.scripts.claim, id, owner: "a", random: "r").array.dropFirst().first?.string
                .flatMap { Int($0) })
        #expect((before...before + 10_000).contains(major))
    }

    @Test func `steal takes a lapsed lease over, and no other`() async throws {
        let bed = try await ScriptBed.start()
        let (held, free) = (try bed.made(), try bed.made())
        _ = try bed.end(held, "ended", owner: "a")
        _ = try bed.end(free, "ended")
        #expect(try waiting(bed) == .array([.array([.text(free.text)]), .array([])]))
        #expect(try bed.claim(bed.scripts.steal, held, owner: "b", random: "r") == .array([0]), "the lease holds")
        #expect(try bed.claim(bed.scripts.steal, free, owner: "b", random: "r") == .array([0]), "that is claim's")
        #expect(try bed.claim(bed.scripts.steal, bed.newID(), owner: "b", random: "r") == .array([0]))
        try bed.redis.send("ZADD", bed.arc, "\(try bed.raw() - 1)", held.text)
        #expect(try waiting(bed) == .array([.array([.text(free.text)]), .array([.text(held.text)])]))
        let old = try bed.number(bed.keys(held).session, "ct")
        let reply = try bed.claim(bed.scripts.steal, held, owner: "b", random: "r").array
        #expect(reply.count == 4 && reply[0] == 1 && reply[2] == 2 && reply[3] == "a")
        #expect(try bed.number(bed.keys(held).session, "ct") > old)
        #expect(try bed.hash(bed.keys(held).session)["co"] == "b")
        #expect(try bed.claim(bed.scripts.steal, held, owner: "c", random: "r") == .array([0]))
    }

    @Test func `an entry of arc whose session is gone is cleared by whoever finds it`() async throws {
        let bed = try await ScriptBed.start()
        let id = bed.newID()
        for (script, score) in [(bed.scripts.claim, 0), (bed.scripts.steal, 1)] {
            try bed.redis.send("ZADD", bed.arc, "\(score)", id.text)
            #expect(try bed.claim(script, id, owner: "a", random: "r") == .array([0]))
            #expect(try !bed.exists(bed.arc), "\(script.name)")
        }
    }

    @Test func `waiting answers with no more than it is asked for`() async throws {
        let bed = try await ScriptBed.start()
        for _ in 0..<3 { _ = try bed.end(try bed.made(), "ended") }
        #expect(try waiting(bed, limit: 2).array.first?.array.count == 2)
    }

    @Test func `ack deletes the live keys for the current token, once, and again says done`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(blob: "{}")
        let keys = bed.keys(id)
        #expect(try bed.ack(id, owner: "a", major: "1", random: "r") == .array([0]), "it lives")
        _ = try bed.end(id, "expired")
        let major = try #require(
            try bed.end(id, "ended", owner: "a").array.last?.string)
        #expect(try bed.ack(id, owner: "a", major: "1", random: "0123456789abcdef") == .array([0]))
        #expect(try bed.ack(id, owner: "a", major: major, random: "r") == .array([0]), "another random part")
        #expect(try bed.exists(keys.session))
        try bed.redis.send("DEL", keys.tombstone)
        #expect(try bed.ack(id, owner: "a", major: major, random: "0123456789abcdef") == .array([1]))
        for key in [keys.session, keys.blob, keys.log, bed.arc] { #expect(try !bed.exists(key)) }
        let grave = try bed.hash(keys.tombstone)
        #expect(grave["reason"] == "ended" && grave["head"] == "2" && grave["archivist"] == "a")
        #expect(grave["token"] == "\(major).0123456789abcdef" && grave["at"] != nil)
        let life = try bed.redis.send("PTTL", keys.tombstone).string.flatMap { Int($0) } ?? 0
        #expect((1...100_000).contains(life))
        #expect(try bed.ack(id, owner: "a", major: major, random: "0123456789abcdef") == .array([2]))
        #expect(try bed.ack(id, owner: "b", major: major, random: "0123456789abcdef") == .array([0]))
        try bed.redis.send("DEL", keys.tombstone)
        #expect(try bed.ack(id, owner: "a", major: major, random: "0123456789abcdef") == .array([0]), "nobody knows it")
    }

    @Test func `a claim that was stolen cannot be acknowledged any more`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        let first = try #require(try bed.end(id, "ended", owner: "a").array.last?.string)
        try bed.redis.send("ZADD", bed.arc, "1", id.text)
        let second = try #require(
            try bed.claim(bed.scripts.steal, id, owner: "b", random: "fedcba9876543210").array.dropFirst().first?.string
        )
        #expect(try bed.ack(id, owner: "a", major: first, random: "0123456789abcdef") == .array([0]))
        #expect(try bed.exists(bed.keys(id).log))
        #expect(try bed.ack(id, owner: "b", major: second, random: "fedcba9876543210") == .array([1]))
    }

    @Test func `claim, gather and ack take many sessions in one call, each for itself`() async throws {
        let bed = try await ScriptBed.start()
        let (living, held, free) = (try bed.made(), try bed.made(), try (0..<30).map { _ in try bed.made(blob: "{}") })
        for id in free + [held] { _ = try bed.append(id) }
        _ = try bed.end(held, "ended", owner: "a")
        for id in free { _ = try bed.end(id, "ended") }
        let ids = [living, held] + free
        let claims = try bed.claim(bed.scripts.claim, ids, owner: "b", random: "r").array
        try #require(claims.count == 32)
        #expect(claims[0] == .array([0]) && claims[1] == .array([0]), "it lives; somebody has it")
        let majors = claims[2...].compactMap { $0.array.dropFirst().first?.string }
        #expect(claims[2...].allSatisfy { $0.array.first == 1 && $0.array[2] == 3 } && majors.count == 30)
        let gathered = try bed.gather(ids, owner: "b")
        try #require(gathered.count == 32)
        #expect(gathered[0] == .array([]), "it lives")
        for (id, one) in zip(ids, gathered).dropFirst() {
            #expect(try one.array[2].array.compactMap(\.string) == bed.log(bed.keys(id)))
            #expect(one.array[0].array.contains("ended") && one.array[3] == 1)
            #expect(one.array[1] == (id == held ? .null : "{}"))
        }
        var tokens = zip(free, majors).map { (id: $0, major: $1, random: "r") }
        tokens[7].random = "another"
        tokens.append((id: held, major: "1", random: "r"))
        let acknowledged = try bed.ack(tokens, owner: "b").array
        #expect(acknowledged.count == 31)
        for (place, answer) in acknowledged.enumerated() { #expect(answer == (place == 7 || place == 30 ? 0 : 1)) }
        #expect(try bed.redis.send("ZCARD", bed.arc) == 2)
        for (place, id) in free.enumerated() {
            #expect(try bed.exists(bed.keys(id).session) == (place == 7))
            #expect(try bed.hash(bed.keys(id).tombstone)["archivist"] == (place == 7 ? nil : "b"))
        }
        tokens[7].random = "r"
        let again = try bed.ack(tokens, owner: "b").array
        #expect(again[7] == 1 && again[30] == 0 && again[..<7].allSatisfy { $0 == 2 })
    }

    @Test func `gather leaves out what its archivist has followed, and what is too large for a shared call`()
        async throws
    {
        let bed = try await ScriptBed.start()
        let (followed, long, large, small) = (try bed.made(), try bed.made(), try bed.made(), try bed.made())
        for id in [followed, small] { for _ in 0..<3 { _ = try bed.append(id) } }
        try bed.redis.send("HSET", bed.keys(followed).session, "wo", "a.token", "wa", "2", "wf", "1")
        for _ in 0..<5 { _ = try bed.append(long, Array(repeating: #""type":"user.message","data":{}}"#, count: 60)) }
        let body = #""type":"user.message","data":{"content":"\#(String(repeating: "x", count: 300_000))"}}"#
        for _ in 0..<4 { _ = try bed.append(large, [body]) }
        let ids = [followed, long, small, large]
        for id in ids { _ = try bed.end(id, "ended") }
        let mine = try bed.gather(ids, owner: "a")
        #expect(try mine[0].array[2].array.compactMap(\.string) == Array(bed.log(bed.keys(followed)).dropFirst(2)))
        #expect(mine[1] == .array([]) && mine[3] == .array([]))
        #expect(mine[2].array[2].array.count == 5)
        #expect(
            try bed.gather([followed], owner: "b")[0].array[2].array.count == 5, "another has not what that one has")
    }
}
