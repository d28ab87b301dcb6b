/// One event as it is stored, published and delivered: its bytes, and what its head says.
public struct Event: Sendable, Hashable {
    /// The branch of the log it belongs to.
    public let epoch: String
    /// Its place in the log; nil for ephemeral events.
    public let seq: Int?
    /// Its number among the deltas of its session; nil for all other events.
    public let delta: Int?
    /// When it was appended, in Redis time.
    public let at: Instant
    /// One of ``EventType``, or a name that a newer version knows.
    public let type: String
    /// The whole event as one line of JSON.
    public let bytes: [UInt8]
    /// Whether these bytes only say that the event exists, because it is too large to be published.
    public let isDoorbell: Bool

    /// Its cursor: a reader that has it has everything up to here.
    public var cursor: Cursor? { self.seq.map { Cursor(epoch: self.epoch, seq: $0) } }

    /// The event as parsed JSON.
    public func json() throws(JSONSyntaxError) -> JSON { try JSON.parse(self.bytes) }

    /// Reads the head of an event that the append script wrote, `{"v":1,"epoch":"…","seq":n,"at":ms,"type":"…"`,
    /// without parsing the rest; nil when the bytes do not begin like that.
    public init?(bytes: [UInt8]) {
        var head = Head(bytes: bytes)
        guard head.skip(#"{"v":1,"epoch":""#), let epoch = head.word() else { return nil }
        var seq: Int?
        if head.skip(#","seq":"#) {
            guard let number = head.number() else { return nil }
            seq = number
        }
        var delta: Int?
        if seq == nil, head.skip(#","delta":"#) {
            guard let number = head.number() else { return nil }
            delta = number
        }
        if head.skip(#","doorbell":true"#) {
            guard seq != nil || delta != nil else { return nil }
            (self.at, self.type, self.isDoorbell) = (Instant(milliseconds: 0), "", true)
        } else {
            guard head.skip(#","at":"#), let at = head.number(), head.skip(#","type":""#), let type = head.word() else {
                return nil
            }
            (self.at, self.type, self.isDoorbell) = (Instant(milliseconds: Int64(at)), type, false)
        }
        self.epoch = epoch
        self.seq = seq
        self.delta = delta
        self.bytes = bytes
    }

    /// What follows the head that the scripts write: type, session, and the data as JSON bytes.
    public static func body(
        type: String, sessionID: SessionID, turnID: String? = nil, trace: TraceParent? = nil, data: [UInt8]
    ) -> [UInt8] {
        var body = Array(#""type":""#.utf8)
        body.reserveCapacity(data.count + 128)
        body.append(contentsOf: type.utf8)
        body.append(contentsOf: #"","sessionId":""#.utf8)
        body.append(contentsOf: sessionID.text.utf8)
        if let turnID {
            body.append(contentsOf: #"","turnId":""#.utf8)
            body.append(contentsOf: turnID.utf8)
        }
        if let trace {
            body.append(contentsOf: #"","trace":""#.utf8)
            body.append(contentsOf: trace.description.utf8)
        }
        body.append(contentsOf: #"","data":"#.utf8)
        body.append(contentsOf: data)
        body.append(UInt8(ascii: "}"))
        return body
    }

    /// An ephemeral event made by a node.
    public static func ephemeral(
        type: String, sessionID: SessionID, epoch: String, at: Instant, data: JSON
    ) -> Event? {
        Event(
            bytes: Array(#"{"v":1,"epoch":"\#(epoch)","at":\#(at.milliseconds),"#.utf8)
                + Self.body(type: type, sessionID: sessionID, data: data.bytes))
    }

    /// A scanner over the fixed head; no field in it is ever escaped.
    private struct Head {
        let bytes: [UInt8]
        var at = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        mutating func skip(_ text: StaticString) -> Bool {
            let count = text.utf8CodeUnitCount
            guard self.at + count <= self.bytes.count else { return false }
            return text.withUTF8Buffer { expected in
                for offset in 0..<count where unsafe expected[offset] != self.bytes[self.at + offset] { return false }
                self.at += count
                return true
            }
        }

        mutating func word() -> String? {
            guard let end = self.bytes[self.at...].firstIndex(of: UInt8(ascii: "\"")) else { return nil }
            defer { self.at = end + 1 }
            return String(decoding: self.bytes[self.at..<end], as: UTF8.self)
        }

        mutating func number() -> Int? {
            var value = 0
            let start = self.at
            while self.at < self.bytes.count, self.at - start < 18 {
                let digit = Int(self.bytes[self.at]) - 48
                guard (0...9).contains(digit) else { break }
                value = value * 10 + digit
                self.at += 1
            }
            return self.at > start ? value : nil
        }
    }
}
