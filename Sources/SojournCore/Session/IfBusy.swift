/// What a message does while a turn of its session is open.
public enum IfBusy: String, Sendable, CaseIterable {
    /// It waits its turn.
    case enqueue
    /// It is refused.
    case reject
    /// It takes the place of the running turn, which is cancelled.
    case interrupt
    /// It is handed to the running turn; when that ends first it becomes a turn of its own.
    case steer
}
