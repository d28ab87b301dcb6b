import SojournCore
import SojournHTTP
import SojournStore

/// Turns, the queue, and stopping, as a session's user sees them.
extension NodeServer {
    var turnRoutes: [Route] {
        [
            Route(.get, Self.base + "/:id/turns") { [unowned self] context throws(StoreError) in
                let book = try await self.shard.turns(of: try self.shard.sessionID(context.captures[0]))
                return .json(200, ["turns": .array(book.turns.map { .object(TurnBody.turn($0)) })])
            },
            Route(.get, Self.base + "/:id/turns/:turn") { [unowned self] context throws(StoreError) in
                let id = try self.shard.sessionID(context.captures[0])
                let text = context.captures[1]
                let number = TurnID.number(
                    text.hasPrefix(id.text + ".") ? text.dropFirst(id.text.count + 1) : text[...])
                let book = try await self.shard.turns(of: id)
                guard let turn = book.turns.first(where: { $0.id.number == number }) else {
                    throw Self.turnNotFound(text)
                }
                return .json(200, .object(TurnBody.turn(turn)))
            },
            Route(.get, Self.base + "/:id/queue") { [unowned self] context throws(StoreError) in
                let book = try await self.shard.turns(of: try self.shard.sessionID(context.captures[0]))
                var body: JSONObject = ["queue": .array(book.queue.map(TurnBody.entry))]
                if let running = book.running { body["running"] = .object(TurnBody.turn(running)) }
                return .json(200, .object(body))
            },
            Route(.delete, Self.base + "/:id/queue/:entry") { [unowned self] context throws(StoreError) in
                try await self.cancelEntry(context)
            },
            Route(.post, Self.base + "/:id/interrupt") { [unowned self] context throws(StoreError) in
                try await self.interrupt(context)
            },
        ]
    }

    static func turnNotFound(_ text: String) -> StoreError { StoreError(.notFound, "Turn '\(text)' not found") }

    private func cancelEntry(_ context: RouteContext) async throws(StoreError) -> Answer {
        let id = try self.shard.sessionID(context.captures[0])
        let text = context.captures[1]
        let entry = text.hasPrefix(id.text + ".") ? String(text.dropFirst(id.text.count + 1)) : text
        let digits = entry.hasPrefix("s") ? entry.dropFirst() : entry[...]
        guard TurnID.number(digits) != nil else { throw Self.turnNotFound(text) }
        let (cancelled, queued) = try await self.shard.cancel(id, entry: entry)
        guard !cancelled.isEmpty else { throw Self.turnNotFound(text) }
        return .json(200, ["cancelled": .array(cancelled.map(JSON.string)), "queued": JSON(queued)])
    }

    /// Stops the running turn, or the next one if none runs; with `{"queue":"clear"}` also what waits.
    private func interrupt(_ context: RouteContext) async throws(StoreError) -> Answer {
        let emptying: Bool
        switch try context.body()?["queue"] {
        case nil, .null?, "keep"?: emptying = false
        case "clear"?: emptying = true
        default: throw .validation("Invalid queue: Must be one of: keep, clear", field: "queue")
        }
        let id = try self.shard.sessionID(context.captures[0])
        let (cancelled, queued) = try await self.shard.cancel(id, emptying: emptying)
        let turns = cancelled.filter { !$0.hasPrefix("s") }.map { JSON.string("\(id).\($0)") }
        return .json(200, ["interrupted": .bool(!cancelled.isEmpty), "turns": .array(turns), "queued": JSON(queued)])
    }
}
