package import SojournCore
import SojournRedis

/// Which live sessions to list.
package struct SessionFilter: Sendable {
    /// Only those of this agent.
    package var agentID: String?
    /// Only those of this user.
    package var userID: String?
    /// Only those with this status.
    package var status: SessionStatus?

    /// A filter.
    package init(agentID: String? = nil, userID: String? = nil, status: SessionStatus? = nil) {
        self.agentID = agentID
        self.userID = userID
        self.status = status
    }

    func admits(_ session: Session) -> Bool {
        (self.agentID == nil || session.agentID == self.agentID)
            && (self.userID == nil || session.userID == self.userID)
            && (self.status == nil || session.status == self.status)
    }
}

extension StoreShard {
    /// How many ids a page may look at before it is given short.
    private static let scanned = 1000
    /// How many partitions a script goes through before it lets others have their turn.
    private static let together = 32

    /// Lists live sessions, newest first: a merge of the partitions' indexes.
    ///
    /// - Parameter cursor: where the page before ended, `createdAt.id`.
    package func list(_ filter: SessionFilter, limit: Int, cursor: String?) async throws(StoreError) -> SessionList {
        var merge = try await self.openMerge(filter, limit: limit, cursor: cursor)
        var sessions: [Session] = []
        var looked = 0
        var last: IndexEntry?
        var ended = false
        while sessions.count < limit, looked < Self.scanned, !ended {
            // One batch of reads for as many entries as the page still wants.
            var batch: [IndexEntry] = []
            while batch.count < limit - sessions.count, looked < Self.scanned {
                guard let entry = try await merge.next(self) else {
                    ended = true
                    break
                }
                batch.append(entry)
                looked += 1
            }
            let read = try await self.read(entries: batch)
            for (entry, session) in zip(batch, read) {
                last = entry
                if let session, filter.admits(session) { sessions.append(session) }
            }
        }
        let more = ended ? false : try await merge.next(self) != nil
        return SessionList(
            sessions: sessions, nextCursor: more ? last.map { "\($0.createdAt).\($0.id)" } : nil, total: merge.total,
            counts: SessionList.Counts(live: merge.live, ended: merge.ended))
    }

    private func openMerge(_ filter: SessionFilter, limit: Int, cursor: String?) async throws(StoreError) -> IndexMerge
    {
        var before = "+inf"
        var id = ""
        if let cursor {
            let halves = cursor.split(separator: ".", maxSplits: 1)
            guard halves.count == 2, Int64(halves[0]) != nil, SessionID(halves[1]) != nil else {
                throw .validation(
                    "Invalid pagination parameter 'cursor': Must be a cursor of this list", field: "cursor")
            }
            (before, id) = (String(halves[0]), String(halves[1]))
        }
        let keys = (0..<self.keyspace.partitions).map { partition in
            let all = self.keyspace.all(partition)
            let index =
                filter.userID.map { self.keyspace.user(partition, $0) }
                ?? filter.agentID.map { self.keyspace.agent(partition, $0) } ?? all
            return [index, all, self.keyspace.arc(partition)]
        }
        var merge = IndexMerge(keys: keys, chunk: max(2, limit / 16))
        try await merge.open(self, before: before, id: id)
        return merge
    }

    /// The sessions that are still live; nil for the others.
    private func read(entries: [IndexEntry]) async throws(StoreError) -> [Session?] {
        var sessions = [Session?](repeating: nil, count: entries.count)
        var failure: StoreError?
        await self.concurrently(entries.indices) { place in
            guard let id = self.keyspace.sessionID(entries[place].id) else { return }
            do throws(StoreError) {
                if case .live(let session) = try await self.read(id) { sessions[place] = session }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return sessions
    }

    /// Counts the store's sessions, over all partitions.
    package func counts(soon: Int64 = 300_000) async throws(StoreError) -> StoreCounts {
        var (live, ended, expiring, lag) = (0, 0, 0, 0)
        let keys = (0..<self.keyspace.partitions).map { partition in
            [
                self.keyspace.all(partition), self.keyspace.arc(partition), self.keyspace.due(partition),
                self.keyspace.clock(partition), self.keyspace.behind(partition),
            ]
        }
        try await self.overPartitions(self.scripts.stats, keys: keys, args: [.integer(Int(soon))]) { answer, _ in
            live += answer.first?.int ?? 0
            ended += answer.dropFirst().first?.int ?? 0
            expiring += answer.dropFirst(2).first?.int ?? 0
            lag = max(lag, answer.dropFirst(3).first?.int ?? 0)
        }
        return StoreCounts(live: live, ended: ended, expiringSoon: expiring, archiveLag: lag)
    }

    /// One page of the same index in every partition.
    ///
    /// - Parameter keys: of each partition the index, and what is counted, as the script wants them.
    func indexPages(_ keys: [[String]], before: String, id: String, limit: Int) async throws(StoreError) -> [IndexPage]
    {
        var pages = [IndexPage?](repeating: nil, count: keys.count)
        try await self.overPartitions(
            self.scripts.list, keys: keys, args: [.string(before), .string(id), .integer(limit)]
        ) { answer, places in
            for (answer, place) in zip(answer, places) { pages[place] = answer.array.flatMap { IndexPage($0) } }
        }
        return try pages.map { page throws(StoreError) in
            guard let page else { throw self.malformed("list") }
            return page
        }
    }

    /// Calls a script that takes the keys of several partitions: with as many as it may be given here, all calls at once.
    ///
    /// - Parameter body: gets each answer, and which of the partitions it is about.
    private func overPartitions(
        _ script: Script, keys: [[String]], args: [RedisArgument],
        _ body: @escaping (_ answer: [RESPValue], _ places: Range<Int>) -> Void
    ) async throws(StoreError) {
        let most = self.redis.spansSlots ? Self.together : 1
        var failure: StoreError?
        await self.concurrently(stride(from: 0, to: keys.count, by: most).map { $0..<min($0 + most, keys.count) }) {
            places in
            do throws(StoreError) {
                let keys = keys[places].flatMap(\.self)
                body(try await self.call(script, keys: keys, args: args, acrossSlots: true), places)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}
