import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

extension ScriptTests {
    @Test func `fire warns once an approach, re-arms what came early, and hands over what is due`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(hash: "h1")
        let keys = bed.keys(id)
        let created = try bed.number(keys.session, "c")
        #expect(try bed.fire(id) == .array([1, .int(created + 540_000)]))
        try bed.advance(540_000)
        var reply: [RawReply] = []
        let heard = try bed.published(keys.channel) { reply = try bed.fire(id).array }
        #expect(reply.count == 3 && reply[0] == 2 && reply[1] == .int(created + 600_000))
        #expect(try bed.log(keys).suffix(1) == heard[...] && heard.count == 1)
        let (event, data) = try parsed(heard.first)
        #expect(event.type == "session.expiring" && event.seq == 2)
        #expect(data["expiresAt"]?.string == Instant(milliseconds: Int64(created + 600_000)).iso8601)
        #expect(data["timeRemaining"]?.int == created + 600_000 - Int(event.at.milliseconds))
        #expect(data["canRenew"]?.bool == true)
        #expect(try bed.score(bed.due, id) == created + 600_000)
        #expect(try bed.fire(id) == .array([1, .int(created + 600_000)]), "one warning an approach")
        #expect(try bed.log(keys).count == 2)
        try bed.advance(60_000)
        #expect(
            try bed.fire(id)
                == .array([3, .int(created + 600_000), "AAAAAAAAAAAAAAAAUUUUUUUUUUUUUUUU", "h1"]))
        #expect(try bed.score(bed.due, id) == created + 600_000, "the entry stays until the session has ended")
        _ = try bed.end(id, "expired", hash: "h1")
        try bed.redis.send("ZADD", bed.due, "1", id.text)
        #expect(try bed.fire(id) == .array([0]))
        #expect(try bed.score(bed.due, id) == nil)
        let gone = bed.newID()
        try bed.redis.send("ZADD", bed.due, "1", gone.text)
        #expect(try bed.fire(gone) == .array([0]))
        #expect(try bed.score(bed.due, gone) == nil)
    }

    @Test func `fire says that at the cap nothing can be renewed`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(max: 600_000)
        try bed.advance(540_000)
        _ = try bed.fire(id)
        #expect(try parsed(bed.log(bed.keys(id)).last).data["canRenew"]?.bool == false)
        try bed.advance(60_000)
        let reply = try bed.fire(id).array
        #expect(reply.count == 4 && reply[0] == 3 && reply[3] == .null, "no conversation key")
    }

    @Test func `a lease that reaches the cap and ends before it does not bring the first warning again`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(max: 620_000)
        let keys = bed.keys(id)
        let created = try bed.number(keys.session, "c")
        try bed.advance(570_000)
        #expect(try bed.fire(id).array.prefix(2) == [2, .int(created + 600_000)])
        try bed.redis.send("HSET", keys.session, "y", "\(created + 900_000)")
        #expect(try bed.fire(id).array.prefix(2) == [2, .int(created + 620_000)])
        try bed.redis.send("HDEL", keys.session, "y")
        #expect(try bed.fire(id) == .array([1, .int(created + 600_000)]), "of that it was warned")
        try bed.redis.send("HSET", keys.session, "y", "\(created + 900_000)")
        #expect(try bed.fire(id) == .array([1, .int(created + 620_000)]), "of that, too")
        #expect(try bed.log(keys).count == 3)
        #expect(try bed.redis.send("OBJECT", "ENCODING", keys.session) == "listpack")
    }

    @Test func `end freezes the log, frees the key, leaves the indexes and enters arc`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(hash: "h1", blob: "{}")
        let keys = bed.keys(id)
        let created = try bed.number(keys.session, "c")
        #expect(try bed.end(id, "expired", hash: "h1") == .array([2, .int(created + 600_000)]), "too early")
        try bed.advance(700_000)
        #expect(try bed.end(id, "ended", hash: "h1") == .array([2, .int(created + 600_000)]), "too late")
        #expect(try bed.hash(keys.session)["s"] == nil && bed.log(keys).count == 1)
        var reply = RawReply.null
        let heard = try bed.published(keys.channel) { reply = try bed.end(id, "expired", hash: "h1") }
        #expect(reply == .array([1, .int(created + 600_000), 2, 0]))
        #expect(try bed.log(keys).suffix(1) == heard[...])
        let (event, data) = try parsed(heard.first)
        #expect(event.type == "session.expired" && data["reason"]?.string == "timeout")
        #expect(data["expiredAt"]?.string == Instant(milliseconds: Int64(created + 600_000)).iso8601)
        let fields = try bed.hash(keys.session)
        #expect(fields["s"] == "expired" && fields["f"] == "\(created + 600_000)" && fields["q"] == "2")
        for index in [
            bed.due, bed.all, bed.space.agent(ScriptBed.partition, "agent"),
            bed.space.user(ScriptBed.partition, "user"),
        ] {
            #expect(try !bed.exists(index), "\(index)")
        }
        #expect(try !bed.exists(bed.conversation("h1")))
        #expect(try bed.score(bed.arc, id) == 0, "nobody has claimed it")
        #expect(
            try bed.hash(keys.tombstone) == [
                "reason": "expired", "at": "\(created + 600_000)", "head": "2", "cuts": "feedface.1:1",
            ])
        let life = try bed.redis.send("PTTL", keys.tombstone).string.flatMap { Int($0) } ?? 0
        #expect((1...100_000).contains(life))
        #expect(try bed.end(id, "expired", hash: "h1") == .array([3, "expired"]))
        #expect(try bed.log(keys).count == 2)
    }

    @Test func `end of what is gone clears its timer`() async throws {
        let bed = try await ScriptBed.start()
        let id = bed.newID()
        try bed.redis.send("ZADD", bed.due, "1", id.text)
        #expect(try bed.end(id, "expired") == .array([0]))
        #expect(try !bed.exists(bed.due))
    }

    @Test func `end leaves a conversation key alone that another session holds`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(hash: "h1")
        try bed.redis.send("SET", bed.conversation("h1"), "another")
        _ = try bed.end(id, "ended", hash: "h1")
        #expect(try bed.redis.send("GET", bed.conversation("h1")) == "another")
    }

    @Test func `end claims for an archivist, and deletes at once when nobody archives`() async throws {
        let bed = try await ScriptBed.start()
        let (claimed, dropped) = (try bed.made(), try bed.made(blob: "{}"))
        let before = try bed.raw()
        let reply = try bed.end(claimed, "ended", owner: "archive-a").array
        let fields = try bed.hash(bed.keys(claimed).session)
        #expect(reply.first == 1 && reply.last?.string == fields["ct"])
        #expect(fields["co"] == "archive-a" && fields["cr"] == "0123456789abcdef")
        let lease = try #require(try bed.score(bed.arc, claimed))
        #expect((before + 30_000...before + 40_000).contains(lease), "leases are raw time")
        #expect(try bed.end(dropped, "ended", mode: "none", owner: "archive-a").array.last == 0)
        let keys = bed.keys(dropped)
        for key in [keys.session, keys.blob, keys.log] { #expect(try !bed.exists(key)) }
        #expect(try bed.score(bed.arc, dropped) == nil && bed.score(bed.due, dropped) == nil)
        #expect(try bed.hash(keys.tombstone)["reason"] == "ended")
        #expect(try bed.read(dropped).array.first == 4)
    }

    @Test func `tick answers with what is due, oldest first, and when to look again`() async throws {
        let bed = try await ScriptBed.start()
        let ids = try [300_000, 200_000, 400_000].map { try bed.made(timeout: $0, warning: 100_000) }
        let first = try bed.tick().array
        let wait = try #require(first[1].string.flatMap { Int($0) })
        #expect(wait > 90_000 && wait <= 100_000)
        #expect(first[2] == .array([]) && first[3] == 0)
        try bed.advance(250_000)
        let second = try bed.tick().array
        #expect(second[2] == .array([.text(ids[1].text), .text(ids[0].text)]))
        #expect(try bed.tick(limit: 1).array[2] == .array([.text(ids[1].text)]))
        try bed.redis.send("DEL", bed.due)
        #expect(try bed.tick().array[1] == -1)
    }

    @Test func `an outage gives sessions a grace, and a tick afterwards opens a hold`() async throws {
        let bed = try await ScriptBed.start()
        let (kept, capped) = (try bed.made(), try bed.made(max: 600_000))
        let raw = try bed.raw()
        try bed.redis.send("HSET", bed.clock, "seen", "\(raw - 20_000)", "outage", "15000")
        try bed.advance(600_000)
        // Nobody has swept for longer than the threshold: only the cap ends a life.
        #expect(try bed.read(kept).array.first == 1)
        #expect(try bed.read(capped).array.first == 2)
        #expect(try bed.end(kept, "expired").array.first == 2)
        let tick = try bed.tick(hold: 60_000).array
        let gap = try #require(tick[3].string.flatMap { Int($0) })
        #expect(gap >= 20_000)
        let hold = try bed.number(bed.clock, "hold")
        #expect((raw + 60_000...raw + 70_000).contains(hold))
        #expect(try bed.number(bed.clock, "seen") >= raw)
        #expect(try bed.tick().array[3] == 0, "one hold an outage")
        // The hold protects; the cap does not care.
        #expect(try bed.fire(kept).array.first == 2, "a warning that is late is given still")
        let later = try bed.fire(kept).array
        #expect(later.first == 1)
        let now = try #require(try bed.tick().array[0].string.flatMap { Int($0) })
        let again = try #require(later[1].string.flatMap { Int($0) })
        #expect(again > now + 50_000 && again <= now + 60_000, "it looks again when the hold is over")
        #expect(try bed.append(kept).array.first == 1)
        #expect(try bed.fire(capped).array.first == 3)
        #expect(try bed.end(capped, "expired").array.first == 1)
        #expect(try parsed(bed.log(bed.keys(capped)).last).data["reason"]?.string == "maxDuration")
        // A heartbeat is all it takes to survive; without one it is over when the hold is.
        let lost = try bed.made()
        try bed.advance(600_000)
        try bed.redis.send("HSET", bed.clock, "hold", "\(try bed.raw() - 1)")
        #expect(try bed.read(lost).array.first == 2)
    }

    @Test func `a session in a hold is looked at again at its cap`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(max: 610_000)
        let created = try bed.number(bed.keys(id).session, "c")
        try bed.redis.send("HSET", bed.clock, "hold", "\(try bed.raw() + 60_000)")
        try bed.advance(600_000)
        _ = try bed.fire(id)
        #expect(try bed.fire(id) == .array([1, .int(created + 610_000)]))
    }

    @Test func `a first tick opens no hold, a clock that went back by more than a second does`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        try bed.advance(600_000)
        #expect(try bed.read(id).array.first == 2, "nobody was ever seen: that is no outage")
        #expect(try bed.tick().array[3] == 0)
        #expect(try bed.hash(bed.clock)["hold"] == nil && bed.hash(bed.clock)["outage"] == "15000")
        try bed.redis.send("HSET", bed.clock, "seen", "\(try bed.raw() + 5_000)")
        let gap = try #require(try bed.tick().array[3].string.flatMap { Int($0) })
        #expect(gap < -1_000)
        #expect(try bed.number(bed.clock, "hold") > bed.raw())
        #expect(try bed.read(id).array.first == 1)
    }

    @Test func `tick writes only now and then that it was here`() async throws {
        let bed = try await ScriptBed.start()
        _ = try bed.tick()
        let recent = try bed.raw() - 1_000
        try bed.redis.send("HSET", bed.clock, "seen", "\(recent)")
        _ = try bed.tick()
        #expect(try bed.number(bed.clock, "seen") == recent)
        _ = try bed.tick(outage: 14_000)
        #expect(try bed.number(bed.clock, "outage") == 14_000, "a new threshold is noted at once")
        try bed.redis.send("HSET", bed.clock, "seen", "\(recent - 5_000)")
        _ = try bed.tick(outage: 14_000)
        #expect(try bed.number(bed.clock, "seen") > recent)
    }

    @Test func `production scripts know no offset`() async throws {
        let bed = try await ScriptBed.start(testClock: false)
        let id = try bed.made()
        try bed.advance(600_000)
        #expect(try bed.read(id).array.first == 1)
        #expect(try bed.append(id).array.first == 1)
        let now = try #require(try bed.tick().array.first?.string.flatMap { Int($0) })
        #expect(now <= (try bed.raw()))
    }

    @Test func `fire and end take many sessions in one call, each for itself`() async throws {
        let bed = try await ScriptBed.start()
        let (over, followed) = (try bed.made(timeout: 300_000), try bed.made(timeout: 300_000))
        let (early, warned, closed, gone) = (
            try bed.made(), try bed.made(timeout: 330_000), try bed.made(), bed.newID()
        )
        _ = try bed.end(closed, "ended")
        try bed.redis.send("HSET", bed.keys(followed).session, "wo", "other.token", "wa", "1", "wf", "1")
        try bed.advance(300_000)
        let created = try bed.number(bed.keys(early).session, "c")
        let fired = try bed.fire([over, early, followed, closed, warned, gone])
        try #require(fired.count == 6)
        #expect(fired[1] == .array([1, .int(created + 540_000)]))
        #expect(fired[3] == .array([0]) && fired[5] == .array([0]))
        #expect(fired[4].array.first == 2)
        for place in [0, 2] {
            #expect(fired[place].array.first == 3 && fired[place].array[2] == "AAAAAAAAAAAAAAAAUUUUUUUUUUUUUUUU")
        }
        let ended = try bed.end([over, early, followed, closed, gone], "expired", owner: "a")
        try #require(ended.count == 5)
        #expect(ended[0].array.first == 1 && ended[2].array.first == 1)
        #expect(ended[1].array.first == 2 && ended[3] == .array([3, "ended"]) && ended[4] == .array([0]))
        // What another archivist has followed stays for that one.
        #expect(try bed.score(bed.arc, over) ?? 0 > bed.raw() && bed.score(bed.arc, followed) == 0)
        #expect(ended[0].array[3] != 0 && ended[2].array[3] == 0)
        #expect(try bed.hash(bed.keys(over).session)["co"] == "a" && bed.hash(bed.keys(followed).session)["co"] == nil)
        for id in [over, followed] {
            #expect(try bed.hash(bed.keys(id).session)["s"] == "expired" && bed.score(bed.due, id) == nil)
            #expect(try parsed(bed.log(bed.keys(id)).last).event.type == "session.expired")
        }
        #expect(try bed.score(bed.due, early) == created + 540_000)
    }
}
