import SojournLoop

extension NodeServer {
    /// How long a drain takes at the least for each stream, in milliseconds.
    private static let drainStep = 10
    /// How long clients wait before they connect elsewhere: the pace of the drain spreads them already.
    static var drainRetry: Int { Int.random(in: 100...1500) }

    /// Ends the streams one after the other, so that not all clients knock at the other nodes' doors at once.
    func sendStreamsElsewhere(within limit: Int) async {
        var left = Array(self.streams.values)
        let start = EventLoop.now
        let duration = max(1, min(limit, left.count * Self.drainStep))
        let count = left.count
        while !left.isEmpty {
            // How many should be gone by now.
            let due = min(count, count * (EventLoop.now - start) / duration + 1)
            while count - left.count < due, let stream = left.popLast() {
                stream.drain(retry: Self.drainRetry)
                self.counters.drained += 1
            }
            if !left.isEmpty { await self.loop.sleep(milliseconds: Self.drainStep) }
        }
    }
}
