/// The id of a session: a UUIDv8 (RFC 9562 section 5.8) that says where the session lives.
///
///     48 bits  milliseconds since 1970 when it was made
///      4 bits  version 8
///     12 bits  partition
///      2 bits  variant
///     62 bits  random
///
/// Any node reads the partition from the id; ids sort by creation. Message ids have the same form and the
/// partition of their session.
public struct SessionID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The partition bits; at most 4095.
    public var partition: Int { Int(self.bits.high & 0xFFF) }
    /// The lower-case text form.
    public let text: String
    private let bits: UUIDBits

    /// One random bit; a session id with it flipped is the session's channel id.
    private static let channelBit: UInt64 = 1 << 17

    private init(bits: UUIDBits) {
        self.bits = bits
        self.text = bits.text
    }

    /// Reads an id in text form, of either case; nil when it is not a UUIDv8 of the right variant.
    public init?(_ text: some StringProtocol) {
        guard let bits = UUIDBits(text), bits.high >> 12 & 0xF == 8, bits.low >> 62 == 0b10 else { return nil }
        self.init(bits: bits)
    }

    /// Makes a new id.
    ///
    /// - Parameters:
    ///   - instant: the last Redis time seen plus what has passed since.
    ///   - partition: 0 to 4095.
    ///   - random: 62 bits count; it must come from a cryptographic generator.
    public init(at instant: Instant, partition: Int, random: UInt64) {
        let time = UInt64(clamping: instant.milliseconds) & 0xFFFF_FFFF_FFFF
        self.init(
            bits: UUIDBits(
                high: time << 16 | 8 << 12 | UInt64(partition & 0xFFF), low: 0b10 << 62 | random & (1 << 62 - 1)))
    }

    /// Makes a new id with 62 bits from the system's generator.
    public init(at instant: Instant, partition: Int) {
        self.init(at: instant, partition: partition, random: UInt64.random(in: .min ... .max))
    }

    /// The channel id that the Sessions API shows beside the session id.
    public var channelID: String { UUIDBits(high: self.bits.high, low: self.bits.low ^ Self.channelBit).text }

    /// Equal bits; the text says the same.
    public static func == (left: Self, right: Self) -> Bool { left.bits == right.bits }
    /// Of the bits alone.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.bits) }

    /// The text form, for logs.
    public var description: String { self.text }
    /// The order.
    public static func < (left: Self, right: Self) -> Bool {
        left.bits.high != right.bits.high ? left.bits.high < right.bits.high : left.bits.low < right.bits.low
    }
}
