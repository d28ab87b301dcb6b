import SojournCore

/// What one run came to.
struct BenchReport: Sendable {
    let scenario: String
    /// What was done, in order; names are those of the JSON output.
    var figures: [(name: String, value: Double)] = []
    /// Why there is no latency figure.
    var fault: String?

    init(_ scenario: String) { self.scenario = scenario }

    subscript(name: String) -> Double? {
        get { self.figures.first { $0.name == name }?.value }
        set {
            self.figures.removeAll { $0.name == name }
            if let newValue { self.figures.append((name, newValue)) }
        }
    }

    /// Percentiles in microseconds; none when something was lost.
    mutating func add(_ latencies: LatencyHistogram, prefix: String = "") {
        guard self.fault == nil, latencies.count > 0 else { return }
        for (name, percent) in [("p50Us", 50), ("p90Us", 90), ("p99Us", 99), ("p999Us", 99.9)] {
            self[prefix + name] = Double(latencies.percentile(percent))
        }
        self[prefix + "maxUs"] = Double(latencies.maximum)
    }

    /// One line.
    var json: String {
        var object: JSONObject = ["scenario": .string(self.scenario)]
        for (name, value) in self.figures { object[name] = .number(Self.text(value)) }
        if let fault = self.fault { object["fault"] = .string(fault) }
        return JSON.object(object).text
    }

    /// A few lines for a person.
    var table: String {
        var lines = [self.fault.map { "\(self.scenario): NO LATENCY FIGURE, \($0)" } ?? self.scenario]
        for start in stride(from: 0, to: self.figures.count, by: 5) {
            let row = self.figures[start..<min(start + 5, self.figures.count)]
            lines.append("  " + row.map { "\($0.name) \(Self.text($0.value))" }.joined(separator: "  "))
        }
        return lines.joined(separator: "\n")
    }

    /// At most two decimals; always a valid JSON number.
    static func text(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return "0" }
        let hundredths = Int((value * 100).rounded())
        let (whole, rest) = (hundredths.magnitude / 100, hundredths.magnitude % 100)
        let sign = hundredths < 0 ? "-" : ""
        if rest == 0 { return sign + String(whole) }
        return sign + String(whole) + "." + (rest < 10 ? "0" : "") + String(rest)
    }
}
