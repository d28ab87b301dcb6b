import SojournArchive
import SojournCore
import SojournLoop

/// What a node does for all sessions, beside serving requests: it sweeps its partitions and archives.
/// Loop-confined; one a node.
package final class NodeDuties {
    private let shard: StoreShard
    let nodes: Registry
    let sweeper: Sweeper
    private let losses: LossWatch
    let presence: PresenceBook
    /// The archivists that live, and those that take sessions.
    private let archivists: Registry?
    private let archiving: Registry?
    private let purger: Purger?
    let archivist: Archivist?
    let retirement: Retirement?
    private var hasStopped = false
    /// For how many milliseconds Redis may be away while the node stops.
    private static let patience = 500

    /// The archivists that take sessions, as this one sees them; none on a node without an archive.
    package var archivistsAtWork: [String] { self.archiving?.live ?? [] }

    init(shard: StoreShard, archive: Archive?) {
        self.shard = shard
        let name = shard.configuration.nodeName
        self.nodes = Registry(shard: shard, key: shard.keyspace.nodes, name: name)
        self.sweeper = Sweeper(shard: shard, registry: self.nodes)
        self.losses = LossWatch(shard: shard)
        self.presence = PresenceBook(shard: shard)
        if let archive {
            let registry = Registry(shard: shard, key: shard.keyspace.archiving, name: archive.id)
            self.archiving = registry
            self.archivists = Registry(shard: shard, key: shard.keyspace.archivists, name: archive.id)
            self.archivist = Archivist(shard: shard, archive: archive, registry: registry)
            self.purger = Purger(shard: shard, archive: archive)
            self.retirement = Retirement(shard: shard, archive: archive)
        } else {
            (self.archiving, self.archivists, self.archivist, self.purger) = (nil, nil, nil, nil)
            self.retirement = nil
        }
    }

    func start() async {
        self.losses.start()
        if let archivist {
            // Before anybody can ask this archive.
            await self.purger?.start()
            self.archivists?.start()
            self.archiving?.start()
            self.shard.desk?.start()
            await archivist.start()
            self.sweeper.onClaimed = { [weak archivist] in archivist?.take($0) }
        }
        self.retirement?.start()
        self.nodes.start()
        self.sweeper.start()
        self.presence.start()
    }

    /// Takes this node's connections off, stops sweeping, flushes the archive batch, leaves the registries.
    ///
    /// When Redis goes away meanwhile, no answer of it is waited for: what is half done lapses, and others take it over.
    func stop() async {
        let (shard, loop) = (self.shard, self.shard.loop)
        loop.spawn { [weak self] in
            var awaySince = EventLoop.now
            while self?.hasStopped == false, EventLoop.now - awaySince < Self.patience {
                if shard.isConnected { awaySince = EventLoop.now }
                await loop.sleep(milliseconds: 50)
            }
            if self?.hasStopped == false { shard.close() }
        }
        defer { self.hasStopped = true }
        self.losses.stop()
        await self.presence.stop()
        await self.retirement?.stop()
        await self.sweeper.stop()
        await self.nodes.stop()
        await self.archivist?.stop()
        await self.archiving?.stop()
        await self.archivists?.stop()
        await self.purger?.stop()
        await self.shard.desk?.stop()
    }

    /// Looks at every partition now; the test clock has moved.
    package func hurry() {
        self.sweeper.hurry()
        self.retirement?.hurry()
    }

    /// What keeps the archive from taking sessions, if anything does.
    package var archiveTrouble: String? { self.archivist?.trouble }
    /// Warnings given by this node.
    package var warned: Int { self.sweeper.warnings.count }
    /// Expiries carried out by this node.
    package var expired: Int { self.sweeper.expiries.count }
    /// Sessions this node has archived.
    package var archived: Int { self.archivist?.archived ?? 0 }
}
