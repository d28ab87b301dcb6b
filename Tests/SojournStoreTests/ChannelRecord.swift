import Foundation
import SojournCore
import SojournLoop
import SojournTesting

/// All that is published on one channel, from now on.
final class ChannelRecord: Sendable {
    private let all = Locked<[JSON]>([])
    private let isListening = Locked(false)

    init(_ endpoint: Endpoint, _ channel: String) {
        Thread.detachNewThread { [self] in
            guard let client = try? RawRedis(endpoint), (try? client.send("SSUBSCRIBE", channel)) != nil else { return }
            self.isListening.withLock { $0 = true }
            while let push = try? client.read() {
                guard let text = push.array.last?.string, let json = try? JSON.parse(text) else { continue }
                self.all.withLock { $0.append(json) }
            }
        }
    }

    /// Waits until it hears.
    func listens() async throws {
        try await eventually("the channel is heard") { self.isListening.withLock { $0 } }
    }

    /// What was heard, once the event with this seq was.
    func events(until seq: Int) async throws -> [JSON] {
        try await eventually(within: 30, "event \(seq) is heard") {
            self.all.withLock { $0.last { $0["seq"] != nil }?["seq"]?.int } == seq
        }
        return self.all.withLock { $0 }
    }
}
