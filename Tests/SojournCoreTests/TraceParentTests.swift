import SojournCore
import Testing

@Suite struct TraceParentTests {
    static let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test func `a traceparent is taken as it is, of newer versions what is known`() throws {
        let trace = try #require(TraceParent(Self.good))
        #expect(trace.description == Self.good)
        #expect(trace.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(TraceParent("cc" + Self.good.dropFirst(2) + "-what-comes-later")?.description == Self.good)
        #expect(TraceParent("cc" + Self.good.dropFirst(2))?.description == Self.good)
    }

    @Test(arguments: [
        "", "00", good + "-more", good + "x", "ff" + good.dropFirst(2), good.uppercased(), " " + good,
        good.replacing("4bf92f3577b34da6a3ce929d0e0e4736", with: String(repeating: "0", count: 32)),
        good.replacing("00f067aa0ba902b7", with: String(repeating: "0", count: 16)),
        good.replacing("-", with: "_"), good.replacing("4b", with: "é"), good.replacing("4bf", with: "\"},"),
    ])
    func `anything else is none`(text: String) { #expect(TraceParent(text) == nil) }

    @Test func `a distribution counts by class, and adds up`() {
        var times = Distribution([10, 20])
        for value in [-5, 0, 10, 11, 20, 21, 1000] { times.record(value) }
        #expect(times.counts == [3, 2, 2] && times.sum == 1062 && times.count == 7)
        let both = times + times
        #expect(both.counts == [6, 4, 4] && both.sum == 2124)
    }
}
