import SojournCore
import SojournRedis
import SojournTesting
import Testing

@testable import SojournStore

extension ScriptTests {
    private func follow(
        _ bed: ScriptBed, _ id: SessionID, by owner: String = "a", token: String = "t1", live: String = "",
        from: String = "", limit: Int = 100, mayBegin: Bool = true
    ) throws -> [RawReply] {
        let keys = bed.keys(id)
        return try bed.call(
            bed.scripts.follow, [keys.session, keys.clock, keys.blob, keys.log, keys.behind],
            [id.text, owner, token, live, from, "\(limit)", mayBegin ? "1" : "0"]
        ).array
    }

    private func trim(
        _ bed: ScriptBed, _ id: SessionID, by owner: String = "a", token: String = "t1", epoch: String? = nil,
        upTo: Int, window: String = "", most: Int = 100
    ) throws -> RawReply {
        let keys = bed.keys(id)
        return try bed.call(
            bed.scripts.trim, [keys.session, keys.log, keys.behind],
            [id.text, owner, token, epoch ?? bed.hash(keys.session)["e"] ?? "", "\(upTo)", window, "\(most)"])
    }

    private func seqs(_ reply: RawReply) throws -> [Int] {
        try reply.array.map { try #require(try parsed($0.string).event.seq) }
    }

    @Test func `a session that is never quite archived does not seem to wait since its beginning`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        for _ in 0..<3 { _ = try bed.append(id) }
        try bed.redis.send("ZADD", bed.behind, "1000", id.text)
        _ = try self.follow(bed, id)
        #expect(try self.trim(bed, id, upTo: 3) == .array([1, 0]))
        let moved = try #require(try bed.score(bed.behind, id))
        #expect(moved > 1_000_000)
        // Nothing new was written: it waits since then.
        try bed.redis.send("ZADD", bed.behind, "1000", id.text)
        #expect(try self.trim(bed, id, upTo: 3) == .array([1, 0]))
        #expect(try bed.score(bed.behind, id) == 1000)
    }

