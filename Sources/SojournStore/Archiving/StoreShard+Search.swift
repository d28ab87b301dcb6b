package import SojournArchive
package import SojournCore

/// A page of hits from all archivists.
package struct FoundMessages: Sendable {
    /// The hits, each with the archivist that has it.
    package var hits: [(hit: SearchHit, archivist: String)]
    /// Whether more follow.
    package var hasMore: Bool
    /// Whether there are older matches, which were not ranked.
    package var isCut: Bool
    /// What the following pages begin at.
    package var top: Int64
    /// Archivists that did not answer; their hits are missing.
    package var silent: [String]
}

extension StoreShard {
    /// What an archivist is asked for.
    private static let searchKind = "search"

    /// Has this node's archive answer searches.
    func answerSearches() {
        self.desk?.hire(Self.searchKind) { [unowned self] body throws(StoreError) in
            guard let archive, let request = try SearchRequest(wire: body) else { throw .unexpected }
            do {
                return try await archive.search(request).wire
            } catch {
                self.log(
                    .error, "the archive could not be searched",
                    ["archive.path": archive.path, "error": "\(error)"])
                throw StoreError(
                    .archiveUnavailable, "The archive '\(archive.id)' cannot be searched",
                    details: ["archivist": .string(archive.id)], retryAfter: 5)
            }
        }
    }

    /// Searches all archives; the hits come merged, in the order that was asked for.
    ///
    /// - Throws: `ARCHIVE_UNAVAILABLE` when no archivist is there, or none of them answers.
    package func search(_ request: SearchRequest) async throws(StoreError) -> FoundMessages {
        let answers = try await self.archives.askAll(Self.searchKind, request.wire)
        var found = FoundMessages(hits: [], hasMore: false, isCut: false, top: 0, silent: [])
        var failure = StoreError(.archiveUnavailable, "No archivist is there to be searched", retryAfter: 5)
        for (archivist, answer) in answers {
            switch answer {
            case .success(let json):
                guard let page = SearchPage(wire: json) else { throw self.malformed(Self.searchKind) }
                found.hits += page.hits.map { ($0, archivist) }
                found.hasMore = found.hasMore || page.hasMore
                found.isCut = found.isCut || page.isCut
                found.top = max(found.top, page.top)
            case .failure(let error):
                found.silent.append(archivist)
                failure = error
            }
        }
        if found.silent.count == answers.count { throw failure }
        let isRanked = request.order == .rank
        found.hits.sort { $0.hit.position(on: $0.archivist, isRanked) > $1.hit.position(on: $1.archivist, isRanked) }
        // While a session changes hands, two archivists may have it.
        var seen: Set<String> = []
        found.hits.removeAll { !seen.insert("\($0.hit.session) \($0.hit.seq)").inserted }
        found.hasMore = found.hasMore || found.hits.count > request.limit
        found.hits = Array(found.hits.prefix(request.limit))
        return found
    }
}

extension SearchHit {
    /// Its place among the hits of all archives.
    package func position(on archivist: String, _ isRanked: Bool) -> SearchPosition {
        SearchPosition(rank: isRanked ? self.rank : 0, document: self.document, archivist: archivist)
    }
}

// MARK: Between nodes

extension SearchRequest {
    fileprivate var wire: JSON {
        var json: JSONObject = [
            "q": .string(self.query.text), "order": .string(self.order.rawValue), "limit": JSON(self.limit),
        ]
        json["agent"] = self.agent.map(JSON.string)
        json["user"] = self.user.map(JSON.string)
        json["from"] = self.from.map { JSON($0) }
        json["to"] = self.to.map { JSON($0) }
        json["top"] = self.top.map { JSON($0) }
        json["after"] = self.after.map { [JSON($0.rank), JSON($0.document), .string($0.archivist)] }
        return .object(json)
    }

    fileprivate init?(wire json: JSON) throws(StoreError) {
        func number(_ value: JSON?) -> Int64? { value?.int.map(Int64.init) }
        do {
            self.init(try SearchQuery(json["q"]?.string ?? ""))
        } catch {
            throw .validation("Invalid search: \(error.message)", field: "q")
        }
        guard let order = json["order"]?.string.flatMap(Order.init(rawValue:)), let limit = json["limit"]?.int else {
            return nil
        }
        (self.order, self.limit) = (order, limit)
        (self.agent, self.user) = (json["agent"]?.string, json["user"]?.string)
        (self.from, self.to, self.top) = (number(json["from"]), number(json["to"]), number(json["top"]))
        if let after = json["after"]?.array {
            guard after.count == 3, let rank = after[0].int, let document = number(after[1]), let name = after[2].string
            else { return nil }
            self.after = SearchPosition(rank: rank, document: document, archivist: name)
        }
    }
}

extension SearchPage {
    fileprivate var wire: JSON {
        [
            "hits": .array(self.hits.map(\.wire)), "hasMore": .bool(self.hasMore), "isCut": .bool(self.isCut),
            "top": JSON(self.top),
        ]
    }

    fileprivate init?(wire json: JSON) {
        guard let hits = json["hits"]?.array, let hasMore = json["hasMore"]?.bool, let isCut = json["isCut"]?.bool,
            let top = json["top"]?.int
        else { return nil }
        self.init(hits: hits.compactMap(SearchHit.init(wire:)), hasMore: hasMore, isCut: isCut, top: Int64(top))
    }
}

extension SearchHit {
    fileprivate var wire: JSON {
        [
            "session": .string(self.session), "seq": JSON(self.seq), "at": JSON(self.at), "type": .string(self.type),
            "agent": .string(self.agent), "user": .string(self.user), "live": .bool(self.isLive),
            "snippet": .string(self.snippet), "rank": JSON(self.rank), "document": JSON(self.document),
        ]
    }

    fileprivate init?(wire json: JSON) {
        guard let session = json["session"]?.string, let seq = json["seq"]?.int, let at = json["at"]?.int,
            let type = json["type"]?.string, let agent = json["agent"]?.string, let user = json["user"]?.string,
            let isLive = json["live"]?.bool, let snippet = json["snippet"]?.string, let rank = json["rank"]?.int,
            let document = json["document"]?.int
        else { return nil }
        self.init(
            session: session, seq: seq, at: Int64(at), type: type, agent: agent, user: user, isLive: isLive,
            snippet: snippet, rank: rank, document: Int64(document))
    }
}
