import Foundation
import SojournTesting

/// A strict reader of Prometheus' text format, version 0.0.4.
struct PrometheusText {
    struct Wrong: Error, CustomStringConvertible {
        let description: String
    }

    struct Sample {
        let name: String
        let labels: [String: String]
        let value: Double
    }

    /// Type and samples of each family.
    private(set) var families: [String: (type: String, samples: [Sample])] = [:]
    /// The names of all labels.
    var labels: Set<String> { Set(self.families.values.flatMap { $0.samples.flatMap(\.labels.keys) }) }

    /// The value of the sample with exactly these labels; nil when there is none.
    subscript(name: String, labels: [String: String]) -> Double? {
        self.families.values.lazy.flatMap(\.samples).first { $0.name == name && $0.labels == labels }?.value
    }

    subscript(name: String) -> Double? { self[name, [:]] }

    init(_ bytes: [UInt8]) throws {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Wrong(description: "not UTF-8") }
        guard text.last == "\n" else { throw Wrong(description: "no newline at the end") }
        var current: (name: String, type: String?)?
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            func fail(_ why: String) -> Wrong { Wrong(description: "\(why): \(line)") }
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
            if words[0] == "#" {
                guard words.count == 4, words[2].wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) != nil else {
                    throw fail("not a comment of this format")
                }
                if words[1] == "HELP" {
                    guard self.families[words[2]] == nil, !words[3].isEmpty else { throw fail("twice, or no help") }
                    current = (words[2], nil)
                    self.families[words[2]] = ("", [])
                } else {
                    guard words[1] == "TYPE", current?.name == words[2], current?.type == nil,
                        ["counter", "gauge", "histogram"].contains(words[3])
                    else { throw fail("a type without its help") }
                    current?.type = words[3]
                    self.families[words[2]]?.type = words[3]
                }
                continue
            }
            guard let family = current, let type = family.type else { throw fail("a sample without a family") }
            let sample = try Self.sample(line)
            let names =
                type == "histogram" ? ["_bucket", "_sum", "_count"].map { family.name + $0 } : [family.name]
            guard names.contains(sample.name) else { throw fail("not of the family \(family.name)") }
            guard self[sample.name, sample.labels] == nil else { throw fail("a sample twice") }
            guard type == "gauge" || sample.value >= 0 else { throw fail("below 0") }
            guard type != "counter" || family.name.hasSuffix("_total") else { throw fail("a counter without _total") }
            self.families[family.name]?.samples.append(sample)
        }
        for (name, family) in self.families where family.type == "histogram" {
            try Self.checkHistogram(name, family.samples)
        }
    }

    private static func sample(_ line: Substring) throws -> Sample {
        let form = /([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/
        guard let match = line.wholeMatch(of: form), let value = Double(match.3) else {
            throw Wrong(description: "not a sample: \(line)")
        }
        var labels: [String: String] = [:]
        var rest = match.2 ?? ""
        while !rest.isEmpty {
            guard let label = rest.prefixMatch(of: /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(,(?=.))?/) else {
                throw Wrong(description: "not a label: \(rest)")
            }
            guard labels.updateValue(String(label.2), forKey: String(label.1)) == nil else {
                throw Wrong(description: "a label twice: \(line)")
            }
            rest = rest[label.range.upperBound...]
            guard rest.isEmpty == (label.3 == nil) else { throw Wrong(description: "labels without a comma: \(line)") }
        }
        return Sample(name: String(match.1), labels: labels, value: value)
    }

    /// Buckets ascend, in their ends and their counts; the last one holds all; count and sum are there.
    private static func checkHistogram(_ name: String, _ samples: [Sample]) throws {
        let series = Dictionary(grouping: samples) { $0.labels.filter { $0.key != "le" } }
        for (labels, all) in series {
            func only(_ suffix: String) -> [Sample] { all.filter { $0.name == name + suffix } }
            let ends = only("_bucket").map {
                $0.labels["le"] == "+Inf" ? Double.infinity : Double($0.labels["le"] ?? "")
            }
            let counts = only("_bucket").map(\.value)
            guard !ends.contains(nil), ends.compactMap(\.self) == ends.compactMap(\.self).sorted(),
                Set(ends).count == ends.count, ends.last == .infinity, counts == counts.sorted(),
                only("_count").map(\.value) == [counts.last], only("_sum").count == 1
            else { throw Wrong(description: "\(name) \(labels) is no histogram") }
        }
    }
}

extension TestNode {
    /// What the node tells of itself, once it could be read.
    func figures(headers: [String: String] = [:]) throws -> PrometheusText {
        let answer = try self.call("GET", target: "/metrics", headers: headers)
        guard answer.status == 200, answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8" else {
            throw PrometheusText.Wrong(description: "no figures: \(answer.response.head)")
        }
        return try PrometheusText(answer.response.body)
    }
}
