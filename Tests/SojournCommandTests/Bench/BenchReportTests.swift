import SojournCore
import SojournLoop
import Testing

@testable import SojournCommand

@Suite struct BenchReportTests {
    @Test func `a run with a fault gives no latency`() throws {
        var latencies = LatencyHistogram()
        latencies.record(5)
        var report = BenchReport("heartbeat")
        report.add(latencies)
        #expect(report["p99Us"] == 5)
        var faulty = BenchReport("heartbeat")
        faulty.fault = "1 lost"
        faulty.add(latencies)
        let json = try JSON.parse(faulty.json)
        #expect(json["p99Us"] == nil)
        #expect(json["fault"] == "1 lost")
    }

    @Test(arguments: [
        (0.0, "0"), (1.5, "1.50"), (-2.25, "-2.25"), (0.004, "0"), (12, "12"), (.nan, "0"), (9.999, "10"),
    ])
    func `figures are JSON numbers with at most two decimals`(value: Double, text: String) throws {
        #expect(BenchReport.text(value) == text)
        #expect(try JSON.parse(text) == .number(text))
    }

    @Test func `wrong options are named`() throws {
        #expect(throws: BenchOptions.Wrong.self) { try BenchOptions(["--rate", "fast"]) }
        #expect(throws: BenchOptions.Wrong.self) { try BenchOptions(["--rate"]) }
        #expect(throws: BenchOptions.Wrong.self) { try BenchOptions(["--url", "127.0.0.1"]) }
        let options = try BenchOptions(["page", "--rate=50", "--url", "http://127.0.0.1:4000", "--", "--archive", "x"])
        #expect(options.scenarios == ["page"])
        #expect(options.rate == 50)
        #expect(options.url == .tcp(host: "127.0.0.1", port: 4000))
        #expect(options.nodeArguments == ["--archive", "x"])
    }

    @Test func `what Redis did is read from INFO`() {
        let usage = RedisUsage(
            info: """
                process_id:17\r
                used_cpu_user:1.500000\r
                used_cpu_sys:0.250000\r
                cmdstat_evalsha:calls=3,usec=90,usec_per_call=30.00\r
                cmdstat_hset:calls=6,usec=12\r
                cmdstat_info:calls=1,usec=5\r
                """)
        #expect(usage.process == 17)
        #expect(usage.cpuMicroseconds == 1_750_000)
        #expect(usage.scripts == 3)
        #expect(usage.scriptMicroseconds == 90)
        #expect(usage.commands == 9)
    }
}
