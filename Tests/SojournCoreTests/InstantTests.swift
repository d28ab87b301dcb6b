import Foundation
import SojournCore
import SojournTesting
import Testing

@Suite struct InstantTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (1_795_134_806_249, "2026-11-20T00:33:26.249Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func `known moments are written and read`(milliseconds: Int64, text: String) {
        #expect(Instant(milliseconds: milliseconds).iso8601 == text)
        #expect(Instant(iso8601: text) == Instant(milliseconds: milliseconds))
        #expect("\(Instant(milliseconds: milliseconds))" == text)
    }

    @Test func `random moments agree with Foundation`() throws {
        var generator = SeededGenerator(seed: 1)
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for _ in 0..<5000 {
            // Years 1 to 9999. Foundation is Gregorian from 1582 on; what lies before is Julian there.
            let milliseconds = Int64.random(in: -12_219_292_800_000...253_402_300_799_999, using: &generator)
            let instant = Instant(milliseconds: milliseconds)
            #expect(Instant(iso8601: instant.iso8601) == instant)
            let date = try style.parse(instant.iso8601)
            #expect((date.timeIntervalSince1970 * 1000).rounded() == Double(milliseconds), "\(instant)")
        }
    }

    @Test(
        arguments: [
            ("2026-11-20", 1_795_132_800_000), ("2026-11-20T00:33Z", 1_795_134_780_000),
            ("2026-11-20T00:33", 1_795_134_780_000), ("2026-11-20 00:33:26", 1_795_134_806_000),
            ("2026-11-20T00:33:26.2Z", 1_795_134_806_200), ("2026-11-20T00:33:26.2499999999Z", 1_795_134_806_249),
            ("2026-11-20T01:33:26.249+01:00", 1_795_134_806_249), ("2026-11-19T19:03:26.249-0530", 1_795_134_806_249),
        ] as [(String, Int64)])
    func `the forms that clients send are read`(text: String, milliseconds: Int64) {
        #expect(Instant(iso8601: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2026", "2026-11", "2026-13-01", "2026-00-10", "2026-02-29", "2026-04-31", "2026-11-32", "2026-11-20T",
        "2026-11-20T24:00Z", "2026-11-20T00:60Z", "2026-11-20T00:00:60Z", "2026-11-20T00:33:26.Z", "2026-11-20T00Z",
        "2026-11-20T00:33Zx", "2026-11-20T00:33+", "2026-11-20T00:33+1", "2026-11-20T00:33+25:00", "2026-11-20Z",
        "20261120", "tomorrow", "1795134806249", "2026-11-20t00:33z", "２026-11-20",
    ])
    func `everything else is refused`(text: String) {
        #expect(Instant(iso8601: text) == nil)
    }

    @Test func `the ends of the scale are written without a crash`() {
        #expect(Instant(milliseconds: .max).iso8601.hasSuffix("07:12:55.807Z"))
        #expect(Instant(milliseconds: .min).iso8601.hasSuffix("16:47:04.192Z"))
    }

    @Test func `instants are counted in milliseconds`() {
        let instant = Instant(milliseconds: 1000)
        #expect(instant + 5 == Instant(milliseconds: 1005))
        #expect(instant - 5 == Instant(milliseconds: 995))
        #expect(instant + 5 - instant == 5)
        #expect(instant < instant + 1)
    }
}
