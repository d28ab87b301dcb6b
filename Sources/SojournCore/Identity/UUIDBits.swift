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
        var high: UInt64 = 0
        var low: UInt64 = 0
        var position = 0
        for byte in text.utf8 {
            switch position {
            case 8, 13, 18, 23: guard byte == UInt8(ascii: "-") else { return nil }
            case 0..<18:
                guard let digit = Hex.value(byte) else { return nil }
                high = high << 4 | UInt64(digit)
            case 18..<36:
                guard let digit = Hex.value(byte) else { return nil }
                low = low << 4 | UInt64(digit)
            default: return nil
            }
            position += 1
        }
        guard position == 36 else { return nil }
        self.high = high
        self.low = low
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
