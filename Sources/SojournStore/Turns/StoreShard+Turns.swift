package import SojournCore
import SojournRedis

extension StoreShard {
    /// Reads the turns of a live session, and its queue. Messages that nobody has answered, and for whose agent nobody
    /// has claimed a turn yet, get theirs now.
    package func turns(of id: SessionID) async throws(StoreError) -> TurnBook {
        let (book, isByTurns) = try await self.book(of: id)
        guard !isByTurns, try await self.openTurns(id, agentID: try await self.known(id).agentID) else { return book }
        return try await self.book(of: id).book
    }

    private func book(of id: SessionID) async throws(StoreError) -> (book: TurnBook, isByTurns: Bool) {
        let keys = self.keyspace.keys(of: id)
        let answer = try await self.call(
            self.scripts.turns, keys: [keys.session, keys.clock, keys.turns, keys.queue], args: [])
        guard answer.first?.int == 1 else { throw try await self.gone(id) }
        guard answer.count == 8, let flat = answer[2].array, let queue = answer[3].array else {
            throw self.malformed("turns")
        }
        let now = self.note(answer[1])
        let running = answer[4].string.flatMap { Int($0) }
        let isWaiting = answer[6].string.flatMap { Int64($0) }.map { $0 > now.milliseconds } ?? false
        var turns: [Int: Turn] = [:]
        for place in stride(from: 0, to: flat.count - 1, by: 2) {
            guard let number = flat[place].string.flatMap({ TurnID.number($0) }), let record = flat[place + 1].string
            else { continue }
            turns[number] = Turn(
                TurnID(session: id, number: number), record: record, isWaiting: isWaiting && number == running)
        }
        let entries = queue.compactMap { value -> QueueEntry? in
            guard let text = value.string else { return nil }
            if text.hasPrefix("s") { return Int(text.dropFirst()).map { .steered(seq: $0) } }
            return TurnID.number(text).flatMap { turns[$0] }.map { .turn($0) }
        }
        let book = TurnBook(
            turns: turns.values.sorted { $0.id.number < $1.id.number }, queue: entries,
            running: running.flatMap { turns[$0] },
            leaseEnd: answer[5].string.flatMap { Int64($0) }.map(Instant.init(milliseconds:)))
        return (book, answer[7].int == 1)
    }

    /// Cancels the running turn, or the next one when none runs; its worker's token is dead from now on.
    ///
    /// - Parameters:
    ///   - entry: the turn or the entry of the queue to cancel instead.
    ///   - emptying: cancels what waits, too.
    /// - Returns: what was cancelled, and how many wait still.
    @discardableResult
    package func cancel(
        _ id: SessionID, entry: String? = nil, emptying: Bool = false
    ) async throws(StoreError) -> (cancelled: [String], queued: Int) {
        let (cancelled, queued) = try await self.cancelNow(id, entry: entry, emptying: emptying)
        guard cancelled.isEmpty, entry == nil,
            try await self.openTurns(id, agentID: try await self.known(id).agentID)
        else { return (cancelled, queued) }
        // It was said before anybody worked by turns here, and is to be stopped all the same.
        return try await self.cancelNow(id, entry: nil, emptying: emptying)
    }

    private func cancelNow(
        _ id: SessionID, entry: String?, emptying: Bool
    ) async throws(StoreError) -> (cancelled: [String], queued: Int) {
        let keys = self.keyspace.keys(of: id)
        let answer = try await self.call(
            self.scripts.cancel, keys: keys.turnWork,
            args: [.string(id.text), self.replid, .string(entry ?? ""), .integer(emptying ? 1 : 0)], order: id.text)
        guard answer.first?.int == 1 else { throw try await self.gone(id) }
        guard answer.count >= 4, let queued = answer[2].int else { throw self.malformed("cancel") }
        self.note(answer[1])
        self.ring(answer[3].bytes, for: id)
        return (answer.dropFirst(4).compactMap(\.string), queued)
    }
}
