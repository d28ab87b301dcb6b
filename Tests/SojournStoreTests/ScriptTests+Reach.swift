import SojournCore
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

extension ScriptTests {
    private func erase(_ bed: ScriptBed, _ id: SessionID) throws -> RawReply {
        let keys = bed.keys(id)
        return try bed.call(
            bed.scripts.erase,
            [keys.session, keys.blob, keys.log, keys.arc, keys.tombstone, keys.deltas, keys.turns, keys.queue],
            [id.text, "100000"])
    }

    private func disown(_ bed: ScriptBed, _ id: SessionID, from archivist: String) throws -> RawReply {
        let keys = bed.keys(id)
        return try bed.call(
            bed.scripts.disown, [keys.session, keys.arc, keys.tombstone, keys.log, keys.prefix + "wb"],
            [id.text, archivist, "heir", "fedcba9876543210"])
    }

    @Test func `release gives a session back that is still the caller's, and its old token is dead`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        let keys = bed.keys(id)
        let major = try #require(try bed.end(id, "ended", owner: "a").array.last?.string)
        func release(_ major: String, _ random: String) throws -> RawReply {
            try bed.call(bed.scripts.release, [keys.session, keys.arc], [id.text, major, random])
        }
        #expect(try release(major, "another") == .array([0]))
        #expect(try release("1", "0123456789abcdef") == .array([0]))
        #expect(try bed.score(bed.arc, id) ?? 0 > 0)
        #expect(try release(major, "0123456789abcdef") == .array([1]))
        #expect(try bed.score(bed.arc, id) == 0)
        #expect(try release(major, "0123456789abcdef") == .array([0]))
        #expect(try bed.ack(id, owner: "a", major: major, random: "0123456789abcdef") == .array([0]))
        let next = try bed.claim(bed.scripts.claim, id, owner: "b", random: "r").array.dropFirst().first?.string
        #expect(try #require(next.flatMap { Int($0) }) > #require(Int(major)))
        // What is gone is nobody's.
        #expect(try bed.ack(id, owner: "b", major: next ?? "", random: "r") == .array([1]))
        #expect(try release(major, "0123456789abcdef") == .array([0]))
        #expect(try !bed.exists(bed.arc))
    }

    @Test func `erase leaves nothing of an ended session but a tombstone without an archivist`() async throws {
        let bed = try await ScriptBed.start()
        let (living, waiting, archived) = (try bed.made(), try bed.made(blob: "{}"), try bed.made())
        #expect(try erase(bed, living) == .array([3]))
        #expect(try bed.exists(bed.keys(living).log))
        let major = try #require(try bed.end(waiting, "ended", owner: "a").array.last?.string)
        #expect(try erase(bed, waiting) == .array([1]))
        let keys = bed.keys(waiting)
        for key in [keys.session, keys.blob, keys.log, bed.arc] { #expect(try !bed.exists(key), "\(key)") }
        #expect(try bed.hash(keys.tombstone)["purged"] == "1")
        #expect(try bed.ack(waiting, owner: "a", major: major, random: "0123456789abcdef") == .array([0]))
        let other = try #require(try bed.end(archived, "expired").array.first)
        #expect(other == 2)
        let token = try #require(try bed.end(archived, "ended", owner: "a").array.last?.string)
        #expect(try bed.ack(archived, owner: "a", major: token, random: "0123456789abcdef") == .array([1]))
        #expect(try erase(bed, archived) == .array([2]))
        let grave = try bed.hash(bed.keys(archived).tombstone)
        #expect(grave["archivist"] == nil && grave["token"] == nil && grave["reason"] == "ended")
        #expect(try bed.redis.send("PTTL", bed.keys(archived).tombstone).string.flatMap { Int($0) } ?? 0 > 0)
        for id in [waiting, archived, bed.newID()] { #expect(try erase(bed, id) == .array([0])) }
    }

    @Test func `disown frees what was claimed, hands on what was followed, and says what is lost`() async throws {
        let bed = try await ScriptBed.start()
        let (claimed, followed, lost, other) = (try bed.made(), try bed.made(), try bed.made(), try bed.made())
        _ = try bed.end(claimed, "ended", owner: "a")
        #expect(try disown(bed, claimed, from: "b") == .array([0, 0]))
        #expect(try disown(bed, claimed, from: "a") == .array([1, 0]))
        #expect(try bed.score(bed.arc, claimed) == 0)
        // Two of its events are in no log any more.
        for _ in 0..<3 { _ = try bed.append(followed) }
        try bed.redis.send("LTRIM", bed.keys(followed).log, "2", "-1")
        try bed.redis.send("HSET", bed.keys(followed).session, "wo", "a.0123456789abcdef", "wa", "4", "wf", "1")
        #expect(try disown(bed, followed, from: "a") == .array([1, 2]))
        let fields = try bed.hash(bed.keys(followed).session)
        #expect(fields["wo"] == "heir.fedcba9876543210" && fields["wa"] == "2" && fields["wf"] == "3")
        #expect(try bed.score(bed.behind, followed) != nil)
        let major = try #require(try bed.end(lost, "ended", owner: "a").array.last?.string)
        #expect(try bed.ack(lost, owner: "a", major: major, random: "0123456789abcdef") == .array([1]))
        #expect(try disown(bed, lost, from: "a") == .array([2, 2]))
        #expect(try bed.hash(bed.keys(lost).tombstone)["lost"] == "a")
        #expect(try disown(bed, lost, from: "a") == .array([0]))
        #expect(try disown(bed, other, from: "a") == .array([0, 0]))
    }

    @Test func `numbers of purges only grow, and each says what is meant`() async throws {
        let bed = try await ScriptBed.start()
        let key = bed.keys(bed.newID()).prefix + "purges"
        func list(_ id: String) throws -> Int {
            let reply = try bed.call(bed.scripts.purge, [key, bed.clock], ["session", id]).array
            return try #require(reply.first?.string.flatMap { Int($0) })
        }
        let first = try list("x")
        // As after a clock that went back.
        let future = first + 3_600_000_000
        try bed.redis.send("ZADD", key, "\(future)", "\(future) user y 5")
        #expect(try list("z") == future + 1)
        let listed = try bed.redis.send("ZRANGE", key, "0", "-1").array.compactMap(\.string)
        #expect(listed.count == 3 && listed[0].hasPrefix("\(first) session x "))
        #expect(listed[2].hasPrefix("\(future + 1) session z "))
    }

    @Test func `questions wait up to a number, and lapse; answers lapse`() async throws {
        let bed = try await ScriptBed.start()
        let (list, answer) = (bed.keys(bed.newID()).prefix + "aq:1", bed.keys(bed.newID()).prefix + "aa:1")
        var outcomes: [RawReply] = []
        let heard = try bed.published(list) {
            for _ in 0..<4 { outcomes.append(try bed.call(bed.scripts.ask, [list], ["q", "60000", "3"])) }
        }
        #expect(outcomes == [1, 1, 1, 0].map { .array([.int($0)]) })
        #expect(heard == ["", "", ""])
        let rung = try bed.published(answer) {
            outcomes.append(try bed.call(bed.scripts.reply, [answer + ":9", answer], ["text", "60000", "9"]))
        }
        #expect(rung == ["9"] && outcomes.last == .array([1]))
        for key in [list, answer + ":9"] {
            #expect((1...60_000).contains(try bed.redis.send("PTTL", key).string.flatMap { Int($0) } ?? 0))
        }
        let (registry, now) = (bed.keys(bed.newID()).prefix + "members", try bed.raw())
        try bed.redis.send("ZADD", registry, "\(now)", "here", "\(now - 60_000)", "gone")
        #expect(try bed.call(bed.scripts.alive, [registry], ["30000"]) == .array([.text("here")]))
        let report = bed.keys(bed.newID()).prefix + "pr:1"
        #expect(try bed.call(bed.scripts.note, [report], ["a", "half", "60000"]) == .array([1]))
        #expect(try bed.hash(report) == ["a": "half"] && bed.redis.send("PTTL", report) != .int(-1))
    }
}
