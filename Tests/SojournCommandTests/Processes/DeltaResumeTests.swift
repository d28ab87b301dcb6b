import Foundation
import SojournLoop
import SojournTesting
import Testing

@testable import SojournCommand

/// A message is written token by token while the nodes that its readers are on are killed.
@Suite struct DeltaResumeTests {
    private static let pieces = 2000
    private static let agent = "11111111-1111-4111-8111-111111111111"

    /// What a client has put together.
    private struct Text {
        var cursor = "0"
        var text = ""
        var deltas = 0
        var whole: String?
        var lost = 0
        var isOver = false
    }

    private final class Reader: Sendable {
        let state = Locked(Text())

        func start(_ transport: StormTransport, _ session: String, on ports: Fleet.Ports) -> BlockingWork {
            BlockingWork {
                while self.state.withLock({ $0.whole == nil && !$0.isOver }) {
                    guard let port = ports.any,
                        let connection = try? transport.open(
                            session, on: port, after: self.state.withLock { $0.cursor })
                    else {
                        dawdle(milliseconds: 5)
                        continue
                    }
                    while self.state.withLock({ $0.whole == nil }), let event = try? connection.next() {
                        self.take(event)
                    }
                    self.state.withLock { $0.lost += 1 }
                    connection.close()
                }
            }
        }

        private func take(_ event: StormEvent) {
            let json = try? JSONSerialization.jsonObject(with: Data(event.text.utf8)) as? [String: Any]
            let data = json?["data"] as? [String: Any]
            self.state.withLock { state in
                if let cursor = event.cursor { state.cursor = cursor }
                switch event.type {
                case "agent.message.delta":
                    state.text += data?["text"] as? String ?? "<no text>"
                    state.deltas += 1
                case "agent.message": state.whole = data?["content"] as? String
                case "stream.gap": state.text += "<gap>"
                default: break
                }
            }
        }
    }

    @Test(arguments: StormTransport.allCases)
    func `2000 deltas read over killed nodes are the text, byte for byte`(transport: StormTransport) async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        // The worker's node stays; the readers' nodes do not.
        let home = try await Fleet(1, on: server)
        defer { home.stop() }
        let fleet = try await Fleet(2, on: server)
        defer { fleet.stop() }
        let node = home[0]
        let claim = "/api/messaging/agents/\(Self.agent)/turns/claim"
        #expect(try node.ask("POST", claim).status == 200)
        let session = try node.create()
        #expect(node.say("tell me something long", in: session))
        let (status, body) = try node.ask("POST", claim + "?lease=10m&wait=10s")
        let turn = try #require((body["turns"] as? [[String: Any]])?.first, "\(status) \(body)")
        let turnID = try #require(turn["turnId"] as? String)
        let token = try #require(turn["leaseToken"] as? String)
        let readers = (0..<4).map { _ in Reader() }
        let reading = readers.map { $0.start(transport, session, on: fleet.ports) }
        let port = try #require(node.port)
        let whole = Locked("")
        let taken = Locked(0)
        let writing = BlockingWork {
            guard let client = try? RawHTTP(port: port, deadlineMilliseconds: 30_000) else { return }
            func post(_ path: String, _ body: [String: Any]) -> Bool {
                guard let bytes = try? JSONSerialization.data(withJSONObject: body) else { return false }
                let head =
                    "POST /api/messaging/turns/\(turnID)/\(path) HTTP/1.1\r\nHost: localhost\r\n"
                    + "Content-Length: \(bytes.count)\r\n\r\n"
                return (try? client.send(Array(head.utf8) + bytes)) != nil
                    && (try? client.readResponse())?.status == 200
            }
            for index in 0..<Self.pieces {
                let piece = "\(index) " + ["é", "😀", "\n", "\"", "plain "].randomElement(or: "")
                whole.withLock { $0 += piece }
                let delta: [String: Any] = ["leaseToken": token, "messageId": "m-1", "index": index, "text": piece]
                guard post("deltas", delta) else { return }
                taken.withLock { $0 += 1 }
            }
            _ = post(
                "complete", ["leaseToken": token, "message": ["messageId": "m-1", "content": whole.withLock { $0 }]])
        }
        var kills = 0
        while taken.withLock({ $0 }) < Self.pieces {
            let before = taken.withLock { $0 }
            try await fleet.kill(Int.random(in: 0..<2))
            kills += 1
            try await eventually(within: 60, "the text goes on") {
                taken.withLock { $0 > before + 100 || $0 == Self.pieces }
            }
        }
        try await writing.finish(within: 120)
        for reader in readers {
            try await eventually(within: 60, "a reader has the message") { reader.state.withLock { $0.whole != nil } }
        }
        for task in reading { try await task.finish(within: 60) }
        let text = whole.withLock { $0 }
        for reader in readers {
            let seen = reader.state.withLock { $0 }
            #expect(Array(seen.text.utf8) == Array(text.utf8), "\(seen.text.utf8.count) of \(text.utf8.count) bytes")
            #expect(seen.whole.map { Array($0.utf8) } == Array(text.utf8))
        }
        let lost = readers.reduce(0) { $0 + $1.state.withLock { $0.lost } }
        #expect(kills >= 3 && lost >= kills)
        print(
            "\(transport.rawValue): \(Self.pieces) deltas, \(kills) nodes killed, \(lost) connections of 4 readers lost"
        )
    }
}

extension [String] {
    fileprivate func randomElement(or other: String) -> String { self.randomElement() ?? other }
}
