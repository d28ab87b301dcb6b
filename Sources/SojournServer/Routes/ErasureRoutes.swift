import SojournCore
import SojournHTTP
import SojournStore

/// Erasing for ever: a session, or all of a user.
extension NodeServer {
    static let archiveBase = "/api/messaging/archive"

    var erasureRoutes: [Route] {
        [
            Route(.delete, Self.archiveBase + "/users/:user", needs: .admin) {
                [unowned self] context throws(StoreError) in
                _ = try context.body()
                guard let user = UUIDBits(context.captures[0]) else {
                    throw .validation("Invalid UUID format for field 'userId'", field: "userId")
                }
                let erasure = try await self.shard.purge(user: user.text)
                return .json(erasure.isDone ? 200 : 202, .object(ErasureBody.report(erasure)))
            },
            Route(.get, Self.archiveBase + "/erasures/:number", needs: .admin) {
                [unowned self] context throws(StoreError) in
                guard let number = Int64(context.captures[0]), let erasure = try await self.shard.erasure(number) else {
                    throw StoreError(.notFound, "There is no report of an erasure '\(context.captures[0])'")
                }
                return .json(200, .object(ErasureBody.report(erasure)))
            },
        ]
    }

    /// `DELETE /:id?purge=1`.
    func purge(_ id: SessionID, _ context: RouteContext) async throws(StoreError) -> Answer {
        try context.requireAdmin()
        let erasure = try await self.shard.purge(id)
        return .json(
            erasure.isDone ? 200 : 202,
            [
                "success": true, "message": .string("Session \(id) purged"), "data": ["success": true],
                "erasure": .object(ErasureBody.report(erasure)),
            ])
    }
}

/// The report of an erasure.
enum ErasureBody {
    static func report(_ erasure: Erasure) -> JSONObject {
        let waiting = erasure.archives.filter { !$0.isDone }
        var body: JSONObject = [
            "erasure": .string(String(erasure.number)), "kind": .string(erasure.kind), "id": .string(erasure.id),
            "status": .string(waiting.isEmpty ? "done" : waiting.allSatisfy(\.isAway) ? "waiting" : "running"),
            "url": .string("\(NodeServer.archiveBase)/erasures/\(erasure.number)"),
        ]
        body["redis"] = ["sessions": JSON(erasure.live)]
        body["archives"] = .array(
            erasure.archives.map { share in
                [
                    "archivist": .string(share.archivist),
                    "status": .string(share.isDone ? "done" : share.isAway ? "away" : "running"),
                    "sessions": JSON(share.sessions), "events": JSON(share.events), "bytes": JSON(share.bytes),
                ]
            })
        return body
    }
}
