import SojournCore
import SojournHTTP
import SojournStore

/// What workers do, in any language, over plain HTTP.
extension NodeServer {
    static let turnBase = "/api/messaging/turns"

    var workerRoutes: [Route] {
        [
            Route(.post, Self.agentBase + "/:id/turns/claim", needs: .work) {
                [unowned self] context throws(StoreError) in
                try await self.claim(context)
            },
            Route(.post, Self.turnBase + "/:turn/extend", needs: .work) { [unowned self] context throws(StoreError) in
                try await self.extend(context)
            },
            Route(.post, Self.turnBase + "/:turn/events", needs: .work) { [unowned self] context throws(StoreError) in
                try await self.report(context)
            },
            Route(.post, Self.turnBase + "/:turn/deltas", needs: .work) { [unowned self] context throws(StoreError) in
                let worker = try WorkerRequest(context)
                let request = try DeltaRequest(.object(worker.body))
                let progress = try await self.deltas.publish(
                    request.pieces, of: request.messageID, turnID: worker.turn.text + " " + worker.token,
                    in: worker.turn.session, idempotency: worker.idempotency)
                return .json(
                    200,
                    [
                        "turnId": .string(worker.turn.text), "messageId": .string(request.messageID), "stop": false,
                        "cursor": .string(progress.cursor.description), "nextIndex": JSON(progress.pieces),
                    ])
            },
            Route(.post, Self.turnBase + "/:turn/complete", needs: .work) { [unowned self] context throws(StoreError) in
                try await self.complete(context)
            },
            Route(.post, Self.turnBase + "/:turn/fail", needs: .work) { [unowned self] context throws(StoreError) in
                try await self.fail(context)
            },
            Route(.post, Self.turnBase + "/:turn/return", needs: .work) { [unowned self] context throws(StoreError) in
                let worker = try WorkerRequest(context)
                return .json(200, try await self.finish(worker, .return, context))
            },
        ]
    }

    private func claim(_ context: RouteContext) async throws(StoreError) -> Answer {
        guard let agent = UUIDBits(context.captures[0]) else {
            throw .validation("Invalid UUID format for field 'agentId'", field: "agentId")
        }
        try await self.shard.agents.check(agent.text)
        let body = try context.body()
        let lease = try WorkerRequest.lease(context.query("lease"), body)
        let wait = try WorkerRequest.duration(context.query("wait"), "wait", 0...60_000) ?? 0
        let count = Input.limit(context.query("max"), default: 1, maximum: 32)
        let watch = ClaimWatch()
        let exchange = context.exchange
        exchange.onClosed { watch.leave() }
        self.remember(watch)
        defer { self.forget(watch) }
        let turns = try await self.shard.claim(agent: agent, count: count, lease: lease, wait: wait, watch: watch)
        if exchange.isClosed {
            for turn in turns { await self.shard.giveBack(turn) }
            return .taken
        }
        return .json(200, ["turns": .array(turns.map(TurnBody.leased))])
    }

    private func extend(_ context: RouteContext) async throws(StoreError) -> Answer {
        let worker = try WorkerRequest(context)
        let lease = try WorkerRequest.lease(context.query("lease"), worker.body)
        let wait = try WorkerRequest.duration(context.query("wait"), "wait", 0...60_000) ?? 0
        var waiting: Int64?
        if let value = worker.body["waitMs"], value != .null {
            guard let milliseconds = value.int, (1...86_400_000).contains(milliseconds) else {
                throw .validation("Invalid waitMs: Must be 1 to 86400000", field: "waitMs")
            }
            waiting = Int64(milliseconds)
        }
        var outcome = try await self.shard.extend(
            worker.turn, token: worker.token, milliseconds: lease, waiting: waiting, idempotency: worker.idempotency,
            asksAgain: wait > 0)
        if wait > 0, case .until(_, let steered, let head) = outcome, steered.isEmpty {
            await TurnNews.wait(
                self, worker.turn, after: head, milliseconds: min(wait, Int(lease)), exchange: context.exchange)
            guard !context.exchange.isClosed else { return .taken }
            outcome = try await self.shard.extend(
                worker.turn, token: worker.token, milliseconds: lease, waiting: waiting,
                idempotency: worker.idempotency)
        }
        switch outcome {
        case .until(let end, let steered, _):
            return .json(
                200,
                [
                    "turnId": .string(worker.turn.text), "stop": false, "leaseExpiresAt": .string(end.iso8601),
                    "messages": .array(steered.map(TurnBody.message)),
                ])
        case .stop(let status):
            return .json(
                200, ["turnId": .string(worker.turn.text), "stop": true, "status": JSON(status?.rawValue)])
        }
    }

    private func report(_ context: RouteContext) async throws(StoreError) -> Answer {
        let worker = try WorkerRequest(context)
        guard let events = worker.body["events"]?.array, (1...64).contains(events.count) else {
            throw .validation("Invalid events: Must be an array of 1 to 64 events", field: "events")
        }
        let session = try await self.shard.session(worker.turn.session)
        var reports: [TurnReport] = []
        for event in events { reports.append(try worker.report(event, agentID: session.agentID)) }
        let (cursor, end, durability) = try await self.shard.report(
            reports, of: worker.turn, token: worker.token, idempotency: worker.idempotency)
        var body: JSONObject = [
            "turnId": .string(worker.turn.text), "seq": JSON(cursor.seq), "cursor": .string(cursor.description),
            "leaseExpiresAt": .string(end.iso8601),
        ]
        if let durability { body["durability"] = MessageBody.durability(durability) }
        return .json(201, .object(body))
    }

    private func complete(_ context: RouteContext) async throws(StoreError) -> Answer {
        let worker = try WorkerRequest(context)
        var usage = worker.body["usage"]
        if usage == .null { usage = nil }
        guard usage == nil || (usage?.object != nil && (usage?.text.utf16.count ?? 0) <= Input.metadataUnits) else {
            throw .validation("Invalid usage: Must be an object of at most 10240 bytes", field: "usage")
        }
        var draft: MessageDraft?
        if let message = worker.body["message"], message != .null {
            let session = try await self.shard.session(worker.turn.session)
            draft = try worker.draft(message, agentID: session.agentID)
        }
        return .json(200, try await self.finish(worker, .complete(draft, usage: usage), context))
    }

    private func fail(_ context: RouteContext) async throws(StoreError) -> Answer {
        let worker = try WorkerRequest(context)
        guard let error = worker.body["error"]?.string, error.utf16.count <= 4000 else {
            throw .validation("Invalid error: Must be a string of at most 4000 characters", field: "error")
        }
        let retryable = worker.body["retryable"]?.bool ?? false
        return .json(200, try await self.finish(worker, .fail(error: error, retryable: retryable), context))
    }

    private func finish(
        _ worker: WorkerRequest, _ end: TurnEnd, _ context: RouteContext
    ) async throws(StoreError) -> JSON {
        let finished = try await self.shard.finish(
            worker.turn, token: worker.token, end, idempotency: worker.idempotency)
        var body: JSONObject = [
            "turnId": .string(worker.turn.text), "status": .string(finished.status.rawValue),
            "queued": JSON(finished.queued),
        ]
        if let id = finished.messageID { body["messageId"] = .string(id) }
        if let cursor = finished.cursor { body["seq"] = JSON(cursor.seq) }
        if let durability = finished.durability { body["durability"] = MessageBody.durability(durability) }
        return .object(body)
    }
}
