package import SojournCore
import SojournRedis

extension StoreShard {
    /// How many entries are read of one session.
    private static let listed = 1000

    /// Says that a connection reads a session's live events, until it is detached.
    ///
    /// - Parameters:
    ///   - connection: the connection's id, without quotes; it may be attached to many sessions.
    ///   - client: the name by which it wants to be seen.
    ///   - transport: `sse` or `websocket`.
    package func attach(
        to session: Session, connection: String, client: String?, transport: String
    ) -> Attachment {
        var entry: JSONObject = ["connectionId": .string(connection)]
        if let client { entry["client"] = .string(client) }
        entry["transport"] = .string(transport)
        entry["node"] = .string(self.configuration.nodeName)
        entry["since"] = JSON(self.now.milliseconds)
        let attachment = Attachment(
            session: session.id, entry: JSON.object(entry).text, agentID: session.agentID,
            aliveWhileWatched: session.aliveWhileWatched)
        self.withPresenceBook { $0.attach(attachment) }
        return attachment
    }

    /// Says that a connection has left.
    package func detach(_ attachment: Attachment) { self.withPresenceBook { $0.detach(attachment) } }

    /// Who is attached to a session, over all nodes; those of a killed node for as long as the presence life at most.
    package func presence(of id: SessionID) async throws(StoreError) -> Presence {
        let keys = self.keyspace.keys(of: id)
        let answer = try await self.call(
            self.scripts.present, keys: [keys.clock, keys.presence], args: [.integer(Self.listed)], timed: true)
        guard answer.count == 3, let count = answer[1].int, let entries = answer[2].array else {
            throw self.malformed("present")
        }
        let connections = entries.compactMap { $0.bytes.flatMap { try? JSON.parse($0) } }
        return Presence(
            connections: connections.sorted { ($0["since"]?.int ?? 0) < ($1["since"]?.int ?? 0) }, count: count)
    }

    /// What became of the connections of some sessions of one partition.
    struct PresenceChange {
        let id: SessionID
        var attached: [String] = []
        var left: [String] = []
    }

    /// Tells Redis who is attached and who has left, in one call.
    func renewPresence(_ changes: [PresenceChange], life: Int) async throws(StoreError) {
        guard let partition = changes.first?.id.partition else { return }
        var keys = [self.keyspace.clock(partition)]
        var args: [RedisArgument] = [.integer(life)]
        for change in changes {
            let own = self.keyspace.keys(of: change.id)
            keys += [own.session, own.presence, own.channel]
            args += [.string(change.id.text), .integer(change.attached.count), .integer(change.left.count)]
            args += (change.attached + change.left).map { .string($0) }
        }
        _ = try await self.call(
            self.scripts.presence, keys: keys, args: args, order: "presence:\(partition)", timed: true)
    }
}
