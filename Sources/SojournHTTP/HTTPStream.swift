import SojournLoop

/// The body of an answer that is sent piece by piece, such as an event stream. Loop only.
///
/// It has no limit of its own: look at ``pendingBytes`` before writing to a client that may be slow. Nothing
/// times out; send something from time to time so that middleboxes keep the connection. What the client sends
/// meanwhile is thrown away, and a client that sends more than 64 KiB of it is cut off. A stream that is
/// dropped without ``end()`` is cut, so that the client does not take the body for complete.
public final class HTTPStream {
    private let carrier: any HTTPCarrier
    private var ended = false

    init(carrier: any HTTPCarrier) { self.carrier = carrier }

    deinit {
        if !self.ended { self.carrier.abort() }
    }

    /// Writes bytes; what is written during one pass of the loop leaves in one system call. Nothing happens
    /// when the stream is closed or ended, or the request was HEAD.
    public func write(_ bytes: Span<UInt8>) {
        guard !self.ended, bytes.count > 0 else { return }
        self.carrier.write(bytes)
    }

    /// Writes bytes, as ``write(_:)-(Span<UInt8>)``.
    public func write(_ bytes: [UInt8]) { self.write(bytes.span) }

    /// Writes text as UTF-8, as ``write(_:)-(Span<UInt8>)``.
    public func write(_ text: String) { self.write(Array(text.utf8)) }

    /// Bytes written but not taken by the kernel yet, with their framing.
    public var pendingBytes: Int { self.carrier.pendingBytes }

    /// When the kernel last took bytes for this client (at first: when the stream started), in milliseconds of
    /// the monotonic clock; `EventLoop.now`; see ``millisecondsSinceProgress``.
    public var lastWriteProgress: Int { self.carrier.lastWriteProgress }

    /// Milliseconds since the kernel last took bytes, 0 when none wait: how long a slow reader has stood still.
    public var millisecondsSinceProgress: Int {
        self.pendingBytes == 0 ? 0 : EventLoop.now - self.lastWriteProgress
    }

    /// Calls `body` at the end of each pass in which the last pending byte left; nil stops that. Not called
    /// once the stream is closed.
    public func onDrained(_ body: (() -> Void)?) { self.carrier.onDrained = body }

    /// Calls `body` once when the client leaves or the connection is closed before the stream's end was taken
    /// by the kernel; it takes the place of ``HTTPExchange/onClosed(_:)``. What it captures is released when the
    /// stream is over.
    public func onClosed(_ body: @escaping () -> Void) { self.carrier.onClosed = body }

    /// Whether nobody reads any more.
    public var isClosed: Bool { self.carrier.isClosed }

    /// Ends the body and, when all of it has left, the connection. A client that does not take it within
    /// ``HTTPLimits/answerMilliseconds`` is cut.
    public func end() {
        guard !self.ended else { return }
        self.ended = true
        self.carrier.endStream()
    }

    /// Cuts the connection now, for a client that is too slow; what was pending is lost.
    public func close() {
        self.ended = true
        self.carrier.abort()
    }
}
