import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

extension ScriptTests {
    @Test func `append logs and publishes the same bytes, and a message renews under auto-renewal`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        let keys = bed.keys(id)
        try bed.advance(1_000)
        var reply: [RawReply] = []
        let bodies = [#""type":"user.message","data":{"n":1}}"#, #""type":"agent.message","data":{"n":2}}"#]
        let heard = try bed.published(keys.channel) { reply = try bed.append(id, bodies, messages: 2).array }
        let created = try bed.number(keys.session, "c")
        let now = try bed.number(keys.session, "b")
        #expect(now >= created + 1_000)
        #expect(reply == [1, .int(now), "feedface.1", 2, .int(now + 600_000), 60_000, 1, 1])
        let log = try bed.log(keys)
        #expect(Array(log.dropFirst()) == heard && heard.count == 2)
        #expect(try parsed(log[1]).event.seq == 2 && parsed(log[2]).event.seq == 3)
        #expect(try parsed(log[2]).data["n"]?.int == 2)
        #expect(try bed.number(keys.session, "q") == 3 && bed.number(keys.session, "o") == 2)
        #expect(try bed.number(keys.session, "l") == now && bed.number(keys.session, "n") == 1)
        #expect(try bed.score(bed.due, id) == created + 540_000, "a timer may be early")
    }

    @Test func `append of what is no message, or without auto-renewal, leaves the deadline alone`() async throws {
        let bed = try await ScriptBed.start()
        let (auto, manual) = (try bed.made(), try bed.made(auto: false))
        try bed.advance(1_000)
        for (id, messages) in [(auto, 0), (manual, 1)] {
            let created = try bed.number(bed.keys(id).session, "c")
            let reply = try bed.append(id, messages: messages).array
            #expect(Array(reply.dropFirst(2)) == ["feedface.1", 2, .int(created + 600_000), 60_000, 0, 0])
            #expect(try bed.number(bed.keys(id).session, "b") == created)
            #expect(try bed.number(bed.keys(id).session, "o") == messages)
            #expect(try bed.number(bed.keys(id).session, "q") == 2)
        }
        #expect(try bed.number(bed.keys(auto).session, "l") == bed.number(bed.keys(auto).session, "c"))
        #expect(try bed.number(bed.keys(manual).session, "l") > bed.number(bed.keys(manual).session, "c"))
    }

    @Test func `append says why there is nothing to append to`() async throws {
        let bed = try await ScriptBed.start()
        #expect(try bed.append(bed.newID()) == .array([0]))
        let id = try bed.made()
        try bed.advance(600_000)
        #expect(try bed.append(id) == .array([2]))
        _ = try bed.end(id, "expired")
        #expect(try bed.append(id) == .array([3]))
        #expect(try bed.log(bed.keys(id)).count == 2, "the log is frozen")
    }