    @Test func `who may only go on following begins with none`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        #expect(try self.follow(bed, id, mayBegin: false) == [4])
        #expect(try bed.hash(bed.keys(id).session)["wo"] == nil)
        #expect(try bed.score(bed.behind, id) != nil)
        #expect(try self.follow(bed, id).first == 1)
        #expect(try self.follow(bed, id, mayBegin: false).first == 1)
        #expect(try self.follow(bed, id, by: "b", live: " b ", mayBegin: false) == [4])
        #expect(try self.follow(bed, id, by: "b", live: " a b ", mayBegin: false) == [2, "a"])
    }

    @Test func `whatever logs an event lists the session, and a follower that has all takes it off`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        #expect(try bed.score(bed.behind, id) != nil)
        func clear() throws {
            let head = try bed.number(bed.keys(id).session, "q")
            _ = try self.follow(bed, id)
            #expect(try self.trim(bed, id, upTo: head) == .array([1, 0]))
            #expect(try bed.score(bed.behind, id) == nil)
        }
        try clear()
        for write in [
            { _ = try bed.append(id) }, { _ = try bed.touch("renew", id) }, { _ = try bed.patch(id, warning: 30_000) },
            {
                try bed.advance(580_000)
                _ = try bed.fire(id)
            },
        ] {
            try write()
            #expect(try bed.score(bed.behind, id) != nil)
            try clear()
        }
        _ = try bed.touch("heartbeat", id)
        // It takes the warning back, which is logged.
        #expect(try bed.score(bed.behind, id) != nil)
        try clear()
        _ = try bed.beat(id)
        #expect(try bed.score(bed.behind, id) == nil, "a silent heartbeat is no news")
        _ = try bed.append(id)
        _ = try bed.end(id, "ended")
        #expect(try bed.score(bed.behind, id) == nil, "the hand-over takes the rest")
    }

    @Test func `a follower reads on where it has told that it is, and the first read says whose session it is`()
        async throws
    {
        let bed = try await ScriptBed.start()
        let id = try bed.made(blob: #"{"metadata":{}}"#)
        for _ in 0..<9 { _ = try bed.append(id) }
        let first = try self.follow(bed, id, limit: 4)
        #expect(first[0] == 1 && first[2] == "t1" && first[3] == 0 && first[4] == 10 && first[6] == 1 && first[7] == 1)
        #expect(try self.seqs(first[8]) == [1, 2, 3, 4])
        #expect(!first[9].array.isEmpty && first[10].string == #"{"metadata":{}}"#)
        // Nothing was told: it reads the same again, under the token it has.
        #expect(try self.seqs(self.follow(bed, id, token: "t2", limit: 4)[8]) == [1, 2, 3, 4])
        #expect(try self.trim(bed, id, upTo: 4) == .array([1, 0]))
        let second = try self.follow(bed, id)
        #expect(second[2] == "t1" && second[3] == 4 && second[7] == 5)
        #expect(try self.seqs(second[8]) == Array(5...10))
        #expect(second[9].array.isEmpty)
        #expect(try self.seqs(self.follow(bed, id, from: "2")[8]) == Array(2...10))
        #expect(try self.trim(bed, id, upTo: 3) == .array([0]), "it never goes back")
    }

    @Test func `the log keeps its window, and never loses what is not on disk`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        for _ in 0..<19 { _ = try bed.append(id) }
        _ = try self.follow(bed, id)
        #expect(try self.trim(bed, id, upTo: 3, window: "5") == .array([1, 0]))
        #expect(try bed.log(bed.keys(id)).count == 17)
        #expect(try self.trim(bed, id, upTo: 20, window: "5", most: 10) == .array([1, 2]))
        #expect(try self.trim(bed, id, upTo: 20, window: "5", most: 10) == .array([1, 0]))
        let kept = try bed.log(bed.keys(id)).map { try #require(try parsed($0).event.seq) }
        #expect(kept == Array(16...20))
        _ = try bed.append(id)
        #expect(try bed.log(bed.keys(id)).count == 6)
        #expect(try self.follow(bed, id, from: "3")[7] == 16, "what was trimmed cannot be read again")
    }

    @Test func `a stretch of another branch, another owner or an ended session is not taken for held`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        for _ in 0..<4 { _ = try bed.append(id) }
        _ = try self.follow(bed, id)
        #expect(try self.trim(bed, id, epoch: "0badcafe.7", upTo: 5) == .array([0]))
        #expect(try self.trim(bed, id, token: "t9", upTo: 5) == .array([0]))
        #expect(try self.trim(bed, id, by: "b", upTo: 5) == .array([0]))
        #expect(try self.trim(bed, id, upTo: 6) == .array([0]), "the log is shorter: it lost events")
        #expect(try bed.number(bed.keys(id).session, "wa") == 0)
        _ = try bed.end(id, "ended")
        #expect(try self.trim(bed, id, upTo: 5, window: "2") == .array([0]))
        #expect(try self.follow(bed, id) == [0])
        #expect(try bed.log(bed.keys(id)).count == 6)
        #expect(try self.follow(bed, bed.newID()) == [0])
    }

    @Test func `another archivist takes over when the follower is gone, and only if the log is whole`() async throws {
        let bed = try await ScriptBed.start()
        let (whole, trimmed) = (try bed.made(), try bed.made())
        for id in [whole, trimmed] {
            for _ in 0..<9 { _ = try bed.append(id) }
            _ = try self.follow(bed, id)
            _ = try self.trim(bed, id, upTo: 10, window: id == trimmed ? "5" : "")
            #expect(try self.follow(bed, id, by: "b") == [2, "a"])
            #expect(try self.follow(bed, id, by: "b", live: " a b ") == [2, "a"])
        }
        #expect(try self.follow(bed, trimmed, by: "b", live: " b ") == [3, "a"])
        let taken = try self.follow(bed, whole, by: "b", token: "t2", live: " b ")
        #expect(taken[0] == 1 && taken[2] == "t2" && taken[3] == 0)
        #expect(try self.seqs(taken[8]) == Array(1...10))
        #expect(try self.trim(bed, whole, upTo: 10) == .array([0]), "it is b's now")
        #expect(try self.follow(bed, whole) == [2, "b"])
    }

    @Test func `who followed a session hands it over`() async throws {
        let bed = try await ScriptBed.start()
        let (whole, trimmed) = (try bed.made(), try bed.made())
        for id in [whole, trimmed] {
            for _ in 0..<9 { _ = try bed.append(id) }
            _ = try self.follow(bed, id)
            _ = try self.trim(bed, id, upTo: 10, window: id == trimmed ? "5" : "")
            #expect(try bed.end(id, "ended", owner: "b").array.last == 0, "b ends it, but has not followed it")
            #expect(try bed.score(bed.arc, id) == 0)
            #expect(
                try bed.claim(bed.scripts.claim, id, owner: "b", random: "r", live: " a b ").array == [2, "a"])
            // It stands in nobody's way for a while.
            #expect(try bed.score(bed.arc, id) ?? 0 > bed.raw())
            #expect(try bed.claim(bed.scripts.steal, id, owner: "a", random: "r") == .array([0]))
            try bed.redis.send("ZADD", bed.arc, "1", id.text)
        }
        #expect(
            try bed.claim(bed.scripts.steal, trimmed, owner: "b", random: "r", live: " b ").array == [3, "a"])
        try bed.redis.send("ZADD", bed.arc, "1", trimmed.text)
        #expect(try bed.claim(bed.scripts.steal, trimmed, owner: "a", random: "r").array.count == 3)
        #expect(try bed.claim(bed.scripts.steal, whole, owner: "b", random: "r", live: " b ").array.first == 1)
        let own = try bed.made()
        _ = try self.follow(bed, own)
        #expect(try bed.end(own, "ended", owner: "a").array.last != 0)
    }
}
