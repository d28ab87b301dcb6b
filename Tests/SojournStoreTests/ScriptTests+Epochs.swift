import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

extension ScriptTests {
    @Test func `another replication id opens a branch right after the head, in each script that logs`() async throws {
        let bed = try await ScriptBed.start()
        let real = try bed.realReplid()
        let name = real.prefix(8)
        let appended = try bed.made()
        #expect(try bed.append(appended, replid: "0123456701234567").array[2] == .text("\(name).2"))
        let fields = try bed.hash(bed.keys(appended).session)
        #expect(fields["e"] == "\(name).2" && fields["g"] == real)
        #expect(fields["k1"] == "feedface.1:1" && fields["k2"] == "\(name).2:2")
        #expect(try bed.append(appended, replid: real).array[2] == .text("\(name).2"), "once")
        #expect(try parsed(bed.log(bed.keys(appended)).last).event.epoch == "\(name).2")

        // The others too. Their hint is the stored id, so make the stored one something else.
        let ids = try (0..<4).map { _ in try bed.made(replid: "1111111122222222") }
        _ = try bed.touch("renew", ids[0])
        _ = try bed.patch(ids[1], timeout: 700_000)
        _ = try bed.end(ids[2], "ended")
        try bed.advance(550_000)
        #expect(try bed.fire(ids[3]).array.first == 2)
        for id in ids {
            let last = try parsed(bed.log(bed.keys(id)).last).event
            #expect(last.epoch == "\(name).2")
            #expect(try bed.number(bed.keys(id).session, "q") == last.seq)
            #expect(try bed.hash(bed.keys(id).session)["k2"] == "\(name).2:2")
        }
    }

    @Test func `a hint that is behind, while the server agrees with what is stored, opens none`() async throws {
        let bed = try await ScriptBed.start()
        let real = try bed.realReplid()
        let id = try bed.made(replid: real)
        #expect(try bed.append(id, replid: "0123456701234567").array[2] == .text("\(real.prefix(8)).1"))
        #expect(try bed.append(id, replid: "").array[2] == .text("\(real.prefix(8)).1"))
        #expect(try bed.hash(bed.keys(id).session)["k2"] == nil)
    }

    @Test func `a restart is a new epoch, and the last eight cuts are kept`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(replid: try bed.realReplid())
        var cuts = [try #require(bed.hash(bed.keys(id).session)["k1"])]
        // A promotion to master of a replica gives an id like a restart does, without one.
        for number in 2...9 {
            let old = try bed.realReplid()
            try bed.redis.send("DEBUG", "CHANGE-REPL-ID")
            let real = try bed.realReplid()
            try #require(real != old)
            let seq = try bed.number(bed.keys(id).session, "q") + 1
            let epoch = try #require(try bed.append(id, replid: real).array[2].string)
            #expect(epoch == "\(real.prefix(8)).\(number)")
            cuts.append("\(epoch):\(seq)")
            _ = try bed.append(id, replid: real)
        }
        let fields = try bed.hash(bed.keys(id).session)
        #expect(fields["k0"] == cuts[7] && fields["k1"] == cuts[8], "the ninth takes the place of the first")
        for number in 2...7 { #expect(fields["k\(number)"] == cuts[number - 1]) }
        #expect(fields["k8"] == nil && fields["k9"] == nil)
    }
}
