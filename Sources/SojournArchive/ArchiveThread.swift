import Glibc
import SojournLoop

/// The one thread on which all SQLite work of an archive happens, and its queue of jobs.
///
/// Jobs run in the order they came. Writes that wait behind each other share one transaction, hence one
/// sync of the disk; when that transaction fails each of them is tried alone, so that one cannot spoil another.
@safe final class ArchiveThread: Sendable {
    /// A piece of work and what to do when it cannot be done.
    enum Job: Sendable {
        /// Runs outside a transaction of ours.
        case read(run: @Sendable (Connection) -> Void, fail: @Sendable (ArchiveError) -> Void)
        /// Runs inside a transaction, perhaps twice; what it returns is called once the transaction is on disk.
        case write(
            run: @Sendable (Connection) throws(ArchiveError) -> @Sendable () -> Void,
            fail: @Sendable (ArchiveError) -> Void)

        var fail: @Sendable (ArchiveError) -> Void {
            switch self {
            case .read(_, let fail), .write(_, let fail): fail
            }
        }
    }

    private struct Shared {
        var jobs: [Job] = []
        var stopping = false
        var finished = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// Which file it opens, and what for.
    enum Mode: Sendable {
        /// As the one archivist of the file.
        case archivist([Migration], chores: Chores)
        /// For reading, beside the archivist.
        case reader(schema: Int64)
    }

    private let path: String
    private let shared = Locked(Shared())
    /// Posted when there may be something in `shared`.
    // Never written after `init`; the semaphore itself is made for many threads.
    private nonisolated(unsafe) let wake = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let thread = Locked<pthread_t?>(nil)

    private init(path: String) {
        self.path = path
        unsafe sem_init(self.wake, 0, 0)
    }

    deinit {
        unsafe sem_destroy(self.wake)
        unsafe self.wake.deallocate()
    }

    // MARK: From any thread

    /// Starts a thread that opens the file; answers with it and the archivist's id.
    static func start(path: String, mode: Mode) async throws(ArchiveError) -> (ArchiveThread, String) {
        let thread = ArchiveThread(path: path)
        let opened = await withCheckedContinuation { continuation in
            thread.launch { thread.work(mode) { continuation.resume(returning: $0) } }
        }
        do {
            return (thread, try opened.get())
        } catch {
            await thread.stop()
            throw error
        }
    }

    /// Puts a job at the end of the queue; it fails at once when the archive was closed.
    func enqueue(_ job: Job) {
        let accepted = self.shared.withLock { shared -> Bool in
            if shared.stopping { return false }
            shared.jobs.append(job)
            return true
        }
        if accepted { unsafe sem_post(self.wake) } else { job.fail(self.closed) }
    }

    /// Jobs the thread has not begun.
    var waiting: Int { self.shared.withLock { $0.jobs.count } }

    /// Asks the thread to end after the jobs it has, without waiting.
    func requestStop() {
        self.shared.withLock { $0.stopping = true }
        unsafe sem_post(self.wake)
    }

    /// Ends the thread after the jobs it has and waits until the file is closed.
    func stop() async {
        self.requestStop()
        await withCheckedContinuation { continuation in
            let finished = self.shared.withLock { shared -> Bool in
                if !shared.finished { shared.waiters.append(continuation) }
                return shared.finished
            }
            if finished { continuation.resume() }
        }
        // The thread has nothing left to do but return.
        if let thread = self.thread.withLock({ $0.take() }) { pthread_join(thread, nil) }
    }

    /// Lets the thread end by itself; for an archive that is released without having been closed.
    func abandon() {
        self.requestStop()
        if let thread = self.thread.withLock({ $0.take() }) { pthread_detach(thread) }
    }

    private var closed: ArchiveError {
        ArchiveError(.closed, "The archive \(self.path) was closed before this was done", path: self.path)
    }

    // MARK: The thread

    private final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private func launch(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                ArchiveThread.nameThread()
                unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Start(body)).toOpaque())
        precondition(code == 0, "the system refused a thread for the archive \(self.path): error \(code)")
        self.thread.withLock { [thread] in $0 = thread }
    }

    /// What `top -H` shows. The function for it is not in Swift's Glibc.
    private static func nameThread() {
        let descriptor = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        if descriptor < 0 { return }
        _ = unsafe write(descriptor, "archive", 7)
        close(descriptor)
    }

    private func work(_ mode: Mode, opened: (Result<String, ArchiveError>) -> Void) {
        do {
            switch mode {
            case .archivist(let migrations, let chores):
                let file = try ArchiveFile(path: self.path, migrations: migrations)
                opened(.success(file.id))
                self.serve(file.connection, chores)
                file.close()
            case .reader(let schema):
                let file = try ArchiveFile(reading: self.path, schema: schema)
                opened(.success(file.id))
                while let jobs = self.next(patience: nil) { Self.perform(jobs, on: file.connection) }
                file.close()
            }
        } catch {
            opened(.failure(error))
        }
        let waiters = self.shared.withLock { shared in
            shared.stopping = true
            shared.finished = true
            defer { shared.waiters = [] }
            return shared.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Does the jobs, and the chores when there are none, or when they have waited too long for that.
    private func serve(_ connection: Connection, _ chores: Chores) {
        var roster = chores.roster()
        while let jobs = self.next(patience: roster.patience) {
            let begin = EventLoop.now
            Self.perform(jobs, on: connection)
            roster.worked(
                wrote: jobs.contains { if case .write = $0 { true } else { false } }, idle: jobs.isEmpty, since: begin)
            if roster.isDue { roster.doOne(on: connection) }
        }
    }

    /// What has come since the last call, waiting for it; nothing when `patience` ms have passed; nil when it is time
    /// to end.
    private func next(patience: Int?) -> [Job]? {
        while true {
            let (jobs, stopping) = self.shared.withLock { shared in
                defer { shared.jobs = [] }
                return (shared.jobs, shared.stopping)
            }
            if !jobs.isEmpty { return jobs }
            if stopping { return nil }
            // An interrupted wait looks again, like any other.
            guard let patience else {
                unsafe sem_wait(self.wake)
                continue
            }
            var end = timespec()
            // Of the system's time, as POSIX has it; a jump of that only moves a chore.
            unsafe clock_gettime(CLOCK_REALTIME, &end)
            end.tv_nsec += patience % 1_000 * 1_000_000
            end.tv_sec += patience / 1_000 + end.tv_nsec / 1_000_000_000
            end.tv_nsec %= 1_000_000_000
            if unsafe sem_timedwait(self.wake, &end) != 0, errno == ETIMEDOUT { return [] }
        }
    }

    private static func perform(_ jobs: [Job], on connection: Connection) {
        var writes: [Job] = []
        for job in jobs {
            if case .read(let run, _) = job {
                Self.commit(writes, on: connection)
                writes = []
                run(connection)
            } else {
                writes.append(job)
            }
        }
        Self.commit(writes, on: connection)
    }

    private static func commit(_ writes: [Job], on connection: Connection) {
        if writes.isEmpty { return }
        do {
            let deliveries = try connection.transaction { () throws(ArchiveError) in
                var deliveries: [@Sendable () -> Void] = []
                for case .write(let run, _) in writes { deliveries.append(try run(connection)) }
                return deliveries
            }
            for deliver in deliveries { deliver() }
        } catch {
            if writes.count == 1 { return writes[0].fail(error) }
            for write in writes { Self.commit([write], on: connection) }
        }
    }
}
