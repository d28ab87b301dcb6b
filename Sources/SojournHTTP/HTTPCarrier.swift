/// The seam to the parser: all that an exchange needs from whatever read its request and writes its answer.
///
/// The one implementation sits on evhttp. Another parser is swapped in by another type with these members and
/// the server end that creates it; exchanges, streams, the head guard and the limits stay.
protocol HTTPCarrier: AnyObject {
    var method: HTTPMethod { get }
    /// The request target as sent.
    var target: String { get }
    var remoteAddress: String { get }
    /// The body, whole.
    var body: [UInt8] { get }
    /// The first field of this name, whatever its case.
    func header(_ name: String) -> String?
    /// All fields of this name in order, whatever its case.
    func headers(_ name: String) -> [String]

    /// Whether nobody can read an answer any more: the client left, or the answer is complete.
    var isClosed: Bool { get }
    /// Called once when the client leaves, or the connection is closed, before a complete answer was given or
    /// a stream's end had left.
    /// Setting it while the answer is pending starts to look for that.
    var onClosed: (() -> Void)? { get set }

    /// Gives the complete answer, with both lists of fields; nothing when closed.
    func answer(status: Int, headers: HTTPHeaders, more: HTTPHeaders, body: [UInt8])

    /// Sends the head of an answer whose body follows piece by piece.
    func startStream(status: Int, headers: HTTPHeaders, more: HTTPHeaders)
    func write(_ bytes: Span<UInt8>)
    func endStream()
    /// Cuts the connection.
    func abort()
    /// Bytes of the stream that the kernel has not taken.
    var pendingBytes: Int { get }
    /// When the kernel last took bytes, in ms of the monotonic clock.
    var lastWriteProgress: Int { get }
    /// Called at the end of a loop pass in which the last pending byte left.
    var onDrained: (() -> Void)? { get set }

    /// Whether the request is of HTTP/1.1, and so may change the protocol.
    var isHTTP11: Bool { get }
    /// Answers 101 with these fields; from then on the connection carries another protocol. What is written goes out
    /// as it is, `readable` is called whenever bytes have come, and `endStream` closes when all has left. What came
    /// with the request is forgotten.
    func takeOver(headers: HTTPHeaders, readable: @escaping () -> Void)
    /// Takes bytes that came after `takeOver`; 0 when there are none.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int
    /// Whether bytes are received after `takeOver`. Whoever does not take what there is must say no: else it is told
    /// again and again. Meanwhile a client that leaves goes unnoticed.
    var isReceiving: Bool { get set }
    /// Bytes that the kernel took and the client's has not confirmed.
    var unconfirmedBytes: Int { get }
}
