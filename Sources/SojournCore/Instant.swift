/// A moment of Redis time, in milliseconds since 1970-01-01T00:00:00Z.
public struct Instant: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Milliseconds since 1970.
    public let milliseconds: Int64

    /// The moment so many milliseconds after 1970 began.
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// The order.
    public static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }
    /// The moment `milliseconds` later.
    public static func + (left: Self, milliseconds: Int64) -> Self {
        Self(milliseconds: left.milliseconds + milliseconds)
    }
    /// The moment `milliseconds` earlier.
    public static func - (left: Self, milliseconds: Int64) -> Self {
        Self(milliseconds: left.milliseconds - milliseconds)
    }
    /// How many milliseconds lie between two moments.
    public static func - (left: Self, right: Self) -> Int64 { left.milliseconds - right.milliseconds }

    /// `2026-11-20T00:33:26.249Z`: UTC, always three digits of milliseconds (ISO 8601).
    public var iso8601: String {
        var bytes: [UInt8] = []
        bytes.append(iso8601: self)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// For years that have not four digits.
    fileprivate static func longForm(_ date: CivilDate, millisecond: Int) -> String {
        func pad(_ number: Int, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return pad(date.year, 4) + "-" + pad(date.month, 2) + "-" + pad(date.day, 2) + "T"
            + pad(millisecond / 3_600_000, 2) + ":" + pad(millisecond / 60_000 % 60, 2) + ":"
            + pad(millisecond / 1000 % 60, 2) + "." + pad(millisecond % 1000, 3) + "Z"
    }

    /// The text form, for logs.
    public var description: String { self.iso8601 }
}

extension [UInt8] {
    /// Appends ``Instant/iso8601``, without a text in between.
    mutating func append(iso8601 instant: Instant) {
        let day = instant.milliseconds.flooredDivision(by: 86_400_000)
        // Not `instant - day * …`: that product would overflow on the first day of the scale.
        let rest = Int(instant.milliseconds % 86_400_000)
        let millisecond = rest < 0 ? rest + 86_400_000 : rest
        let date = CivilDate(daysSince1970: Int(day))
        guard (0...9999).contains(date.year) else {
            return self.append(contentsOf: Instant.longForm(date, millisecond: millisecond).utf8)
        }
        self.append(date.year, digits: 4, UInt8(ascii: "-"))
        self.append(date.month, digits: 2, UInt8(ascii: "-"))
        self.append(date.day, digits: 2, UInt8(ascii: "T"))
        self.append(millisecond / 3_600_000, digits: 2, UInt8(ascii: ":"))
        self.append(millisecond / 60_000 % 60, digits: 2, UInt8(ascii: ":"))
        self.append(millisecond / 1000 % 60, digits: 2, UInt8(ascii: "."))
        self.append(millisecond % 1000, digits: 3, UInt8(ascii: "Z"))
    }

    private mutating func append(_ number: Int, digits: Int, _ mark: UInt8) {
        var unit = digits == 4 ? 1000 : digits == 3 ? 100 : 10
        while unit > 0 {
            self.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / unit % 10))
            unit /= 10
        }
        self.append(mark)
    }
}

/// A day of the proleptic Gregorian calendar.
struct CivilDate: Equatable {
    var year: Int
    var month: Int
    var day: Int

    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// Counts in 400-year cycles of 146,097 days that begin on 1 March, so that the leap day comes last.
    init(daysSince1970 days: Int) {
        let shifted = days + 719_468
        let cycle = shifted.flooredDivision(by: 146_097)
        let dayOfCycle = shifted - cycle * 146_097
        let yearOfCycle = (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        self.day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        self.month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        self.year = yearOfCycle + cycle * 400 + (self.month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int {
        let year = self.month <= 2 ? self.year - 1 : self.year
        let cycle = year.flooredDivision(by: 400)
        let yearOfCycle = year - cycle * 400
        let dayOfYear = (153 * (self.month > 2 ? self.month - 3 : self.month + 9) + 2) / 5 + self.day - 1
        return cycle * 146_097 + yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear - 719_468
    }
}

extension BinaryInteger {
    /// Division that rounds towards minus infinity.
    func flooredDivision(by divisor: Self) -> Self {
        let (quotient, remainder) = self.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
