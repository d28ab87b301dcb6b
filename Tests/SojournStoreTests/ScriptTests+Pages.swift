import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

extension ScriptTests {
    private func page(
        _ bed: ScriptBed, _ id: SessionID, from: Int, to: Int = 1 << 50, limit: Int = 512, newestFirst: Bool = false,
        deltas: String = ""
    ) throws -> [RawReply] {
        let keys = bed.keys(id)
        return try bed.call(
            bed.scripts.page, [keys.session, keys.clock, keys.log, keys.tombstone, keys.deltas],
            ["\(from)", "\(to)", "\(limit)", newestFirst ? "1" : "0", deltas]
        ).array
    }

    private func seqs(_ reply: [RawReply]) throws -> [Int] {
        try #require(reply.count == 12)
        return try reply[6].array.map { try #require(try parsed($0.string).event.seq) }
    }

    private func conversation(_ bed: ScriptBed, messages: Int, bytes: Int = 10) throws -> SessionID {
        let id = try bed.made()
        let body = #""type":"user.message","data":{"content":""# + String(repeating: "x", count: bytes) + #""}}"#
        for start in stride(from: 0, to: messages, by: 64) {
            let count = min(64, messages - start)
            _ = try bed.append(id, Array(repeating: body, count: count), messages: count)
        }
        return id
    }

    @Test func `page reads any stretch in both directions`() async throws {
        let bed = try await ScriptBed.start()
        let id = try self.conversation(bed, messages: 199)
        let all = try self.page(bed, id, from: 1)
        #expect(all[0] == 1 && all[2] == 200 && all[3] == 1 && all[4] == "feedface.1")
        #expect(all[5] == .array(["feedface.1:1"]))
        #expect(try self.seqs(all) == Array(1...200))
        #expect(try self.seqs(self.page(bed, id, from: 33, to: 97)) == Array(33...97))
        #expect(try self.seqs(self.page(bed, id, from: 33, to: 97, newestFirst: true)) == Array((33...97).reversed()))
        #expect(try self.seqs(self.page(bed, id, from: 5, limit: 40)) == Array(5...44))
        #expect(
            try self.seqs(self.page(bed, id, from: 1, limit: 40, newestFirst: true)) == Array((161...200).reversed()))
        #expect(try self.seqs(self.page(bed, id, from: 201)) == [])
        #expect(try self.seqs(self.page(bed, id, from: 10, to: 9)) == [])
        #expect(try self.seqs(self.page(bed, id, from: 10, limit: 0)) == [])
    }

    @Test func `page begins at the oldest event that is kept`() async throws {
        let bed = try await ScriptBed.start()
        let id = try self.conversation(bed, messages: 99)
        try bed.redis.send("LTRIM", bed.keys(id).log, "30", "-1")
        let reply = try self.page(bed, id, from: 1, limit: 5)
        #expect(reply[2] == 100 && reply[3] == 31)
        #expect(try self.seqs(reply) == Array(31...35))
        #expect(try self.seqs(self.page(bed, id, from: 1, to: 40, newestFirst: true)) == Array((31...40).reversed()))
    }

    @Test func `page stops before a megabyte, but gives one event at least`() async throws {
        let bed = try await ScriptBed.start()
        let id = try self.conversation(bed, messages: 9, bytes: 250_000)
        #expect(try self.seqs(self.page(bed, id, from: 2)) == [2, 3, 4, 5])
        #expect(try self.seqs(self.page(bed, id, from: 1, newestFirst: true)) == [10, 9, 8, 7])
        let huge = try self.conversation(bed, messages: 2, bytes: 1_200_000)
        #expect(try self.seqs(self.page(bed, huge, from: 2)) == [2])
    }

    @Test func `page tells due, closed, tombstone and nothing apart`() async throws {
        let bed = try await ScriptBed.start()
        let id = try self.conversation(bed, messages: 1)
        try bed.advance(600_000)
        #expect(try self.page(bed, id, from: 1)[0] == 2)
        _ = try bed.end(id, "expired")
        let closed = try self.page(bed, id, from: 1)
        #expect(closed[0] == 3)
        #expect(try self.seqs(closed) == [1, 2, 3])
        try bed.redis.send("DEL", bed.keys(id).session, bed.keys(id).log)
        let grave = try self.page(bed, id, from: 1)
        #expect(grave.count == 3 && grave[0] == 4 && grave[2].array.contains("expired"))
        #expect(try self.page(bed, bed.newID(), from: 1).first == 0)
    }

    @Test func `page adds the deltas that a reader at the head has not seen`() async throws {
        let bed = try await ScriptBed.start()
        let id = try self.conversation(bed, messages: 1)
        let keys = bed.keys(id)
        for number in 0..<3 {
            _ = try bed.call(
                bed.scripts.delta, [keys.session, keys.clock, keys.deltas, keys.channel, keys.session],
                [id.text, ScriptBed.replid, "m1", "", "100000", "100", "", "\(number)", "x"])
        }
        let kept = try bed.redis.send("LRANGE", keys.deltas, "0", "-1").array
        #expect(try self.page(bed, id, from: 3, deltas: "1")[7...8] == [3, .array(Array(kept.suffix(2)))])
        #expect(try self.page(bed, id, from: 1, deltas: "0")[7...8] == [3, .array(kept)])
        #expect(try self.page(bed, id, from: 1, limit: 1, deltas: "0")[8] == .array([]), "not at the head yet")
        #expect(try self.page(bed, id, from: 1, deltas: "3")[8] == .array([]))
        #expect(try self.page(bed, id, from: 1)[8] == .array([]))
    }

    @Test func `list pages sessions of equal creation, newest first, each once`() async throws {
        let bed = try await ScriptBed.start()
        // Three of one time, then many of another: the ties cross every page's end.
        let ids = (0..<40).map { _ in bed.newID().text }
        for (place, id) in ids.enumerated() {
            try bed.redis.send("ZADD", bed.all, place < 3 ? "2000" : place < 37 ? "1000" : "500", id)
        }
        let expected = Array(
            (ids[..<3].sorted().reversed() + ids[3..<37].sorted().reversed() + ids[37...].sorted().reversed()))
        for limit in [1, 2, 3, 7, 39, 40, 41] {
            var seen: [String] = []
            var (before, last) = ("+inf", "")
            while true {
                let answers = try bed.call(bed.scripts.list, [bed.all, bed.all, bed.arc], [before, last, "\(limit)"])
                let reply = try #require(answers.array.first).array
                #expect(reply.prefix(3) == [40, 40, 0])
                let page = reply.dropFirst(3).compactMap(\.string)
                if page.isEmpty { break }
                try #require(page.count <= 2 * limit && page.count.isMultiple(of: 2))
                seen += stride(from: 0, to: page.count, by: 2).map { page[$0] }
                (last, before) = (page[page.count - 2], page[page.count - 1])
                try #require(seen.count <= 40)
            }
            #expect(seen == expected, "in pages of \(limit)")
        }
        let empty = [bed.space.agent(ScriptBed.partition, "nobody"), bed.all, bed.arc]
        #expect(try bed.call(bed.scripts.list, empty, ["+inf", "", "5"]) == .array([.array([0, 40, 0])]))
        // Several partitions: an answer for each.
        let two = try bed.call(bed.scripts.list, empty + [bed.all, bed.all, bed.arc], ["+inf", "", "1"]).array
        #expect(two.map { $0.array.prefix(3) } == [[0, 40, 0], [40, 40, 0]] && two[1].array.count == 5)
    }
}
