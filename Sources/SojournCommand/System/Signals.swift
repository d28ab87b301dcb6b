import Dispatch
import Glibc
import SojournLoop

/// The signals that stop a node, of which the first asks it to drain and the second ends it at once, SIGHUP, on which it
/// reads its files again, and SIGUSR1, on which its log tells more or less.
///
/// SIGPIPE is ignored: a client that went away is an error of one write, not the end of the process. So is SIGXFSZ: a
/// file that has reached its limit is the archive's trouble.
final class Signals: Sendable {
    private let memory = Memory()
    // Never touched after init; only kept, because a source that nobody holds hears nothing.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    /// Begins to catch SIGTERM, SIGINT, SIGHUP and SIGUSR1.
    init() {
        _ = signal(SIGPIPE, SIG_IGN)
        _ = signal(SIGXFSZ, SIG_IGN)
        unsafe self.sources = [SIGTERM, SIGINT, SIGHUP, SIGUSR1].map { [memory] number in
            // Without this the default action ends the process before anyone hears of the signal.
            _ = signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                switch number {
                case SIGHUP: memory.hungUp()
                case SIGUSR1: memory.usedOnce()
                default: memory.received(number)
                }
            }
            source.resume()
            return source
        }
    }

    /// Runs `body` for each SIGHUP from now on.
    func onHangUp(_ body: @escaping @Sendable () async -> Void) { self.memory.onHangUp(body) }

    /// Runs `body` for each SIGUSR1 from now on.
    func onUser(_ body: @escaping @Sendable () -> Void) { self.memory.onUser(body) }

    /// Waits for the first signal and returns its number.
    func first() async -> CInt { await self.memory.first() }

    /// What came, and who waits for it.
    private final class Memory: Sendable {
        private struct State {
            var first: CInt?
            var waiters: [CheckedContinuation<CInt, Never>] = []
            var reload: (@Sendable () async -> Void)?
            var user: (@Sendable () -> Void)?
        }

        private let state = Locked(State())

        func onHangUp(_ body: @escaping @Sendable () async -> Void) { self.state.withLock { $0.reload = body } }

        func hungUp() {
            guard let reload = self.state.withLock({ $0.reload }) else { return }
            Task { await reload() }
        }

        func onUser(_ body: @escaping @Sendable () -> Void) { self.state.withLock { $0.user = body } }

        func usedOnce() { self.state.withLock { $0.user }?() }

        func received(_ number: CInt) {
            let (isSecond, waiters) = self.state.withLock { state in
                defer {
                    state.first = state.first ?? number
                    state.waiters = []
                }
                return (state.first != nil, state.waiters)
            }
            // 128 + n is what shells say of a process that signal n ended.
            if isSecond { _exit(128 + number) }
            for waiter in waiters { waiter.resume(returning: number) }
        }

        func first() async -> CInt {
            await withCheckedContinuation { continuation in
                let known = self.state.withLock { state -> CInt? in
                    if state.first == nil { state.waiters.append(continuation) }
                    return state.first
                }
                if let known { continuation.resume(returning: known) }
            }
        }
    }
}
