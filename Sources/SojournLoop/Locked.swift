import Synchronization

#if SOJOURN_TSAN
    @_silgen_name("__tsan_acquire") private func tsanAcquire(_ token: UnsafeMutableRawPointer)
    @_silgen_name("__tsan_release") private func tsanRelease(_ token: UnsafeMutableRawPointer)
#endif

/// A `Mutex` that Thread Sanitizer can see.
///
/// The futex code behind `Mutex` is not instrumented, so what it guards is reported as racing. The
/// token stands for the lock; the guarded value's own address would not do, because forming it is
/// already an access. Never call out of the module while holding it, and never hold two.
@safe public struct Locked<Value: ~Copyable>: ~Copyable, Sendable {
    private let mutex: Mutex<Value>
    #if SOJOURN_TSAN
        private nonisolated(unsafe) let token = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)
        deinit { unsafe token.deallocate() }
    #endif

    /// Guards `value`.
    public init(_ value: consuming sending Value) { self.mutex = Mutex(value) }

    /// Runs `body` with exclusive access to the value.
    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        try self.mutex.withLock { value throws(Failure) in
            #if SOJOURN_TSAN
                unsafe tsanAcquire(self.token)
                defer { unsafe tsanRelease(self.token) }
            #endif
            return try body(&value)
        }
    }
}
