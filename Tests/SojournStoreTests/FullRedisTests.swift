import SojournArchive
import SojournCore
import SojournTesting
import Testing

@testable import SojournStore

/// A Redis at `maxmemory` must still expire, archive and free; it refuses only what would make it fuller.
@Suite struct FullRedisTests {
    @Test func `a full Redis refuses what grows, and expires, archives and frees all the same`() async throws {
        let server = try await RedisServer.start(["--maxmemory", "6mb"])
        defer { server.stop() }
        let folder = TemporaryFolder()
        let node = try await StoreNode.start(on: server, archivePath: folder.file("a.sqlite"))
        let small = try await node.session(minutes: 60)
        let big = try await node.session(minutes: 20, autoRenew: false)
        let text = String(repeating: "x", count: 4_000)
        var refused: StoreError?
        var accepted = 0
        while refused == nil, accepted < 5_000 {
            do { accepted += try await node.say(text, in: big).cursor.seq > 0 ? 1 : 0 } catch {
                refused = error as? StoreError
            }
        }
        #expect(refused?.code == .storeUnavailable && accepted > 100, "\(accepted): \(String(describing: refused))")
        // Once memory was freed by chance (a client's buffer) the next small write may pass; so fill to the brim.
        let redis = try server.client()
        try redis.send("CONFIG", "SET", "maxmemory", "1mb")
        /// The test clock writes, too; it is no part of what a full Redis must do.
        func advance(minutes: Int64) async throws {
            try redis.send("CONFIG", "SET", "maxmemory", "0")
            try await node.store.advanceTestClock(milliseconds: minutes * 60_000)
            try redis.send("CONFIG", "SET", "maxmemory", "1mb")
        }
        let failures: [StoreError?] = [
            await #expect(throws: StoreError.self) { try await node.session() },
            await #expect(throws: StoreError.self) { try await node.say("a", in: small) },
            await #expect(throws: StoreError.self) {
                try await node.store.patch(small.id.text, TimeoutPatch(warning: 60_000))
            },
        ]
        #expect(failures.map { $0?.code } == [.storeUnavailable, .storeUnavailable, .storeUnavailable])
        #expect(try await node.store.heartbeat(small.id.text).extended)
        #expect(try await node.store.renew(small.id.text).renewalCount == 2)
        // The warning, then the expiry and its hand-over.
        try await advance(minutes: 16)
        try await eventually("the warning") { try await node.store.session(big.id.text).head == accepted + 2 }
        try await advance(minutes: 5)
        let archive = try #require(node.archive)
        try await eventually("the archive has it") { try await archive.session(big.id.text) != nil }
        #expect(try await archive.session(big.id.text)?.eventCount == accepted + 3)
        try await node.store.end(small.id.text)
        try await eventually("the archive has it") { try await archive.session(small.id.text) != nil }
        // What was freed is room again.
        try redis.send("CONFIG", "SET", "maxmemory", "6mb")
        // (Redis gives back the buffers of its clients only by and by.)
        var fresh: Session?
        try await eventually("there is room") {
            fresh = try? await node.session()
            return fresh != nil
        }
        try await node.say("hello", in: try #require(fresh))
        await node.stop()
    }

    @Test func `the scripts that free run on a full Redis, those that grow do not`() async throws {
        let bed = try await ScriptBed.start()
        let (live, warned, ended, stolen) = (try bed.made(), try bed.made(), try bed.made(), try bed.made())
        _ = try bed.end(ended, "ended")
        _ = try bed.end(stolen, "ended", owner: "a")
        try bed.redis.send("ZADD", bed.arc, "1", stolen.text)
        try bed.advance(550_000)
        try bed.redis.send("CONFIG", "SET", "maxmemory", "1")
        func isFull(_ reply: RawReply) -> Bool {
            if case .error(let text) = reply { text.hasPrefix("OOM") } else { false }
        }
        #expect(isFull(try bed.create(bed.newID())))
        #expect(isFull(try bed.append(live)))
        #expect(isFull(try bed.patch(live, timeout: 900_000)))
        let keys = bed.keys(live)
        let piece = [live.text, ScriptBed.replid, "m1", "", "100000", "100", "", "0", "x"]
        #expect(
            isFull(
                try bed.call(
                    bed.scripts.delta, [keys.session, keys.clock, keys.deltas, keys.channel, keys.session], piece)))
        #expect(isFull(try bed.call(bed.scripts.meta, [bed.space.meta], ["1.0", "16", "", "archive"])))
        #expect(try bed.read(live).array.first == 1)
        #expect(try bed.tick().array.count == 4)
        #expect(try bed.fire(warned).array.first == 2)
        #expect(try bed.touch("renew", live).array[1] == 1)
        #expect(try bed.beat(live).array[1].array.first == 1)
        #expect(try bed.end(warned, "ended").array.first == 1)
        #expect(try bed.call(bed.scripts.register, [bed.space.nodes], ["me", "5000"]) == .array(["me"]))
        let major = try #require(
            try bed.claim(bed.scripts.claim, ended, owner: "a", random: "r").array.dropFirst().first)
        #expect(try bed.claim(bed.scripts.steal, stolen, owner: "b", random: "r").array.first == 1)
        #expect(try bed.ack(ended, owner: "a", major: major.string ?? "", random: "r") == .array([1]))
        #expect(try !bed.exists(bed.keys(ended).log))
    }
}
