import SojournCore
import SojournLoop

/// A demonstration worker: it claims turns over the public interface and says back what it was told, word by word.
/// Loop-confined.
final class EchoWorker {
    private let loop: EventLoop
    private let address: HTTPCall.Address
    private let key: String?
    private let agent: String
    private let log: Log
    private var isRunning = true
    private var open = 0

    init(loop: EventLoop, address: HTTPCall.Address, key: String?, agent: String, log: Log) {
        self.loop = loop
        self.address = address
        self.key = key
        self.agent = agent
        self.log = log
    }

    /// Claims and answers until ``stop()``. A node that is away is asked again.
    func run() async {
        while self.isRunning {
            do throws(HTTPCall.Failure) {
                let (status, body) = try await self.post(
                    "/api/messaging/agents/\(self.agent)/turns/claim?wait=20s&max=8", .object(JSONObject()))
                guard status == 200 else {
                    self.log(
                        .warning, "the node refused a claim; it is asked again",
                        ["http.status": String(status), "error": body?["error"]?["message"]?.string ?? ""])
                    await self.loop.sleep(milliseconds: 1000)
                    continue
                }
                for turn in body?["turns"]?.array ?? [] {
                    self.open += 1
                    self.loop.spawn {
                        await self.answer(turn)
                        self.open -= 1
                    }
                }
            } catch {
                guard self.isRunning else { return }
                self.log(.warning, "the node cannot be reached; it is asked again", ["error": error.description])
                await self.loop.sleep(milliseconds: 1000)
            }
        }
    }

    /// Claims no more, and waits for the answers that are being given.
    func stop() async {
        self.isRunning = false
        while self.open > 0 { await self.loop.sleep(milliseconds: 5) }
    }

    /// Says back what the turn's messages say: each word as a delta, then the whole.
    private func answer(_ turn: JSON) async {
        guard let id = turn["turnId"]?.string, let token = turn["leaseToken"]?.string else { return }
        let said = (turn["messages"]?.array ?? []).compactMap { $0["content"]?.string }.joined(separator: "\n")
        let text = "Echo: " + said
        let messageID = "\(id):\(token.suffix(16))"
        let path = "/api/messaging/turns/\(id)"
        do throws(HTTPCall.Failure) {
            for (index, chunk) in Self.chunks(text).enumerated() {
                let (status, _) = try await self.post(
                    path + "/deltas",
                    [
                        "leaseToken": .string(token), "messageId": .string(messageID), "text": .string(chunk),
                        "index": JSON(index),
                    ])
                // The turn was interrupted, or its lease is over.
                if status == 409 { return }
            }
            _ = try await self.post(
                path + "/complete",
                [
                    "leaseToken": .string(token),
                    "message": ["messageId": .string(messageID), "content": .string(text)],
                ])
        } catch {
            self.log(
                .warning, "an answer could not be given; the turn is tried again when its lease is over",
                ["turn.id": id, "error": error.description])
        }
    }

    /// The words with the spaces behind them, at most 32 pieces.
    static func chunks(_ text: String) -> [String] {
        var chunks: [String] = []
        var word = ""
        for character in text {
            word.append(character)
            if character.isWhitespace, chunks.count < 31 {
                chunks.append(word)
                word = ""
            }
        }
        return word.isEmpty ? chunks : chunks + [word]
    }

    private func post(_ path: String, _ body: JSON) async throws(HTTPCall.Failure) -> (status: Int, body: JSON?) {
        try await HTTPCall.post(path, body, to: self.address, key: self.key, on: self.loop)
    }
}
