import SojournCore
import SojournHTTP
import SojournLoop

/// Every answer is counted here, and told to the log when somebody wants to know.
extension NodeServer: HTTPExchangeObserver {
    func answered(_ exchange: HTTPExchange, status: Int) {
        let took = EventLoop.microseconds - exchange.arrivedAt
        self.tallies[exchange.kind].record(status, exchange.isWaiting ? nil : took)
        if status == 500 { return self.tell(.warning, "a request failed", exchange, status, took) }
        if !exchange.isWaiting, self.isSlow(took), self.slowLines.admit() {
            return self.tell(.warning, "a request took long", exchange, status, took)
        }
        self.tell(.debug, "a request was answered", exchange, status, took)
    }

    func isSlow(_ microseconds: Int) -> Bool {
        self.configuration.slowRequest.map { microseconds >= $0 * 1000 } ?? false
    }

    /// The path without the query: that may hold a token.
    private func tell(
        _ level: LogLevel, _ sentence: String, _ exchange: HTTPExchange, _ status: Int, _ microseconds: Int
    ) {
        self.log(
            level, sentence,
            [
                "request.id": exchange.name, "http.method": exchange.method.rawValue,
                "http.path": String(exchange.rawPath.prefix(256)), "http.status": String(status),
                "duration.ms": Self.milliseconds(microseconds), "client.address": self.addresses.counted(exchange),
                "trace.id": exchange.header("traceparent").flatMap(TraceParent.init)?.traceID ?? "",
            ])
    }

    /// Microseconds as milliseconds with one digit.
    static func milliseconds(_ microseconds: Int) -> String { "\(microseconds / 1000).\(microseconds / 100 % 10)" }
}

extension RouteContext {
    /// Where the request stands in a trace.
    var trace: TraceParent? { self.exchange.header("traceparent").flatMap(TraceParent.init) }
}
