import SojournCore
import SojournLoop

/// Writes that are answered when replicas have them, or when that took too long. Loop only.
///
/// They go over a connection of their own: `WAIT` holds up everything behind it. One `WAIT` at a time is on its way,
/// and it stands for all writes whose replies came before its own, so that many writes share one wait.
final class DurableWrites {
    /// A reply, and how many replicas are known to have the write.
    typealias Outcome = Result<(reply: RESPValue, reached: Int), RedisError>

    /// One write from its reply until a `WAIT` has told about it.
    private final class Write {
        var reply: RESPValue?
        var finish: ((Outcome) -> Void)?
        func end(_ outcome: Outcome) {
            self.finish?(outcome)
            self.finish = nil
        }
    }

    let connection: RedisConnection
    private let loop: EventLoop
    private let wait: RedisWait
    private var writes: [Write] = []
    private var waitIsOut = false

    init(loop: EventLoop, endpoint: Endpoint, options: RedisOptions, wait: RedisWait, log: Log) {
        self.loop = loop
        self.wait = wait
        self.connection = RedisConnection(
            loop: loop, endpoint: endpoint, options: options, purpose: "durable writes", log: log)
    }

    func call(
        _ script: Script, keys: [String], arguments: [RedisArgument], orderKey: String?, timeoutMs: Int,
        isAsking: Bool = false, file: String, line: UInt
    ) async throws(RedisError) -> (reply: RESPValue, reached: Int) {
        let outcome = await withCheckedContinuation { (continuation: CheckedContinuation<Outcome, Never>) in
            let write = Write()
            write.finish = { continuation.resume(returning: $0) }
            self.writes.append(write)
            // Asked for before the writes of this pass are flushed, so that it leaves behind them in one write.
            self.waitSoon()
            let command = PendingCommand(
                .script(script, keys: keys, arguments: arguments), kind: .write, deadline: EventLoop.now + timeoutMs,
                orderKey: orderKey, file: file, line: line
            ) { [weak self] result in
                switch result {
                case .success(let reply): write.reply = reply
                case .failure(let error):
                    write.end(.failure(error))
                    self?.writes.removeAll { $0 === write }
                }
            }
            command.isAsking = isAsking
            self.connection.enqueue(command)
        }
        return try outcome.get()
    }

    private func waitSoon() {
        guard !self.waitIsOut else { return }
        self.waitIsOut = true
        self.loop.atEndOfTick { [weak self] in self?.sendWait() }
    }

    private func sendWait() {
        // A `WAIT` is no read: sent again on another connection it would tell of nothing.
        self.connection.enqueue(
            PendingCommand(
                .plain(["WAIT", .integer(self.wait.replicas), .integer(self.wait.milliseconds)]), kind: .write,
                deadline: EventLoop.now + self.connection.options.commandTimeoutMs + self.wait.milliseconds
            ) { [weak self] result in
                guard let self else { return }
                self.waitIsOut = false
                // Without an answer the writes have happened, and more is not known.
                let reached = (try? result.get())?.int ?? 0
                let told = self.writes.filter { $0.reply != nil }
                self.writes.removeAll { $0.reply != nil }
                for write in told { if let reply = write.reply { write.end(.success((reply, reached))) } }
                if !self.writes.isEmpty { self.waitSoon() }
            })
    }
}
