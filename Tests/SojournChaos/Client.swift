import Foundation
import SojournCore
import SojournTesting

/// How a client reaches the nodes: any of them, and another one when the first does not answer. For one thread.
struct Client {
    /// What came of an operation in the end.
    enum Outcome {
        case acknowledged([String: Any])
        /// The session is over: 410 or 404. `isSure` says that no earlier attempt may have done it.
        case over(status: Int, isSure: Bool)
        /// Refused, and nothing was done.
        case refused
        /// Nobody can tell.
        case unknown
    }

    let ports: [Int]
    let history: History
    var random: SeededGenerator

    mutating func port() -> Int { self.ports.randomElement(using: &self.random) ?? 0 }

    /// Asks one node after the other until one acknowledges or refuses for good, or the time is over.
    mutating func insist(
        _ method: String, _ path: String, _ body: [String: Any]? = nil, key: String? = nil, seconds: Double = 20
    ) -> Outcome {
        let end = History.now + seconds * 1000
        var mayBeDone = false
        self.history.count { $0.operations += 1 }
        var attempts = 0
        while attempts == 0 || History.now < end {
            attempts += 1
            if attempts > 1 { self.history.count { $0.retries += 1 } }
            let answer: (status: Int, body: [String: Any])
            do {
                answer = try RawHTTP.ask(port: self.port(), method, path, body, key: key, deadline: 4_000)
            } catch RawHTTPError.connect {
                dawdle(milliseconds: 50)
                continue
            } catch {
                // What has no key must not be done twice.
                mayBeDone = true
                if key == nil && method == "POST" { return .unknown }
                dawdle(milliseconds: 20)
                continue
            }
            let code = (answer.body["error"] as? [String: Any])?["code"] as? String ?? ""
            switch answer.status {
            case 200...202:
                self.history.count { $0.acknowledged += 1 }
                return .acknowledged(answer.body)
            case 404, 410: return .over(status: answer.status, isSure: !mayBeDone)
            case 503 where code == "OUTCOME_UNKNOWN":
                mayBeDone = true
                if key == nil && method == "POST" { return .unknown }
                dawdle(milliseconds: 50)
            case 503: dawdle(milliseconds: 100)
            // 422: its deadline is at the cap already.
            case 409, 429, 422: return mayBeDone ? .unknown : .refused
            default:
                self.history.violation(
                    .strange, nil, nil, "\(method) \(path) was answered \(answer.status) \(answer.body)")
                return .unknown
            }
        }
        return mayBeDone ? .unknown : .refused
    }

    /// An instant in an answer, in milliseconds.
    static func time(_ value: Any?) -> Double? {
        (value as? String).flatMap { Instant(iso8601: $0) }.map { Double($0.milliseconds) }
    }
}
