import SojournArchive
import SojournCore
import SojournHTTP
import SojournStore

/// Search over all archives.
extension NodeServer {
    var searchRoutes: [Route] {
        [
            Route(.get, "/api/messaging/search", needs: .admin) { [unowned self] context throws(StoreError) in
                try await self.search(context)
            }
        ]
    }

    private func search(_ context: RouteContext) async throws(StoreError) -> Answer {
        let query: SearchQuery
        do {
            query = try SearchQuery(context.query("q") ?? "")
        } catch {
            throw StoreError(
                .validation, "Invalid search: \(error.message)",
                details: ["field": "q", "position": JSON(error.position)])
        }
        var request = SearchRequest(query)
        request.limit = Input.limit(context.query("limit"), default: 20, maximum: 100)
        request.agent = try Self.uuid(context, "agentId")
        request.user = try Self.uuid(context, "userId")
        request.from = try Self.time(context, "from")
        request.to = try Self.time(context, "to")
        if let name = context.query("order") {
            guard let order = SearchRequest.Order(rawValue: name) else {
                throw .validation("Invalid order: Must be one of: rank, time", field: "order")
            }
            request.order = order
        }
        if let text = context.query("cursor"), !text.isEmpty {
            guard let cursor = SearchCursor(text), cursor.order == request.order else {
                throw .validation("Invalid pagination parameter 'cursor'", field: "cursor")
            }
            (request.after, request.top) = (cursor.after, cursor.top)
        }
        let found = try await self.shard.search(request)
        var body: JSONObject = ["query": .string(query.text), "hits": .array(found.hits.map { Self.json($0.hit) })]
        if found.hasMore, let last = found.hits.last {
            let cursor = SearchCursor(
                order: request.order, top: request.top ?? found.top,
                after: last.hit.position(on: last.archivist, request.order == .rank))
            body["nextCursor"] = .string(cursor.text)
        }
        // Only the newest matches were ranked; the order of time has them all.
        if found.isCut { body["truncated"] = true }
        if !found.silent.isEmpty { body["incomplete"] = .array(found.silent.map(JSON.string)) }
        return .json(200, .object(body))
    }

    private static func json(_ hit: SearchHit) -> JSON {
        [
            "sessionId": .string(hit.session), "seq": JSON(hit.seq),
            "createdAt": .string(Instant(milliseconds: hit.at).iso8601), "agentId": .string(hit.agent),
            "userId": .string(hit.user), "isAgent": .bool(hit.type == EventType.agentMessage),
            "archived": .bool(!hit.isLive), "snippet": .string(Self.marked(hit.snippet)),
            "rank": .number(Self.thousandths(hit.rank)),
        ]
    }

    /// The snippet as HTML: what was said is text, and only the marks are elements.
    private static func marked(_ snippet: String) -> String {
        var html = ""
        for character in snippet {
            switch character {
            case SearchHit.markStart: html += "<mark>"
            case SearchHit.markEnd: html += "</mark>"
            case "<": html += "&lt;"
            case ">": html += "&gt;"
            case "&": html += "&amp;"
            case "\"": html += "&quot;"
            default: html.append(character)
            }
        }
        return html
    }

    private static func thousandths(_ number: Int) -> String {
        let rest = String(number % 1_000)
        return "\(number / 1_000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }

    private static func uuid(_ context: RouteContext, _ name: String) throws(StoreError) -> String? {
        guard let text = context.query(name), !text.isEmpty else { return nil }
        guard let bits = UUIDBits(text) else {
            throw .validation("Invalid UUID format for field '\(name)'", field: name)
        }
        return bits.text
    }

    private static func time(_ context: RouteContext, _ name: String) throws(StoreError) -> Int64? {
        guard let bound = try PageBound(context, name) else { return nil }
        guard case .time(let instant) = bound else {
            throw .validation("Invalid pagination parameter '\(name)': Must be a valid timestamp", field: name)
        }
        return instant.milliseconds
    }
}

/// Where the next page of a search begins, on all archives.
private struct SearchCursor {
    let order: SearchRequest.Order
    let top: Int64
    let after: SearchPosition

    init(order: SearchRequest.Order, top: Int64, after: SearchPosition) {
        (self.order, self.top, self.after) = (order, top, after)
    }

    init?(_ text: String) {
        let parts = Base64URL.decode(text)?.split(separator: ".").map(String.init) ?? []
        guard parts.count == 5, let order = SearchRequest.Order(rawValue: parts[0]), let top = Int64(parts[1]),
            let rank = Int(parts[2]), let document = Int64(parts[3])
        else { return nil }
        self.init(
            order: order, top: top, after: SearchPosition(rank: rank, document: document, archivist: parts[4]))
    }

    var text: String {
        let after = self.after
        return Base64URL.encode(
            "\(self.order.rawValue).\(self.top).\(after.rank).\(after.document).\(after.archivist)")
    }
}
