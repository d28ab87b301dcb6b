import CEvent
import Glibc
import Synchronization

/// One thread, one libevent base, one first-in-first-out queue of Swift jobs.
///
/// What lives on a loop is plain, non-Sendable objects: connections, streams, caches. They are created
/// on the loop, touched only on the loop, and need no lock. Three doors lead in:
///
/// - a C callback of the loop's own base, which already runs on its thread;
/// - ``spawn(_:)``, which starts a task from code that is on the loop; every `async` function it calls
///   stays on the loop, because the loop is the task's executor;
/// - ``run(_:)``, which hops here from anywhere and comes back with a Sendable answer.
///
/// Each pass of the loop polls the descriptors once, runs their callbacks, then runs at most
/// ``batch`` jobs, then what ``atEndOfTick(_:)`` collected (so that everything written during one pass
/// leaves in one system call).
///
/// It is a task executor only. A serial executor's jobs would have to run as such, and then each return of a
/// task from an actorless `await` costs a trip through the queue; with plain objects there is nobody to serve.
@safe public final class EventLoop: TaskExecutor, @unchecked Sendable {
    // Why unchecked: `base`, `wakeEvent`, `endOfTick` and `backlog` are touched only by the loop's thread
    // (each entry checks), or before it starts, or after it was joined. The rest is locked or atomic.

    /// What any thread may touch.
    private struct Shared: ~Copyable {
        var jobs: [UnownedJob] = []
        /// What ``execute(_:)`` handed over; unlike a job it may be dropped once the loop has stopped.
        var calls: [@Sendable () -> Void] = []
        /// True while the loop is sure to look at `jobs` and `calls` again before it sleeps.
        var willLook = true
        var stopping = false
        /// Whether the thread has looked for the last time.
        var ended = false
    }

    /// Jobs run before the loop looks at its descriptors again.
    static let batch = 256

    /// The loop's name, as shown by `top -H`; at most 15 bytes count.
    public let name: String
    private let shared = Locked(Shared())
    private let libevent: OpaquePointer
    private let wake: CInt
    private var wakeEvent: OpaquePointer?
    private var endOfTick: [() -> Void] = []
    /// Swift jobs run so far, on this thread; the tests count hops with it.
    private(set) var jobsRun = 0
    /// The thread; zero until it runs. Atomic because any thread may ask.
    private let thread = Atomic<UInt>(0)
    private let join = Locked<pthread_t?>(nil)

    /// A peer that is gone is an error of the write, not the end of the process; libevent cannot say so per call.
    private static let ignoreBrokenPipes: Void = {
        _ = signal(SIGPIPE, SIG_IGN)
    }()

