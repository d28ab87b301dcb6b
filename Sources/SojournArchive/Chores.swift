import SojournLoop

/// What an archivist's thread does for its file when nothing else waits: it indexes and seals what was written, and
/// shortens the file when much was deleted.
struct Chores: Sendable {
    /// Is told when a chore cannot be done, once until one can be done again.
    let trouble: @Sendable (ArchiveError) -> Void

    /// Who is next; used on the thread only.
    func roster() -> Roster { Roster(chores: self) }

    /// When the next chore is due.
    ///
    /// In a pause of the jobs it is due at once; when jobs come without a pause, every 300 ms, so that a message is found
    /// within a second. When jobs take most of the thread's time, every second: they bring more than could be indexed beside
    /// them in any case, and the next pause indexes it several times as fast.
    struct Roster {
        /// How long a pause must be, in ms: shorter than that, the next hand-over is on its way already.
        static let pause = 10
        /// How long chores wait for a pause, in ms.
        static let interval = 300
        /// The same while the thread is busy with jobs.
        static let busyInterval = 1_000
        /// Events in one transaction of the index.
        static let events = 2_000

        private let chores: Chores
        /// Whether there may be something to do; also what an earlier process left.
        private var isDirty = true
        private var isIdle = false
        private var last = 0
        /// How long the jobs since the last chore took, in ms.
        private var busy = 0
        private var hasFailed = false

        init(chores: Chores) { self.chores = chores }

        /// How long to wait for jobs before the next chore, in ms; nil when there is none.
        var patience: Int? { self.isDirty ? self.hasFailed ? 1_000 : Self.pause : nil }

        var isDue: Bool {
            if self.isIdle || !self.isDirty { return self.isDirty }
            let waited = EventLoop.now - self.last
            return waited >= (2 * self.busy > waited ? Self.busyInterval : Self.interval)
        }

        /// Is told of jobs that were done since `begin`, or that none came.
        mutating func worked(wrote: Bool, idle: Bool, since begin: Int) {
            self.isDirty = self.isDirty || wrote
            self.isIdle = idle
            self.busy += EventLoop.now - begin
        }

        mutating func doOne(on connection: Connection) {
            do throws(ArchiveError) {
                self.isDirty = try connection.doChore(Self.events)
                self.hasFailed = false
            } catch {
                // What was not done now is tried again.
                if !self.hasFailed { self.chores.trouble(error) }
                self.hasFailed = true
            }
            self.last = EventLoop.now
            self.busy = 0
        }
    }
}

extension Connection {
    /// Indexes or seals some of what waits for it, or gives free pages back to the file system; false when there is nothing
    /// left to do.
    func doChore(_ events: Int) throws(ArchiveError) -> Bool {
        if try self.indexNext(events) { return true }
        if try self.sealNext(50) { return true }
        return try self.giveBack(1_000)
    }

    /// Shortens a file of which a quarter is empty: fewer free pages are used again soon. True while that helps; a file
    /// that was begun by an older program cannot be shortened before it is compacted.
    private func giveBack(_ pages: Int) throws(ArchiveError) -> Bool {
        let free = try self.integer("PRAGMA freelist_count") ?? 0
        guard try 4 * free > self.integer("PRAGMA page_count") ?? 0 else { return false }
        try self.execute("PRAGMA incremental_vacuum(\(pages))")
        return try self.integer("PRAGMA freelist_count") ?? 0 < free
    }
}
