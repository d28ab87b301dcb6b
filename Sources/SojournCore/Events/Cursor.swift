/// How far a reader has come in a session's log: `<epoch>:<seq>`, or `<epoch>:<seq>.<n>` inside a message
/// that is being generated, or a bare seq of the present log.
public struct Cursor: Sendable, Hashable, CustomStringConvertible {
    /// The branch that the reader saw; nil means whatever is the present one.
    public let epoch: String?
    /// The last event it has; 0 is the beginning.
    public let seq: Int
    /// The last delta it has of the message that follows `seq`.
    public let delta: Int?

    /// The beginning of the log.
    public static let start = Cursor(epoch: nil, seq: 0)

    /// A cursor.
    public init(epoch: String?, seq: Int, delta: Int? = nil) {
        self.epoch = epoch
        self.seq = seq
        self.delta = delta
    }

    /// Reads a cursor; nil when the text is not one. An epoch is `[a-z0-9.]+`, at most 40 bytes.
    public init?(_ text: some StringProtocol) {
        let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let last = halves.last else { return nil }
        var epoch: String?
        if halves.count == 2 {
            let word = halves[0]
            let isWord = word.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || byte == UInt8(ascii: ".")
            }
            guard isWord, (1...40).contains(word.utf8.count) else { return nil }
            epoch = String(word)
        }
        let numbers = last.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = numbers.first, let seq = Self.number(first) else { return nil }
        var delta: Int?
        if numbers.count == 2 {
            guard epoch != nil, let number = Self.number(numbers[1]) else { return nil }
            delta = number
        }
        self.init(epoch: epoch, seq: seq, delta: delta)
    }

    private static func number(_ digits: some StringProtocol) -> Int? {
        guard (1...15).contains(digits.utf8.count), digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
        return Int(digits)
    }

    /// The text form, for logs.
    public var description: String {
        (self.epoch.map { $0 + ":" } ?? "") + String(self.seq) + (self.delta.map { "." + String($0) } ?? "")
    }
}

/// The last branches of a session's log: which epoch began at which seq.
///
/// After a failover that lost events the log goes on as a new branch right after the last event that
/// survived. A reader of an older branch is inside the common prefix if what it has lies before the next cut.
public struct EpochHistory: Sendable, Hashable {
    /// One branch and its first seq.
    public struct Cut: Sendable, Hashable {
        /// The branch's name.
        public let epoch: String
        /// The seq of its first event.
        public let firstSeq: Int

        /// A cut.
        public init(epoch: String, firstSeq: Int) {
            self.epoch = epoch
            self.firstSeq = firstSeq
        }
    }

    /// The branches that are known, oldest first; the last one is being written.
    public let cuts: [Cut]
    /// The newest durable event.
    public let head: Int

    /// A history.
    public init(cuts: [Cut], head: Int) {
        self.cuts = cuts
        self.head = head
    }

    /// Whether everything a reader at this cursor has is part of the present log.
    public func honours(_ cursor: Cursor) -> Bool {
        guard cursor.seq <= self.head else { return false }
        guard let epoch = cursor.epoch, cursor.seq > 0 else { return true }
        guard let branch = self.cuts.lastIndex(where: { $0.epoch == epoch }) else { return false }
        guard branch + 1 < self.cuts.count else { return true }
        return cursor.seq < self.cuts[branch + 1].firstSeq
    }

    /// The last event that a reader at this cursor shares with the present log, where that is known.
    public func commonPrefix(with cursor: Cursor) -> Int {
        if self.honours(cursor) { return cursor.seq }
        guard let epoch = cursor.epoch else { return min(cursor.seq, self.head) }
        guard let branch = self.cuts.lastIndex(where: { $0.epoch == epoch }) else { return 0 }
        // The last branch can be shorter than what its readers saw: the next one begins with the next event.
        guard branch + 1 < self.cuts.count else { return min(cursor.seq, self.head) }
        return min(cursor.seq, self.cuts[branch + 1].firstSeq - 1)
    }
}
