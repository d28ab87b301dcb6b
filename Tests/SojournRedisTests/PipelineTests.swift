import SojournLoop
import Testing

@testable import SojournRedis

/// A pipeline and what was answered, by name.
private final class Bench {
    var pipeline = Pipeline(endpoint: .unix(path: "/x"), maxWaiting: 10)
    var answers: [String: String] = [:]
    var names: [ObjectIdentifier: String] = [:]
    var kept: [PendingCommand] = []

    init(open: Bool = true) {
        self.pipeline.isOpen = open
        self.pipeline.allowsWrites = open
    }

    func add(_ name: String, _ kind: RedisCommandKind, deadline: Int = 1_000, key: String? = nil, script: Bool = false)
    {
        let payload: PendingCommand.Payload =
            script ? .script(appendScript, keys: ["k"], arguments: []) : .plain([.string(name)])
        let command = PendingCommand(payload, kind: kind, deadline: deadline, orderKey: key) { [weak self] result in
            switch result {
            case .success(let reply): self?.answers[name] = reply.string
            case .failure(let error): self?.answers[name] = error.serverCode ?? "\(error.code)"
            }
        }
        self.names[ObjectIdentifier(command)] = name
        self.kept.append(command)
        self.pipeline.submit(command)
    }

    func take(now: Int = 0) -> [String] {
        self.pipeline.takeSendable(now: now).map { (self.names[ObjectIdentifier($0)] ?? "?") + ($0.asEval ? "!" : "") }
    }
}

private let noScript = RESPValue.error(RESPErrorReply(message: "NOSCRIPT No matching script."))

@Suite struct PipelineTests {
    @Test func `replies meet their commands in order`() {
        let bench = Bench()
        for name in ["a", "b", "c"] { bench.add(name, .write) }
        #expect(bench.take() == ["a", "b", "c"])
        for reply in ["1", "2", "3"] { #expect(bench.pipeline.receive(.simple(reply)) == .settled) }
        #expect(bench.answers == ["a": "1", "b": "2", "c": "3"])
        #expect(bench.pipeline.receive(.simple("4")) == .unexpected)
    }

    @Test func `a late reply is discarded and the next one meets its command`() {
        let bench = Bench()
        bench.add("slow", .read, deadline: 10)
        bench.add("unknown", .write, deadline: 10)
        bench.add("next", .read, deadline: 1_000)
        _ = bench.take()
        #expect(bench.pipeline.expire(now: 10) == 1_000)
        #expect(bench.answers == ["slow": "timedOut", "unknown": "outcomeUnknown"])
        for reply in ["1", "2", "3"] { _ = bench.pipeline.receive(.simple(reply)) }
        #expect(bench.answers == ["slow": "timedOut", "unknown": "outcomeUnknown", "next": "3"])
    }

    @Test func `what never left is unavailable at its deadline`() {
        let bench = Bench(open: false)
        bench.add("w", .write, deadline: 10)
        bench.add("r", .read, deadline: 20)
        #expect(bench.take() == [])
        #expect(bench.pipeline.expire(now: 10) == 20)
        #expect(bench.pipeline.expire(now: 20) == nil)
        #expect(bench.answers == ["w": "unavailable", "r": "unavailable"])
    }

    @Test func `a lost connection makes writes unknown and sends reads again, once`() {
        let bench = Bench()
        bench.add("w", .write)
        bench.add("r", .read)
        _ = bench.take()
        bench.add("later", .write)
        bench.pipeline.connectionLost("gone")
        #expect(bench.answers == ["w": "outcomeUnknown"])
        #expect(bench.take() == [])
        bench.pipeline.isOpen = true
        bench.pipeline.allowsWrites = true
        #expect(bench.take() == ["r", "later"])
        bench.pipeline.connectionLost("gone")
        #expect(bench.answers == ["w": "outcomeUnknown", "r": "unavailable", "later": "outcomeUnknown"])
    }

    @Test func `commands of one key leave one at a time, others freely`() {
        let bench = Bench()
        bench.add("a1", .write, key: "a")
        bench.add("a2", .write, key: "a")
        bench.add("b1", .write, key: "b")
        bench.add("x", .write)
        #expect(bench.take() == ["a1", "b1", "x"])
        #expect(bench.pipeline.receive(.simple("1")) == .sendable)
        #expect(bench.take() == ["a2"])
    }

    @Test func `an unknown script is sent as text before anything of its key`() {
        let bench = Bench()
        bench.add("a1", .write, key: "a", script: true)
        bench.add("a2", .write, key: "a", script: true)
        bench.add("b1", .write, key: "b", script: true)
        #expect(bench.take() == ["a1", "b1"])
        #expect(bench.pipeline.receive(noScript) == .sendable)
        #expect(bench.pipeline.receive(noScript) == .sendable)
        #expect(bench.take() == ["a1!", "b1!"])
        _ = bench.pipeline.receive(.simple("1"))
        #expect(bench.take() == ["a2"])
        // A script that is unknown even as text is an error like any other.
        _ = bench.pipeline.receive(noScript)
        #expect(bench.answers["b1"] == "NOSCRIPT")
    }

    @Test func `a call that ran out of time is not repeated when its script was unknown`() {
        let bench = Bench()
        bench.add("a1", .write, deadline: 10, key: "a", script: true)
        bench.add("a2", .write, key: "a", script: true)
        _ = bench.take()
        _ = bench.pipeline.expire(now: 10)
        #expect(bench.take() == ["a2"])
        #expect(bench.pipeline.receive(noScript) == .settled)
        #expect(bench.answers == ["a1": "outcomeUnknown"])
    }

    @Test func `writes wait while the server is no master, and lanes expire too`() {
        let bench = Bench()
        bench.pipeline.allowsWrites = false
        bench.add("w", .write, key: "k")
        bench.add("w2", .write, deadline: 5, key: "k")
        bench.add("r", .read)
        #expect(bench.take() == ["r"])
        #expect(bench.pipeline.expire(now: 5) == 1_000)
        bench.pipeline.allowsWrites = true
        #expect(bench.take() == ["w"])
        #expect(bench.answers == ["w2": "unavailable"])
        #expect(bench.pipeline.waitingCount == 0)
    }

    @Test func `too many waiting commands and refused servers fail at once`() {
        let bench = Bench(open: false)
        for index in 0..<11 { bench.add("c\(index)", .read) }
        #expect(bench.answers == ["c10": "unavailable"])
        bench.pipeline.refusal = "no"
        #expect(bench.answers.values.filter { $0 == "refused" }.count == 10)
        bench.add("late", .read)
        #expect(bench.answers["late"] == "refused")
        bench.pipeline.refusal = nil
        bench.add("fine", .read)
        #expect(bench.answers["fine"] == nil)
    }

    @Test func `errors that tell of another role are told apart`() {
        let bench = Bench()
        bench.add("w", .write)
        bench.add("x", .write)
        _ = bench.take(now: 100)
        #expect(bench.pipeline.headAge(now: 350) == 250)
        #expect(
            bench.pipeline.receive(.error(RESPErrorReply(message: "READONLY You can't write"))) == .stateChanged)
        #expect(bench.pipeline.receive(.error(RESPErrorReply(message: "OOM full"))) == .settled)
        #expect(bench.answers == ["w": "READONLY", "x": "OOM"])
    }
}
