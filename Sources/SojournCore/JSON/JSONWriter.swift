/// Writes compact JSON straight into bytes, member by member, where building a ``JSON`` value first would cost more than
/// the answer is worth. The caller opens and closes objects and arrays in pairs and writes each name once.
public struct JSONWriter {
    /// What was written so far.
    public private(set) var bytes: [UInt8] = []

    /// Enough for most answers, which then are not moved while they grow; a little less than a kilobyte, from which on
    /// the C library looks much longer for room.
    static let usual = 960

    /// A writer with room for so many bytes, or a usual number; more are found when they are needed.
    public init(reserving bytes: Int = 0) {
        self.bytes.reserveCapacity(max(bytes, Self.usual))
    }

    /// Begins an object: the document, an element, or the value of a name.
    public mutating func open() {
        self.separate()
        self.bytes.append(UInt8(ascii: "{"))
    }

    /// Ends the innermost object.
    public mutating func close() { self.bytes.append(UInt8(ascii: "}")) }

    /// Begins an array.
    public mutating func openArray() {
        self.separate()
        self.bytes.append(UInt8(ascii: "["))
    }

    /// Ends the innermost array.
    public mutating func closeArray() { self.bytes.append(UInt8(ascii: "]")) }

    /// Writes a name, which needs no escapes; its value follows.
    public mutating func name(_ name: StaticString) {
        self.separate()
        self.bytes.append(UInt8(ascii: "\""))
        self.append(name)
        self.bytes.append(UInt8(ascii: "\""))
        self.bytes.append(UInt8(ascii: ":"))
    }

    /// Writes a string.
    public mutating func value(_ text: String) {
        self.separate()
        JSON.write(text, to: &self.bytes)
    }

    /// Writes a whole number.
    public mutating func value(_ number: Int64) {
        self.separate()
        self.bytes.append(decimal: number)
    }

    /// Writes a boolean.
    public mutating func value(_ truth: Bool) {
        self.separate()
        self.append(truth ? "true" : "false")
    }

    /// Writes an instant as text, ``Instant/iso8601``.
    public mutating func value(_ instant: Instant) {
        self.separate()
        self.bytes.append(UInt8(ascii: "\""))
        self.bytes.append(iso8601: instant)
        self.bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a value that is JSON already.
    public mutating func value(json: [UInt8]) {
        self.separate()
        self.bytes += json
    }

    /// Writes any value.
    public mutating func value(_ value: JSON) {
        self.separate()
        value.write(to: &self.bytes)
    }

    /// Writes a name and its value.
    public mutating func member(_ name: StaticString, _ text: String) {
        self.name(name)
        self.value(text)
    }

    /// Writes a name and its value.
    public mutating func member(_ name: StaticString, _ number: Int64) {
        self.name(name)
        self.value(number)
    }

    /// Writes a name and its value.
    public mutating func member(_ name: StaticString, _ truth: Bool) {
        self.name(name)
        self.value(truth)
    }

    /// Writes a name and its value.
    public mutating func member(_ name: StaticString, _ instant: Instant) {
        self.name(name)
        self.value(instant)
    }

    /// Writes a name and its value.
    public mutating func member(_ name: StaticString, _ value: JSON) {
        self.name(name)
        self.value(value)
    }

    /// Writes a name and its value, which is JSON already.
    public mutating func member(_ name: StaticString, json: [UInt8]) {
        self.name(name)
        self.value(json: json)
    }

    /// A comma, unless what comes is the first in its place: the last byte says so, for a string ends with a quote.
    private mutating func separate() {
        switch self.bytes.last {
        case nil, UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: ":"): break
        default: self.bytes.append(UInt8(ascii: ","))
        }
    }

    private mutating func append(_ text: StaticString) {
        unsafe self.bytes.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}

extension [UInt8] {
    /// Appends the decimal digits of a number, without a text in between.
    public mutating func append(decimal number: some FixedWidthInteger) {
        if number >= 0, number < 10 { return self.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number)) }
        if number < 0 { self.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = self.count
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            self.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit))
            rest = quotient
        } while rest > 0
        self[start...].reverse()
    }
}
