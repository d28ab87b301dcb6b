/// Carries a value of one loop through Sendable code; touching it on another thread stops the process.
///
/// This is the one way in which loop-confined objects travel inside `@Sendable` closures: the box may go
/// anywhere, the value is only reachable on its loop.
public struct Confined<Value>: @unchecked Sendable {
    // Why unchecked: `stored` is only reachable through `value`, which checks the thread, and `map`, too.
    private let stored: Value
    private let loop: EventLoop

    /// Boxes a value that belongs to `loop`. Call it on the loop, or before anything else can reach the value.
    public init(_ value: Value, to loop: EventLoop) {
        self.stored = value
        self.loop = loop
    }

    /// The value; on its loop only.
    public var value: Value {
        self.loop.checkIsolated()
        return self.stored
    }
}
