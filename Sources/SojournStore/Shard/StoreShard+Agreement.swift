import SojournCore
import SojournRedis

/// What all nodes of a keyspace agree on, as Redis has it.
struct Agreement {
    let schema: String?
    let partitions: String?
    /// Whether ended sessions wait for an archivist.
    let archives: Bool
}

extension StoreShard {
    /// Fixes in Redis what all nodes must agree on, where nobody has, and returns what it is there.
    ///
    /// - Parameter setsArchiveMode: has the archive mode of the settings recorded, if they name one.
    func agree(setsArchiveMode: Bool) async throws(StoreError) -> Agreement {
        func word(_ archives: Bool) -> RedisArgument { archives ? "archive" : "none" }
        let mode = setsArchiveMode ? self.configuration.archiving : nil
        let answer = try await self.call(
            self.scripts.meta, keys: [self.keyspace.meta],
            args: [
                .string(Schema.version), .integer(self.keyspace.partitions), mode.map(word) ?? "",
                word(self.archiving),
            ])
        return Agreement(
            schema: answer.first?.string, partitions: answer.dropFirst().first?.string,
            archives: answer.dropFirst(2).first?.string != "none")
    }

    /// Writes down again what the nodes agree on, as Redis may have lost it, and says so when it has something else by
    /// now. This node goes on then: it cannot tell who is right, and stopping by itself would cost its sessions.
    ///
    /// - Throws: what keeps Redis from answering; then it is to be called again.
    func agreeAgain() async throws(StoreError) {
        let agreed = try await self.agree(setsArchiveMode: false)
        var reason: String?
        do {
            try Schema.check(schema: agreed.schema, partitions: agreed.partitions, keyspace: self.keyspace)
            if agreed.archives != self.archiving {
                let mode = agreed.archives ? "archive" : "none"
                reason =
                    "the keyspace '\(self.keyspace.namespace)' has archive mode \(mode), this node works with the "
                    + "other one: restart it"
            }
        } catch {
            reason = error.message
        }
        guard let reason else { return }
        self.log(
            .error,
            "the keyspace was set up by other nodes in another way while this one runs; stop either those or this one, "
                + "and start it as the reason says",
            ["node": self.configuration.nodeName, "reason": reason])
    }
}

/// The version of what lies in Redis, major.minor. Only another major is refused: fields are only added.
enum Schema {
    static let version = "1.0"

    static func check(schema: String?, partitions: String?, keyspace: Keyspace) throws(StoreError) {
        let theirs = schema ?? "nothing"
        guard theirs.split(separator: ".").first == Self.version.split(separator: ".").first else {
            throw StoreError(
                .storeUnavailable,
                "the keyspace '\(keyspace.namespace)' has schema \(theirs), this node speaks \(Self.version): "
                    + "start a node of that version, or use another --namespace")
        }
        guard partitions == String(keyspace.partitions) else {
            throw StoreError(
                .storeUnavailable,
                "the keyspace '\(keyspace.namespace)' was made with \(partitions ?? "no") partitions, this node is set "
                    + "to \(keyspace.partitions): start it with --partitions \(partitions ?? "256")")
        }
    }
}
