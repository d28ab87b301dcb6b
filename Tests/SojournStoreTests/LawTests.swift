import Foundation
import SojournTesting
import Testing

@testable import SojournStore

/// The laws of a session's life as properties of random runs.
///
/// `SOJOURN_SEED` repeats a run's choices, `SOJOURN_OPERATIONS` makes it longer.
@Suite struct LawTests {
    @Test func `ten thousand random operations over two nodes obey the laws`() async throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["SOJOURN_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: .min ... .max)
        let wanted = environment["SOJOURN_OPERATIONS"].flatMap { Int($0) } ?? 10_000
        print("laws: SOJOURN_SEED=\(seed) SOJOURN_OPERATIONS=\(wanted)")
        let server = try await RedisServer.start()
        defer { server.stop() }
        let world = try await LawWorld(on: server)
        var dice = Dice(seed: seed)
        var done = 0
        while done < wanted {
            if world.live.count < 30 || dice.chance(8) {
                try await world.create(&dice)
                done += 1
            } else if dice.chance(14) {
                try await world.moveClock(&dice)
                done += 1
            } else {
                done += try await world.burst(&dice)
            }
        }
        let ailments = try await DoctorVisit.ailments(on: server)
        #expect(ailments == [], "after \(done) operations")
        try await world.finish()
        print("laws: \(done) operations on \(world.histories.count) sessions")
        await world.stop()
    }
}
