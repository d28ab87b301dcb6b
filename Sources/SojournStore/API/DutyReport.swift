package import SojournCore

/// What a node has done for all sessions since its start, and what it has before it.
package struct DutyReport: Sendable {
    /// Warnings that it gave, by how late they were, in microseconds.
    package let warnings: Distribution
    /// Expiries that it carried out, by how late they were, in microseconds.
    package let expiries: Distribution
    /// The live nodes that it sees.
    package let nodes: Int
    /// The partitions that it sweeps.
    package let partitions: Int
    /// What its archivist does; nil on a node without one.
    package let archivist: ArchivistReport?
}

/// What a node's archivist has done since its start, and what it has before it.
package struct ArchivistReport: Sendable {
    /// Sessions that it has archived.
    package let archived: Int
    /// Events of live sessions that it has written.
    package let followed: Int
    /// Sessions that are claimed and wait to be written.
    package let queued: Int
    /// Hand-overs that Redis has let go and the archive has still to settle.
    package let unsettled: Int
    /// What keeps the archive from taking sessions, if anything does.
    package let trouble: String?
}

extension NodeDuties {
    /// What was done, and what there is to do.
    package var report: DutyReport {
        DutyReport(
            warnings: self.sweeper.warnings, expiries: self.sweeper.expiries, nodes: self.nodes.live.count,
            partitions: self.nodes.partitions.count, archivist: self.archivist?.report)
    }
}

extension Archivist {
    var report: ArchivistReport {
        ArchivistReport(
            archived: self.archived, followed: self.behind.written, queued: self.queue.count,
            unsettled: self.unsettled.count, trouble: self.trouble)
    }
}
