/// The 128 bits of a UUID (RFC 9562) and their text.
public struct UUIDBits: Sendable, Hashable {
    /// The first 64 bits.
    public let high: UInt64
    /// The last 64 bits.
    public let low: UInt64

    /// A UUID from its two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Parses the 36-character text form, of either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let fast = text.utf8.withContiguousStorageIfAvailable { unsafe Self.parse($0.span) }
        guard let bits = fast ?? Self.parse(Array(text.utf8).span) else { return nil }
        self = bits
    }

    private static func parse(_ text: Span<UInt8>) -> UUIDBits? {
        guard text.count == 36 else { return nil }
        var (high, low): (UInt64, UInt64) = (0, 0)
        for position in text.indices {
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard text[position] == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let digit = Hex.value(text[position]) else { return nil }
            if position < 18 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt64(digit) }
        }
        return UUIDBits(high: high, low: low)
    }

    /// The lower-case text form.
    public var text: String {
        unsafe String(unsafeUninitializedCapacity: 36) { bytes in
            var place = 0
            for position in 0..<16 {
                if position == 4 || position == 6 || position == 8 || position == 10 {
                    unsafe bytes[place] = UInt8(ascii: "-")
                    place += 1
                }
                let half = position < 8 ? self.high : self.low
                let byte = UInt8(truncatingIfNeeded: half >> (56 - 8 * UInt64(position % 8)))
                unsafe bytes[place] = Hex.digit(byte >> 4)
                unsafe bytes[place + 1] = Hex.digit(byte & 15)
                place += 2
            }
            return place
        }
    }

    /// The 16 bytes, most significant first.
    public var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? self.high : self.low) >> (56 - 8 * UInt64($0 % 8))) }
    }

    /// The UUID with these 16 bytes; nil for another count.
    public init?(bytes: ArraySlice<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        // The first bytes leave `low` at its top, for `high`.
        for byte in bytes {
            high = high << 8 | low >> 56
            low = low << 8 | UInt64(byte)
        }
        self.high = high
        self.low = low
    }
}
