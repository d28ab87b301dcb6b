extension Instant {
    /// Reads an ISO 8601 moment as `Date` in JavaScript does for the forms that clients send:
    /// `2026-11-20`, `2026-11-20T00:33Z`, `2026-11-20T00:33:26.249+01:00`; without a zone a date-time is UTC.
    /// Nil for anything else, dates that do not exist included.
    public init?(iso8601 text: String) {
        var scanner = Scanner(rest: Array(text.utf8)[...])
        guard let year = scanner.number(4), scanner.take("-"), let month = scanner.number(2), scanner.take("-"),
            let day = scanner.number(2), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        let date = CivilDate(year: year, month: month, day: day)
        guard CivilDate(daysSince1970: date.daysSince1970) == date else { return nil }
        var milliseconds = Int64(date.daysSince1970) * 86_400_000
        if scanner.take("T") || scanner.take(" ") {
            guard let hour = scanner.number(2), scanner.take(":"), let minute = scanner.number(2), hour < 24,
                minute < 60
            else { return nil }
            milliseconds += Int64(hour * 3_600_000 + minute * 60_000)
            if scanner.take(":") {
                guard let second = scanner.number(2), second < 60 else { return nil }
                milliseconds += Int64(second * 1000)
                if scanner.take(".") {
                    guard let fraction = scanner.fraction() else { return nil }
                    milliseconds += Int64(fraction)
                }
            }
            guard let offset = scanner.zone() else { return nil }
            milliseconds -= Int64(offset) * 60_000
        }
        guard scanner.rest.isEmpty else { return nil }
        self.init(milliseconds: milliseconds)
    }

    private struct Scanner {
        var rest: ArraySlice<UInt8>

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard self.rest.first == UInt8(ascii: character) else { return false }
            self.rest.removeFirst()
            return true
        }

        mutating func number(_ width: Int) -> Int? {
            guard self.rest.count >= width else { return nil }
            var value = 0
            for byte in self.rest.prefix(width) {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int(byte - UInt8(ascii: "0"))
            }
            self.rest.removeFirst(width)
            return value
        }

        /// Milliseconds from any number of fraction digits; what is finer is cut off.
        mutating func fraction() -> Int? {
            let digits = self.rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard !digits.isEmpty else { return nil }
            self.rest = self.rest.dropFirst(digits.count)
            let padded = digits.prefix(3).map { Int($0 - UInt8(ascii: "0")) } + [0, 0]
            return padded[0] * 100 + padded[1] * 10 + padded[2]
        }

        /// Minutes east of UTC.
        mutating func zone() -> Int? {
            if self.rest.isEmpty || self.take("Z") { return 0 }
            let sign = self.take("+") ? 1 : self.take("-") ? -1 : 0
            guard sign != 0, let hours = self.number(2) else { return nil }
            _ = self.take(":")
            guard let minutes = self.number(2), hours < 24, minutes < 60 else { return nil }
            return sign * (hours * 60 + minutes)
        }
    }
}
