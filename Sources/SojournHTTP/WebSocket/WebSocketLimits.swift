/// What a WebSocket allows its peer.
public struct WebSocketLimits: Sendable {
    /// Most bytes of a message, over all its fragments; more is closed with 1009. 1 MiB.
    public var messageBytes = 1 << 20
    /// Most frames of a message; more is closed with 1009. 1,024.
    public var fragments = 1024
    /// Milliseconds from ping to ping; the first comes at a random time within. 25 s.
    public var pingMilliseconds = 25_000
    /// Milliseconds within which a ping must be answered; later is closed with 4408. 25 s. It does not count while
    /// written bytes wait.
    public var pongMilliseconds = 25_000
    /// Milliseconds for which a peer may take none of the bytes that wait for it; longer is closed with 4413. 30 s.
    public var stallMilliseconds = 30_000
    /// Milliseconds for which the peer's answer to a close is awaited. 5 s.
    public var closeMilliseconds = 5_000
    /// Bytes of replies that may wait until nothing more is read from the peer. 256 KiB.
    public var replyBytes = 256 * 1024

    /// The defaults above.
    public init() {}

    /// How often the times above are looked at.
    var tickMilliseconds: Int {
        max(5, min(self.pingMilliseconds, self.pongMilliseconds / 4, self.stallMilliseconds / 4))
    }
}
