import SojournArchive
import SojournLoop

/// What a node does for all sessions, beside serving requests: it sweeps its partitions and archives.
/// Loop-confined; one a node.
package final class NodeDuties {
    private let shard: StoreShard
    let nodes: Registry
    let sweeper: Sweeper
    let presence: PresenceBook
    private let archivists: Registry?
    let archivist: Archivist?

    init(shard: StoreShard, archive: Archive?) {
        self.shard = shard
        let name = shard.configuration.nodeName
        self.nodes = Registry(shard: shard, key: shard.keyspace.nodes, name: name)
        self.sweeper = Sweeper(shard: shard, registry: self.nodes)
        self.presence = PresenceBook(shard: shard)
        if let archive {
            let registry = Registry(shard: shard, key: shard.keyspace.archivists, name: archive.id)
            self.archivists = registry
            self.archivist = Archivist(shard: shard, archive: archive, registry: registry)
        } else {
            (self.archivists, self.archivist) = (nil, nil)
        }
    }

    func start() async {
        if let archivist {
            self.archivists?.start()
            await archivist.start()
            self.sweeper.onClaimed = { [weak archivist] in archivist?.take($0) }
        }
        self.nodes.start()
        self.sweeper.start()
        self.presence.start()
    }

    /// Takes this node's connections off, stops sweeping, flushes the archive batch, leaves the registries.
    func stop() async {
        await self.presence.stop()
        await self.sweeper.stop()
        await self.nodes.stop()
        await self.archivist?.stop()
        await self.archivists?.stop()
    }

    /// Looks at every partition now; the test clock has moved.
    package func hurry() { self.sweeper.hurry() }

    /// What keeps the archive from taking sessions, if anything does.
    package var archiveTrouble: String? { self.archivist?.trouble }
    /// Warnings given by this node.
    package var warned: Int { self.sweeper.warned }
    /// Expiries carried out by this node.
    package var expired: Int { self.sweeper.expired }
    /// Sessions this node has archived.
    package var archived: Int { self.archivist?.archived ?? 0 }
}
