import SojournArchive
import SojournCore

/// Reading transcripts, for this node and others.
extension ArchiveDesk {
    /// How many bytes of events one answer holds; it holds one event at least.
    private static let pageBytes = 1 << 20

    /// Has transcripts read: `session {id}` answers the session or null, `events {id, from, to, limit, newestFirst}` an array
    /// of strings, each the bytes of one event.
    func hireReaders() {
        self.hire("session") { [archive] body throws(StoreError) in
            let id = try Self.id(body)
            let found = try await Self.reading(archive) { archive throws(ArchiveError) in try await archive.session(id)
            }
            return found.map(ArchivedRecord.json) ?? .null
        }
        self.hire("events") { [archive] body throws(StoreError) in
            let id = try Self.id(body)
            let (from, to) = (body["from"]?.int ?? 1, body["to"]?.int ?? .max)
            let limit = min(body["limit"]?.int ?? StoreShard.stretch, StoreShard.stretch)
            let newestFirst = body["newestFirst"]?.bool ?? false
            let page = try await Self.reading(archive) { archive throws(ArchiveError) in
                try await archive.events(
                    id, after: from - 1, before: to == .max ? nil : to + 1, limit: limit,
                    newestFirst: newestFirst)
            }
            var bytes = 0
            let events = page.events.prefix { event in
                defer { bytes += event.body.count }
                return bytes == 0 || bytes + event.body.count <= Self.pageBytes
            }
            return .array(events.map { .string(String(decoding: $0.body, as: UTF8.self)) })
        }
    }

    static func id(_ body: JSON) throws(StoreError) -> String {
        guard let id = body["id"]?.string else { throw .unexpected }
        return id
    }

    /// Reads from the archive; what troubles it goes to the log, not to the client.
    static func reading<Answer>(
        _ archive: Archive, _ body: (Archive) async throws(ArchiveError) -> Answer
    ) async throws(StoreError) -> Answer {
        do {
            return try await body(archive)
        } catch {
            archive.tell(error)
            throw StoreError(
                .archiveUnavailable, "The archive '\(archive.id)' cannot be read",
                details: ["archivist": .string(archive.id)], retryAfter: 5)
        }
    }
}

/// An archived session as it travels between nodes.
enum ArchivedRecord {
    static func json(_ found: ArchivedSession) -> JSON {
        let header = found.header
        return [
            "id": .string(header.id), "agent": .string(header.agent), "user": .string(header.user),
            "key": JSON(header.key), "createdAt": JSON(header.createdAt), "endedAt": JSON(header.endedAt),
            "reason": .string(header.reason.rawValue), "head": JSON(header.head),
            "info": (try? JSON.parse(found.info)) ?? .null,
        ]
    }

    /// The session; nil when the answer is that there is none.
    static func session(_ body: JSON, id: SessionID) -> Session? {
        guard let agent = body["agent"]?.string, let user = body["user"]?.string,
            let createdAt = body["createdAt"]?.int, let endedAt = body["endedAt"]?.int, let head = body["head"]?.int,
            let reason = body["reason"]?.string.flatMap(EndReason.init(rawValue:))
        else { return nil }
        return SessionRecord.session(
            id: id, agent: agent, user: user, key: body["key"]?.string, createdAt: Int64(createdAt),
            endedAt: Int64(endedAt), reason: reason, head: head, record: body["info"] ?? .null)
    }
}
