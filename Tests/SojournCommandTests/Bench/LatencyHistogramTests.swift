import Testing

@testable import SojournCommand

@Suite struct LatencyHistogramTests {
    @Test func `percentiles of a thousand different durations are exact to one in 64`() {
        var histogram = LatencyHistogram()
        for value in 1...1000 { histogram.record(value * 100) }
        for (percent, exact) in [(50.0, 50_000), (90, 90_000), (99, 99_000), (99.9, 99_900)] {
            let read = histogram.percentile(percent)
            #expect(read >= exact && read <= exact + exact / 64 + 1, "\(percent): \(read)")
        }
        #expect(histogram.count == 1000)
        #expect(histogram.maximum == 100_000)
    }

    @Test func `short durations have classes of their own, and no percentile exceeds the longest`() {
        var histogram = LatencyHistogram()
        for value in 0..<128 { histogram.record(value) }
        #expect(histogram.percentile(50) == 63)
        #expect(histogram.percentile(100) == 127)
        histogram.record(.max)
        #expect(histogram.percentile(100) == .max)
    }

    @Test func `nothing recorded is nothing`() {
        #expect(LatencyHistogram().percentile(99) == 0)
    }
}