    @Test func `append over eight KiB is published as a doorbell and logged whole`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        let long = #""type":"user.message","data":{"content":""# + String(repeating: "x", count: 8_192) + #""}}"#
        let heard = try bed.published(bed.keys(id).channel) { _ = try bed.append(id, [long]) }
        #expect(heard == [#"{"v":1,"epoch":"feedface.1","seq":2,"doorbell":true}"#])
        #expect(try bed.log(bed.keys(id)).last?.hasSuffix(long) == true)
    }

    @Test func `append takes a warning back, once, and brings the timer forward near the cap`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(timeout: 600_000, warning: 60_000, max: 620_000)
        let created = try bed.number(bed.keys(id).session, "c")
        try bed.advance(545_000)
        #expect(try bed.fire(id).array.first == 2)
        #expect(try bed.score(bed.due, id) == created + 600_000)
        #expect(try bed.append(id).array.last == 1)
        let types = try bed.log(bed.keys(id)).map { try parsed($0).event.type }
        #expect(types == ["session.created", "session.expiring", "user.message", "session.renewed"])
        let data = try parsed(bed.log(bed.keys(id)).last).data
        #expect(data["cause"]?.string == "message" && data["renewalCount"]?.int == 1)
        #expect(try bed.number(bed.keys(id).session, "q") == 4)
        #expect(try bed.score(bed.due, id) == created + 560_000, "a timer is never late")
        _ = try bed.append(id)
        #expect(try bed.log(bed.keys(id)).count == 5)
    }

    @Test func `a heartbeat is silent, counts as activity, and renews under auto-renewal only`() async throws {
        let bed = try await ScriptBed.start()
        let (auto, manual) = (try bed.made(), try bed.made(auto: false))
        let due = try bed.score(bed.due, auto)
        try bed.advance(1_000)
        let reply = try bed.beat(auto, manual).array
        let now = try bed.number(bed.keys(auto).session, "b")
        let created = try bed.number(bed.keys(manual).session, "c")
        #expect(reply[0] == .int(now))
        #expect(reply[1] == .array([1, 1, .int(now + 600_000), 1]))
        #expect(reply[2] == .array([1, 0, .int(created + 600_000), 1]))
        #expect(try bed.number(bed.keys(manual).session, "l") == now)
        #expect(try bed.score(bed.due, auto) == due, "a heartbeat writes only the hash")
        #expect(try bed.log(bed.keys(auto)).count == 1)
    }

    @Test func `beat answers for each of many sessions, whole if asked`() async throws {
        let bed = try await ScriptBed.start()
        var ids = try (0..<30).map { _ in try bed.made() }
        ids += [bed.newID(), try bed.made()]
        _ = try bed.end(try #require(ids.last), "ended")
        let reply = try bed.beat(ids).array
        #expect(reply.count == 33)
        #expect(reply[1...30].allSatisfy { $0.array.first == 1 && $0.array.count == 4 })
        #expect(reply[31] == .array([0]) && reply[32] == .array([3]))
        let (blob, manual) = (try bed.made(blob: "{}"), try bed.made(auto: false))
        let wholes = try bed.beat(blob, manual, whole: true).array
        let (now, created) = (try bed.number(bed.keys(blob).session, "b"), try bed.number(bed.keys(blob).session, "c"))
        #expect(wholes[0] == .int(now))
        let line = "\(created) \(now) 600000 60000 3600000 1 1 \(now) 0 1 feedface.1 - - -"
        #expect(wholes[1] == .array([1, 1, .text(line), "AAAAAAAAAAAAAAAAUUUUUUUUUUUUUUUU", "{}"]))
        #expect(wholes[2].array[1] == 0 && wholes[2].array[4] == .null)
        try bed.advance(600_000)
        #expect(try bed.beat(ids[0]).array[1] == .array([2]))
        #expect(try bed.touch("renew", ids[0]).array.dropFirst() == [2])
    }

    @Test func `renew logs and publishes, and is refused at the cap, where a heartbeat only counts`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(max: 900_000, auto: false)
        let created = try bed.number(bed.keys(id).session, "c")
        try bed.advance(500_000)
        var renewed = RawReply.null
        let heard = try bed.published(bed.keys(id).channel) { renewed = try bed.touch("renew", id) }
        #expect(renewed.array[1...2] == [1, 1] && renewed.array[3].array.contains("feedface.1:1"))
        #expect(renewed.array[4] == .null)
        #expect(try bed.log(bed.keys(id)).suffix(1) == heard[...])
        let (event, data) = try parsed(heard.first)
        #expect(event.type == "session.renewed" && event.seq == 2)
        #expect(data["expiresAt"]?.string == Instant(milliseconds: Int64(created + 900_000)).iso8601)
        #expect(data["cause"]?.string == "renew" && data["renewalCount"]?.int == 1)
        let base = try bed.number(bed.keys(id).session, "b")
        try bed.advance(1_000)
        #expect(try bed.touch("renew", id).array.dropFirst() == [5])
        #expect(try bed.beat(id).array[1] == .array([1, 0, .int(created + 900_000), 2]))
        #expect(try bed.touch("heartbeat", id).array[1...2] == [1, 0])
        #expect(try bed.number(bed.keys(id).session, "b") == base && bed.number(bed.keys(id).session, "n") == 1)
        #expect(try bed.log(bed.keys(id)).count == 2)
    }

    @Test func `touch takes a warning back, and brings the timer forward near the cap`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(timeout: 600_000, warning: 60_000, max: 620_000)
        let created = try bed.number(bed.keys(id).session, "c")
        try bed.advance(545_000)
        _ = try bed.fire(id)
        #expect(try bed.beat(id).array[1] == .array([4]), "that is left to touch")
        #expect(try bed.number(bed.keys(id).session, "n") == 0)
        #expect(try bed.touch("heartbeat", id).array[1...2] == [1, 1])
        #expect(try bed.number(bed.keys(id).session, "q") == 3)
        #expect(try parsed(bed.log(bed.keys(id)).last).data["cause"]?.string == "heartbeat")
        #expect(try bed.score(bed.due, id) == created + 560_000, "a timer is never late")
        try bed.advance(15_000)
        #expect(try bed.fire(id).array.first == 2, "the new deadline has a warning of its own")
    }

    @Test func `patch changes what it names, keeps the base, and says why it cannot`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made(blob: "{}")
        let keys = bed.keys(id)
        let created = try bed.number(keys.session, "c")
        try bed.advance(1_000)
        var reply: [RawReply] = []
        let heard = try bed.published(keys.channel) { reply = try bed.patch(id, timeout: 300_000).array }
        #expect(reply.count == 4 && reply[0] == 1 && reply[2].array.contains("300000") && reply[3] == "{}")
        #expect(try bed.number(keys.session, "b") == created && bed.number(keys.session, "w") == 60_000)
        #expect(try bed.score(bed.due, id) == created + 240_000, "an earlier deadline lowers the timer")
        #expect(heard.count == 1)
        let (event, data) = try parsed(heard.first)
        #expect(event.type == "session.updated" && data["timeoutMs"]?.int == 300_000)
        #expect(data["autoRenew"]?.bool == true && data["maxDurationMs"]?.int == 3_600_000)
        #expect(try bed.patch(id, auto: false, max: 60_000, warning: 120_000).array.first == 1)
        #expect(try bed.number(keys.session, "m") == 300_000, "never less than the timeout")
        #expect(try bed.number(keys.session, "r") == 0 && bed.score(bed.due, id) == created + 180_000)
        #expect(try bed.patch(id, max: 5_000 * 60_000).array.first == 1)
        #expect(try bed.number(keys.session, "m") == 2_880 * 60_000, "never more than twice the longest timeout")
        try bed.advance(200_000)
        #expect(try bed.patch(id, timeout: 100_000) == .array([6]))
        #expect(try bed.number(keys.session, "t") == 300_000)
        try bed.advance(100_000)
        #expect(try bed.patch(id, timeout: 900_000) == .array([2]))
        _ = try bed.end(id, "expired")
        #expect(try bed.patch(id, timeout: 900_000) == .array([3]))
        #expect(try bed.patch(bed.newID(), timeout: 900_000) == .array([0]))
    }

    @Test func `patch that moves a warned deadline re-arms the warning`() async throws {
        let bed = try await ScriptBed.start()
        let id = try bed.made()
        let created = try bed.number(bed.keys(id).session, "c")
        try bed.advance(540_000)
        _ = try bed.fire(id)
        _ = try bed.patch(id, warning: 120_000)
        #expect(try bed.hash(bed.keys(id).session)["x"] == "\(created + 600_000)", "the same approach")
        _ = try bed.patch(id, timeout: 900_000)
        #expect(try bed.hash(bed.keys(id).session)["x"] == nil)
        let types = try bed.log(bed.keys(id)).map { try parsed($0).event.type }
        #expect(types.suffix(3) == ["session.updated", "session.updated", "session.renewed"])
        #expect(try parsed(bed.log(bed.keys(id)).last).data["cause"]?.string == "patch")
        #expect(try bed.score(bed.due, id) == created + 600_000)
        #expect(try bed.fire(id) == .array([1, .int(created + 780_000)]))
    }
}