    /// Starts a loop on a thread of its own. It runs until ``stop()``. The process ignores SIGPIPE from then on.
    public init(name: String) {
        Self.ignoreBrokenPipes
        self.name = name
        guard let config = unsafe event_config_new() else {
            preconditionFailure("libevent: no memory for a configuration")
        }
        // One thread only ever touches this base; cross-thread wake-ups come through the eventfd.
        _ = unsafe event_config_set_flag(config, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
        // Changes of the poll set are made once a pass, and not at all when they cancel out. No descriptor here is a
        // dup of another, which epoll would then confuse.
        _ = unsafe event_config_set_flag(config, Int32(EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST.rawValue))
        guard let base = unsafe event_base_new_with_config(config) else {
            preconditionFailure("libevent: the system refused an event base (out of file descriptors?)")
        }
        unsafe event_config_free(config)
        unsafe self.libevent = base
        self.wake = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
        precondition(self.wake >= 0, "the system refused an eventfd for event loop \(name): errno \(errno)")
        unsafe self.wakeEvent = event_new(
            base, self.wake, Int16(EV_READ | EV_PERSIST),
            { fd, _, _ in
                var count: UInt64 = 0
                unsafe eventfd_read(fd, &count)
            }, nil)
        unsafe event_add(self.wakeEvent, nil)
        self.startThread()
    }

    deinit {
        unsafe event_free(self.wakeEvent)
        unsafe event_base_free(self.libevent)
        close(self.wake)
    }

    // MARK: Executor

    /// Takes a job of a task whose executor is this loop; the runtime calls it, on any thread.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let mustWake = self.shared.withLock { shared -> Bool in
            // A timer of a task that sleeps may still fire while the loop comes to its end; what it wakes is run.
            if shared.ended { self.fail("a job was enqueued on event loop \(self.name) after it had stopped") }
            shared.jobs.append(job)
            defer { shared.willLook = true }
            return !shared.willLook
        }
        // The loop itself, in a callback, looks as soon as that returns.
        if mustWake, !self.isCurrent { eventfd_write(self.wake, 1) }
    }

    // Never inlined: `pthread_self` is a const function to the optimizer, which would reuse the value it
    // read before a task hopped here.
    /// Whether the caller is on this loop's thread.
    @inline(never)
    public var isCurrent: Bool { self.thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// Stops the process with a sentence when the caller is on another thread.
    public func checkIsolated() {
        if !self.isCurrent { self.fail("an object of event loop \(self.name) was used on another thread") }
    }

    /// Unlike a precondition this says its sentence in optimized builds, too.
    @inline(never)
    private func fail(_ sentence: String) -> Never { fatalError(sentence) }

    // MARK: Doors

    /// The libevent base, for code on the loop.
    public var base: OpaquePointer {
        self.checkIsolated()
        return unsafe self.libevent
    }

    /// Starts a task from code on the loop. Everything it calls runs here.
    public func spawn(_ body: @escaping () async -> Void) {
        self.checkIsolated()
        let confined = Confined(body, to: self)
        Task(executorPreference: self) { await confined.value() }
    }

    /// Runs `body` on the loop, from anywhere, and returns its answer.
    @concurrent
    public func run<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        try await withTaskExecutorPreference(self) { try await self.call(body) }
    }

    /// Being `@concurrent`, it begins with a hop to the task's executor; a closure without an `await` would not.
    @concurrent
    private func call<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
        self.checkIsolated()
        return try await body()
    }

    /// Runs `body` on the loop soon, from anywhere, in the order of the calls.
    ///
    /// Returns false, and drops `body`, when the loop has been stopped: an answer that comes too late (of a
    /// resolver, say) has nobody to go to.
    @discardableResult
    public func execute(_ body: @escaping @Sendable () -> Void) -> Bool {
        let (accepted, mustWake) = self.shared.withLock { shared -> (Bool, Bool) in
            guard !shared.stopping else { return (false, false) }
            shared.calls.append(body)
            defer { shared.willLook = true }
            return (true, !shared.willLook)
        }
        if mustWake, !self.isCurrent { eventfd_write(self.wake, 1) }
        return accepted
    }

    /// Runs `body` once, after the callbacks and jobs of this pass. Loop only.
    public func atEndOfTick(_ body: @escaping () -> Void) {
        self.checkIsolated()
        self.endOfTick.append(body)
    }

    // MARK: Thread

    private func startThread() {
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<EventLoop>.fromOpaque(context).takeRetainedValue().runThread()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(code == 0, "the system refused a thread for event loop \(self.name): error \(code)")
        self.join.withLock { [thread] in $0 = thread }
    }

    private func runThread() {
        self.thread.store(UInt(pthread_self()), ordering: .relaxed)
        unsafe sojourn_name_thread(self.name)
        let task = unsafe self.asUnownedTaskExecutor()
        var backlog: [UnownedJob] = []
        var next = 0
        while true {
            if next == backlog.count {
                backlog.removeAll(keepingCapacity: true)
                next = 0
                let (jobs, calls, ended) = self.shared.withLock { shared in
                    let (jobs, calls) = (shared.jobs, shared.calls)
                    shared.jobs = []
                    shared.calls = []
                    shared.willLook = !jobs.isEmpty || !calls.isEmpty
                    shared.ended = jobs.isEmpty && calls.isEmpty && shared.stopping
                    return (jobs, calls, shared.ended)
                }
                if ended { break }
                backlog = jobs
                for call in calls { call() }
            }
            let end = min(next + Self.batch, backlog.count)
            while next < end {
                unsafe backlog[next].runSynchronously(on: task)
                next += 1
                self.jobsRun += 1
            }
            self.flushTick()
            self.poll(block: next == backlog.count)
        }
    }

    private func flushTick() {
        while !self.endOfTick.isEmpty {
            let due = self.endOfTick
            self.endOfTick.removeAll(keepingCapacity: true)
            for body in due { body() }
        }
    }

    /// Polls once; sleeps only when nothing waits. Do not rename: profiles are filtered on this name.
    private func poll(block: Bool) {
        // Asked once more, because what just ran may have left nothing behind; else each job would cost a poll in vain.
        let sleep =
            block
            && self.shared.withLock { shared in
                // The wake-up of `stop` may have been taken together with an earlier one.
                let isIdle = shared.jobs.isEmpty && shared.calls.isEmpty && !shared.stopping
                if isIdle { shared.willLook = false }
                return isIdle
            }
        let flags = EVLOOP_ONCE | (sleep ? 0 : EVLOOP_NONBLOCK)
        _ = unsafe event_base_loop(self.libevent, flags)
        self.shared.withLock { $0.willLook = true }
        self.flushTick()
    }

    /// Lets queued jobs finish, then ends the thread and waits for it. Idempotent. Nothing may be enqueued
    /// later: end the tasks that use the loop first. Never call it on the loop itself.
    public func stop() {
        if self.isCurrent { self.fail("event loop \(self.name) cannot wait for itself to stop") }
        let thread = self.join.withLock { thread -> pthread_t? in
            defer { thread = nil }
            return thread
        }
        guard let thread else { return }
        self.shared.withLock { $0.stopping = true }
        eventfd_write(self.wake, 1)
        _ = pthread_join(thread, nil)
        // Streams close and timers end through their owners; what is left of them holds only memory.
    }
}
