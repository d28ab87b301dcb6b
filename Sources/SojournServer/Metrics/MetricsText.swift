import SojournCore

/// Writes Prometheus' text format, version 0.0.4: one family after the other, each with its help, its type and its
/// samples.
struct MetricsText {
    /// Names of labels and their values.
    typealias Labels = [(name: String, value: String)]

    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var bytes: [UInt8] = []

    /// Something that only grows; its name ends in `_total`.
    mutating func counter(_ name: String, _ help: String, _ value: Int) {
        self.counter(name, help, [(labels: [], value: value)])
    }

    /// Something that only grows, in parts.
    mutating func counter(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Int)]) {
        self.family(name, "counter", help)
        for sample in samples { self.sample(name, sample.labels, String(sample.value)) }
    }

    /// Parts of something that only grows, by the value of one label; in the order of their values.
    mutating func counter(_ name: String, _ help: String, by label: String, _ values: [String: Int]) {
        self.counter(
            name, help,
            values.sorted { $0.key < $1.key }.map { (labels: [(name: label, value: $0.key)], value: $0.value) })
    }

    /// Something that goes up and down.
    mutating func gauge(_ name: String, _ help: String, _ value: Int) {
        self.gauge(name, help, [(labels: [], value: value)])
    }

    /// Something that goes up and down, in parts.
    mutating func gauge(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Int)]) {
        self.family(name, "gauge", help)
        for sample in samples { self.sample(name, sample.labels, String(sample.value)) }
    }

    /// A duration that goes up and down, given in microseconds.
    mutating func seconds(_ name: String, _ help: String, _ microseconds: Int, kind: String = "gauge") {
        self.family(name, kind, help)
        self.sample(name, [], Self.seconds(microseconds))
    }

    /// Durations, given in microseconds.
    mutating func histogram(_ name: String, _ help: String, _ durations: Distribution) {
        self.histogram(name, help, [(labels: [], value: durations)])
    }

    /// Durations in parts, given in microseconds.
    mutating func histogram(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Distribution)]) {
        self.family(name, "histogram", help)
        for (labels, durations) in samples {
            var count = 0
            for (bound, more) in zip(durations.bounds, durations.counts) {
                count += more
                self.sample(name + "_bucket", labels + [(name: "le", value: Self.seconds(bound))], String(count))
            }
            count += durations.counts.last ?? 0
            self.sample(name + "_bucket", labels + [(name: "le", value: "+Inf")], String(count))
            self.sample(name + "_sum", labels, Self.seconds(durations.sum))
            self.sample(name + "_count", labels, String(count))
        }
    }

    private mutating func family(_ name: String, _ kind: String, _ help: String) {
        self.bytes.append(
            contentsOf: "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind)\n".utf8)
    }

    private mutating func sample(_ name: String, _ labels: Labels, _ value: String) {
        self.bytes.append(contentsOf: name.utf8)
        for (place, label) in labels.enumerated() {
            self.bytes.append(UInt8(ascii: place == 0 ? "{" : ","))
            self.bytes.append(contentsOf: #"\#(label.name)="\#(Self.escaped(label.value, quotes: true))""#.utf8)
        }
        if !labels.isEmpty { self.bytes.append(UInt8(ascii: "}")) }
        self.bytes.append(contentsOf: " \(value)\n".utf8)
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// Microseconds as seconds, exactly.
    private static func seconds(_ microseconds: Int) -> String {
        let (whole, part) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        guard part > 0 else { return String(whole) }
        var digits = String(part)
        digits = String(repeating: "0", count: 6 - digits.count) + digits
        while digits.last == "0" { digits.removeLast() }
        return "\(whole).\(digits)"
    }
}
