import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

extension ScriptTests {
    private func delta(
        _ bed: ScriptBed, _ id: SessionID, _ pieces: [(Int?, String)], message: String = "m1", keep: Int = 100
    ) throws -> [RawReply] {
        let keys = bed.keys(id)
        return try bed.call(
            bed.scripts.delta, [keys.session, keys.clock, keys.deltas, keys.channel, keys.session],
            [id.text, ScriptBed.replid, message, "", "100000", "\(keep)", ""]
                + pieces.flatMap { [$0.0.map { "\($0)" } ?? "", $0.1] }
        ).array
    }

    private func kept(_ bed: ScriptBed, _ id: SessionID) throws -> [String] {
        try bed.redis.send("LRANGE", bed.keys(id).deltas, "0", "-1").array.compactMap(\.string)
    }

    @Test func `delta publishes what was added, keeps it for a while, and leaves the log alone`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        var reply: [RawReply] = []
        let heard = try bed.published(bed.keys(id).channel) {
            reply = try self.delta(bed, id, [(nil, "Hel"), (nil, "lo")])
            _ = try self.delta(bed, id, [(2, " there")])
        }
        #expect(Array(reply.dropFirst(2)) == ["feedface.1", 1, 1, 2] && reply.first == 1)
        #expect(try self.kept(bed, id) == heard && heard.count == 2)
        #expect(try parsed(heard[0]).data["text"]?.string == "Hello" && parsed(heard[1]).data["index"]?.int == 1)
        #expect(try bed.log(bed.keys(id)).count == 1)
        let life = try bed.redis.send("PTTL", bed.keys(id).deltas).string.flatMap { Int($0) } ?? 0
        #expect((1...100_000).contains(life))
    }

    @Test func `delta skips what it has, says what is missing, and keeps no more than asked`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        _ = try self.delta(bed, id, [(0, "a"), (1, "b")])
        #expect(try self.delta(bed, id, [(1, "b")]).suffix(2) == [1, 2], "a repetition publishes nothing")
        #expect(try self.delta(bed, id, [(3, "d")]) == [7, 2])
        #expect(
            try parsed(self.delta(bed, id, [(1, "b"), (2, "c")]).first == 1 ? self.kept(bed, id).last : nil)
                .data["text"]?.string == "c")
        #expect(try self.delta(bed, id, [(0, "x")], message: "m2").last == 1, "another message begins anew")
        #expect(try self.kept(bed, id).count == 1)
        for number in 1...5 { _ = try self.delta(bed, id, [(number, "y")], message: "m2", keep: 3) }
        #expect(try self.kept(bed, id).count == 3)
    }

    @Test func `deltas end with the agent's message and with the session`() async throws {
        let bed = try await ScriptBed.start()
        let (id, other) = (try bed.made(), try bed.made())
        for session in [id, other] { _ = try self.delta(bed, session, [(0, "a")]) }
        _ = try bed.append(id)
        #expect(try bed.exists(bed.keys(id).deltas), "a user's message changes nothing")
        _ = try bed.append(id, [#""type":"agent.message","data":{}}"#])
        #expect(try !bed.exists(bed.keys(id).deltas))
        _ = try bed.end(other, "ended")
        #expect(try !bed.exists(bed.keys(other).deltas))
        #expect(try self.delta(bed, other, [(0, "a")]) == [3])
        #expect(try self.delta(bed, bed.newID(), [(0, "a")]) == [0])
        try bed.advance(700_000)
        #expect(try self.delta(bed, id, [(0, "a")]) == [2])
    }
}
