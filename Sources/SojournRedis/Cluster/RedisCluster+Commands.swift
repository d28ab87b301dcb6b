import SojournCore
import SojournLoop

/// Commands find their server, and go on to another one for as long as none has executed them.
extension RedisCluster {
    /// Redirections in a row after which a command takes a pause.
    private static let haste = 4

    func perform(
        _ payload: PendingCommand.Payload, key: String, kind: RedisCommandKind, orderKey: String?, timeoutMs: Int,
        file: String, line: UInt
    ) async throws(RedisError) -> RESPValue {
        try await self.route(key, orderKey, timeoutMs, file, line) {
            (master, isAsking, left) async throws(RedisError) -> RESPValue in
            try await master.connection.submit(
                payload, kind: kind, orderKey: nil, timeoutMs: left, isAsking: isAsking, file: file, line: line)
        }
    }

    func performDurably(
        _ script: Script, keys: [String], arguments: [RedisArgument], orderKey: String?, timeoutMs: Int,
        file: String, line: UInt
    ) async throws(RedisError) -> (reply: RESPValue, reached: Int?) {
        try await self.route(keys[0], orderKey, timeoutMs, file, line) {
            (master, isAsking, left) async throws(RedisError) -> (reply: RESPValue, reached: Int?) in
            guard let durable = master.durable else {
                let reply = try await master.connection.submit(
                    .script(script, keys: keys, arguments: arguments), kind: .write, orderKey: nil, timeoutMs: left,
                    isAsking: isAsking, file: file, line: line)
                return (reply, nil)
            }
            let (reply, reached) = try await durable.call(
                script, keys: keys, arguments: arguments, orderKey: nil, timeoutMs: left, isAsking: isAsking,
                file: file, line: line)
            return (reply, reached)
        }
    }

    private func route<Answer>(
        _ key: String, _ orderKey: String?, _ timeoutMs: Int, _ file: String, _ line: UInt,
        _ body: (RedisMaster, _ isAsking: Bool, _ left: Int) async throws(RedisError) -> Answer
    ) async throws(RedisError) -> Answer {
        let slot = ClusterSlot.of(key)
        let end = EventLoop.now + timeoutMs
        return try await self.inOrder(orderKey) { () async throws(RedisError) -> Answer in
            var target: RedisMaster?
            var redirections = 0
            var last = "nobody has said yet which server has its slot"
            var pause = 10
            while EventLoop.now < end, !self.isClosed {
                guard let master = target ?? self.owner(of: slot) else {
                    await self.loop.sleep(milliseconds: 20)
                    continue
                }
                let isAsking = target != nil
                target = nil
                do throws(RedisError) {
                    return try await body(master, isAsking, max(1, end - EventLoop.now))
                } catch {
                    guard let next = self.next(after: error, at: master) else { throw error }
                    last = error.message
                    redirections += 1
                    if case .ask(let endpoint) = next { target = self.master(at: endpoint) }
                    if next == .later || redirections > Self.haste {
                        await self.loop.sleep(milliseconds: min(pause, max(1, end - EventLoop.now)))
                        pause = min(pause * 2, 200)
                    }
                }
            }
            throw RedisError(
                code: .unavailable, message: "no server of the cluster took the command in time: \(last)",
                endpoint: self.owner(of: slot)?.endpoint ?? self.seed, file: file, line: line)
        }
    }

    private enum Next: Equatable {
        /// The owner of the slot as it is known now.
        case again
        case ask(Endpoint)
        /// The owner, in a moment.
        case later
    }

    /// What to do about an error that says that the command was not executed; nil for all others.
    private func next(after error: RedisError, at master: RedisMaster) -> Next? {
        switch (error.code, error.serverCode) {
        case (.server, "MOVED"):
            guard let moved = SlotMap.redirection(error.message, askedOf: error.endpoint) else { return nil }
            self.moved(moved.slot, to: moved.endpoint)
            return .again
        case (.server, "ASK"):
            return SlotMap.redirection(error.message, askedOf: error.endpoint).map { .ask($0.endpoint) }
        case (.server, "TRYAGAIN"): return .later
        case (.server, "CLUSTERDOWN"), (.server, "READONLY"), (.server, "LOADING"), (.server, "MASTERDOWN"):
            self.refresh()
            return .later
        case (.unavailable, _), (.refused, _):
            // A server that is no master any more has given it back.
            return self.isMember(master) ? nil : .again
        default: return nil
        }
    }
}
